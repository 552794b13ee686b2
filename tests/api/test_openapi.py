"""The OpenAPI document: every route is in it, every reference resolves, and every example is what it says."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from starlette.routing import Route

from api.app import OPERATIONS, create_app
from api.errors import ErrorAnswer, RefusedRequest
from tests.api.served import Client

Json = dict[str, Any]


@pytest.fixture(scope="session")
async def document(client: Client) -> Json:
    """Return the document as it is served."""
    answer = await client.ask("/openapi.json")
    assert answer.status == 200
    document: Json = answer.json
    return document


def _all_under(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _all_under(child)


def _operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, item in document["paths"].items():
        assert set(item) == {"get"}
        yield path, item["get"]


async def test_it_is_openapi_3_1_and_complete(document: Json) -> None:
    assert document["openapi"] == "3.1.0"
    assert {"title", "version", "description"} <= set(document["info"])
    identifiers = [operation["operationId"] for _, operation in _operations(document)]
    assert len(identifiers) == len(set(identifiers))
    for _, operation in _operations(document):
        assert operation["summary"]
        assert operation["description"]
        assert all(response["description"] for response in operation["responses"].values())


async def test_every_route_is_in_it(document: Json) -> None:
    routes = create_app("postgresql://nowhere").routes
    described = {route.path for route in routes if isinstance(route, Route) and route.include_in_schema}
    assert set(document["paths"]) == described
    assert {"/health", "/api/v1/status", "/api/v1/historical/{symbol}", "/openapi.json"} <= described


async def test_every_reference_resolves(document: Json) -> None:
    references = [node["$ref"] for node in _all_under(document) if "$ref" in node]
    assert references
    for reference in references:
        node: Any = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


async def test_every_answer_has_an_example_of_its_type(document: Json) -> None:
    for operation in OPERATIONS:
        described = document["paths"][operation.path]["get"]["responses"]["200"]["content"]["application/json"]
        assert msgspec.convert(described["example"], operation.answer) == operation.example


async def test_an_answer_with_another_status_has_an_example_of_the_same_type(document: Json) -> None:
    found = set()
    for operation in OPERATIONS:
        for status, example in operation.also.items():
            described = document["paths"][operation.path]["get"]["responses"][str(status)]
            media = described["content"]["application/json"]
            assert msgspec.convert(media["example"], operation.answer) == example
            found.add((operation.path, status))
    assert found == {("/ready", 503), ("/fresh", 503)}


async def test_every_refusal_has_an_example_in_the_error_shape(document: Json) -> None:
    also = {operation.path: {str(status) for status in operation.also} for operation in OPERATIONS}
    for path, operation in _operations(document):
        refusals = {
            status: response
            for status, response in operation["responses"].items()
            if status >= "400" and status not in also.get(path, ())
        }
        assert {"422", "500"} <= set(refusals)
        for response in refusals.values():
            media = response["content"]["application/json"]
            assert media["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}
            for code, example in media["examples"].items():
                assert msgspec.convert(example["value"], ErrorAnswer).error.code == code


async def test_every_kind_of_refusal_a_route_can_give_is_in_it(document: Json) -> None:
    described = {
        code
        for node in _all_under(document["paths"])
        for code in node.get("examples", {})
        if isinstance(node.get("examples"), dict)
    }
    # These two are of no route: there is none at the path, or none with the method.
    assert described | {"unknown_path", "method_not_allowed"} == {kind.code for kind in RefusedRequest.__subclasses__()}


async def test_parameters_show_their_place_type_bound_and_default(document: Json) -> None:
    parameters = {
        parameter["name"]: parameter
        for parameter in document["paths"]["/api/v1/historical/{symbol}"]["get"]["parameters"]
    }
    assert list(parameters) == ["symbol", "start", "end", "validated_only", "min_quality", "adjusted"]
    assert all(parameter["description"] for parameter in parameters.values())
    assert (parameters["symbol"]["in"], parameters["symbol"]["required"]) == ("path", True)
    assert (parameters["start"]["in"], parameters["start"]["required"]) == ("query", False)
    assert parameters["start"]["schema"] == {"type": "string", "format": "date"}
    assert parameters["validated_only"]["schema"] == {"type": "boolean", "default": False}
    assert parameters["min_quality"]["schema"] == {"type": "number", "minimum": 0, "maximum": 1, "default": 0.0}
    assert parameters["adjusted"]["schema"] == {"enum": ["none", "splits"], "default": "splits"}


async def test_examples_of_parameters_are_accepted(client: Client, document: Json) -> None:
    for path, operation in _operations(document):
        query = []
        for parameter in operation["parameters"]:
            example = parameter.get("example", parameter["schema"].get("default"))
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", str(example))
            else:
                query.append(f"{parameter['name']}={example}")
        assert (await client.ask(f"{path}?{'&'.join(query)}")).status == 200
