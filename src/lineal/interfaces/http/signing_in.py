"""Signing in: a code that is good once, or a personal token, becomes a session of the pages."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineal.errors import LinealError, PermissionDenied
from lineal.interfaces.http.attempts import Attempts
from lineal.interfaces.http.bodies import read_body
from lineal.interfaces.http.entrance import SESSION_COOKIE, is_secure, too_many_attempts
from lineal.interfaces.http.routes import json_response, problem_response
from lineal.interfaces.http.table import PREFIX
from lineal.interfaces.scope import asked
from lineal.workspace.hosted import People

SESSION_SECONDS = 30 * 24 * 3600


def signing_in_routes() -> list[Route]:
    """The routes that set and take the cookie."""
    attempts = Attempts()

    async def sign_in(request: Request) -> Response:
        client, code = request.client.host if request.client else "", ""
        try:
            content = await read_body(request)
            code = str(content.fields.get("code", "")).strip()
            session = await run_in_threadpool(_session, asked(request.scope).projects.people, code)
        except LinealError as error:
            if error.kind != "bad-code":
                return problem_response(error, request)
            if wait := attempts.wait(client):  # a good code is good however often others failed who share the address
                return problem_response(too_many_attempts(wait), request)
            if attempts.failed(client):
                await run_in_threadpool(asked(request.scope).projects.people.tell_refused, "sign-in.refused", client, code)
            return problem_response(error, request)
        answer = json_response({})
        _set_cookie(answer, request, session, SESSION_SECONDS)
        return answer

    return [Route(f"{PREFIX}/server/sign-in", sign_in, methods=["POST"])]


def _session(people: People, code: str) -> str:
    """Raises PermissionDenied kind ``bad-code``."""
    if code.startswith("ln_"):
        proof = people.prove(code)
        if proof is not None and proof.whole and proof.token:
            return people.begin_session(proof.name)
    elif (session := people.sign_in(code)) is not None:
        return session
    raise PermissionDenied(
        "this code or token is not good, or not any more",
        kind="bad-code",
        hint="A code is good once, for a day: ask an admin for a new one. Of tokens only a person's own without bounds signs in.",
    )


def _set_cookie(answer: Response, request: Request, value: str, seconds: int) -> None:
    secure = is_secure(request)
    name = f"__Host-{SESSION_COOKIE}" if secure else SESSION_COOKIE
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax")
