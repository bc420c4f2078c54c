"""What the errors of the library behind object stores mean. Their texts are not passed on: they may hold a signed URL."""

from __future__ import annotations

import re
import time

from lineal.errors import Integrity, LinealError, NotFound, PermissionDenied, Unavailable
from lineal.store.backends.address import Address

_METADATA_SERVICE = "//169.254.169.254"  # where a machine of Amazon's asks for its own key; asked last, where no other was found
_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_DENIED = frozenset({"PermissionDeniedError", "UnauthenticatedError"})
_SIGNS = (("ConnectionRefused", "nobody listens there"), ("dns error", "its name is not known"), ("TimedOut", "it is too slow"))


class BeyondEndError(Integrity):
    """A range begins behind a file's end."""


def meaning(error: Exception, address: Address, key: str) -> LinealError:
    """What an error says about a store, or about the file at a key of it."""
    text = str(error)
    status = _found(r"status code: (\d+)", text)
    code = _found(r"<Code>(\w+)</Code>", text)
    denied = _denied(error, address, text=text, status=status, code=code)
    if denied is not None:
        return denied
    if status == "416":
        return BeyondEndError("read behind the end", kind="missing-file")
    if code == "NoSuchBucket" or "ContainerNotFound" in text:
        return NotFound(f"there is no bucket {address.bucket}", kind="unknown-bucket", hint="Correct the address, or make the bucket.")
    if isinstance(error, FileNotFoundError) or status == "404":
        return Integrity(f"{address.place}/{key} is missing from the store", kind="missing-file", hint="See what is left with: lineal fsck")
    return unavailable(address, _reason(text, status, code))


def unavailable(address: Address, reason: str) -> Unavailable:
    """The error for a store that does not answer as it should."""
    return Unavailable(
        f"{address.place} does not answer: {reason}",
        kind="store-unavailable",
        hint="What is finished stays; the same command goes on from there. Check the network and the endpoint.",
    )


def _denied(error: Exception, address: Address, *, text: str, status: str, code: str) -> PermissionDenied | None:
    if _METADATA_SERVICE in text:
        return PermissionDenied(
            f"there is no key for {address.place}",
            kind="store-denied",
            hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; from a profile: eval $(aws configure export-credentials --format env)",
        )
    if code in _CLOCK:
        return PermissionDenied(
            f"{address.place} refuses the request because this machine's clock is off",
            kind="clock-off",
            hint="Set the clock (it says it is " + time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()) + "), then try again.",
        )
    if status in {"401", "403"} or type(error).__name__ in _DENIED:
        return PermissionDenied(
            f"{address.place} refuses these credentials" + (f" ({code})" if code else ""),
            kind="store-denied",
            hint="Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or Google's, or Azure's variables), and the key's rights to the bucket.",
        )
    return None


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else ""


def _reason(text: str, status: str, code: str) -> str:
    if status:
        return f"it says {status}" + (f" {code}" if code else "")
    for sign, words in _SIGNS:
        if sign in text:
            return words
    return "the connection broke"
