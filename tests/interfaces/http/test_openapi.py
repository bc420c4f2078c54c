import re
from typing import Any

from lineal.interfaces.http.openapi import openapi
from lineal.interfaces.http.routes import ENDPOINTS
from lineal.interfaces.http.table import PREFIX


def test_the_document_has_every_endpoint_once(visitor: Any) -> None:
    document = visitor.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    found = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert found == {(endpoint.method, PREFIX + endpoint.path) for endpoint in ENDPOINTS}
    operations = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(operations) == len(set(operations))


def test_parameters_and_bodies_are_described() -> None:
    document = openapi(ENDPOINTS, version="1")
    for path, methods in document["paths"].items():
        for operation in methods.values():
            named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))
            assert operation["responses"]["404"] == {"$ref": "#/components/responses/Problem"}
    assert document["components"]["responses"]["Problem"]["content"]["application/problem+json"]
    body = document["paths"]["/api/v1/lineage/delete"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["ref", "plan"]
    assert "text/csv" in document["paths"]["/api/v1/monitors/{name}/truth"]["post"]["requestBody"]["content"]


def test_every_required_field_is_a_field() -> None:
    assert all(set(endpoint.required) <= set(endpoint.body) for endpoint in ENDPOINTS)
