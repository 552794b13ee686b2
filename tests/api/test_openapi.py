"""The OpenAPI document: every route is in it, every reference resolves, and every example is what it says."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from starlette.routing import Route

from api.app import OPERATIONS, create_app
from api.errors import ErrorAnswer, RefusedRequest
from api.formats.representation import Format
from api.formats.tabular import row_kind
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
    described = {
        route.path.replace(":path}", "}") for route in routes if isinstance(route, Route) and route.include_in_schema
    }
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
        described = document["paths"][operation.template]["get"]["responses"]["200"]["content"][operation.media_type]
        assert msgspec.convert(described["example"], operation.answer) == operation.example


async def test_an_answer_with_another_status_has_an_example_of_the_same_type(document: Json) -> None:
    found = set()
    for operation in OPERATIONS:
        for status, example in operation.also.items():
            described = document["paths"][operation.path]["get"]["responses"][str(status)]
            media = described["content"]["application/json"]
            assert msgspec.convert(media["examples"]["the_answer"]["value"], operation.answer) == example
            found.add((operation.path, status))
    assert found == {("/ready", 503), ("/fresh", 503)}


async def test_every_refusal_has_an_example_in_its_error_shape(document: Json) -> None:
    for operation in OPERATIONS:
        kind = operation.dialect.error if operation.dialect else ErrorAnswer
        responses = document["paths"][operation.template]["get"]["responses"]
        refusals = {
            status: response
            for status, response in responses.items()
            if status >= "400" and int(status) not in operation.also
        }
        assert refusals
        for response in refusals.values():
            media = response["content"]["application/json"]
            assert media["schema"] == {"$ref": f"#/components/schemas/{kind.__name__}"}
            for code, example in media["examples"].items():
                error = msgspec.convert(example["value"], kind)
                assert not isinstance(error, ErrorAnswer) or error.error.code == code


async def test_every_kind_of_refusal_a_route_can_give_is_in_it(document: Json) -> None:
    described = {
        code
        for node in _all_under(document["paths"])
        for code in node.get("examples", {})
        if isinstance(node.get("examples"), dict) and code != "the_answer"
    }
    # These two are of no route: there is none at the path, or none with the method.
    kinds = {kind.code for kind in _kinds_of(RefusedRequest)}
    assert described | {"unknown_path", "method_not_allowed"} == kinds


def _kinds_of(base: type[RefusedRequest]) -> Iterator[type[RefusedRequest]]:
    for kind in base.__subclasses__():
        if "code" in vars(kind):
            yield kind
        yield from _kinds_of(kind)


async def test_a_tabular_answer_is_described_in_every_format_and_part(document: Json) -> None:
    tabular = [operation for operation in OPERATIONS if operation.rows is not None]
    assert tabular
    for operation in tabular:
        described = document["paths"][operation.template]["get"]
        assert {"200", "206", "406", "416", "422"} <= set(described["responses"])
        assert ("304" in described["responses"]) == operation.tagged
        whole = described["responses"]["200"]
        assert list(whole["content"]) == [format_.media_type for format_ in Format]
        assert {"Vary", "Link", "X-Generation", "X-Coverage"} <= set(whole["headers"])
        lines = whole["content"]["text/csv"]["example"].splitlines()
        row = row_kind(operation.answer, operation.rows or "")
        assert lines[0] == ",".join(row.__struct_fields__)
        assert len(lines) == 1 + len(getattr(operation.example, operation.rows or ""))
        layout, columns = described["parameters"][-2:]
        assert (layout["name"], columns["name"]) == ("layout", "columns")
        assert set(columns["schema"]["items"]["enum"]) == set(row.__struct_fields__)
        assert (columns["style"], columns["explode"], columns["schema"]["uniqueItems"]) == ("form", False, True)
        name = whole["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        rows, arrays = document["components"]["schemas"][name]["properties"][operation.rows]["anyOf"]
        described_row = document["components"]["schemas"][rows["items"]["$ref"].rpartition("/")[2]]
        assert "required" not in described_row
        assert set(arrays["properties"]) == set(described_row["properties"]) == set(row.__struct_fields__)


async def test_operations_are_grouped_by_tags(document: Json) -> None:
    for operation in OPERATIONS:
        assert document["paths"][operation.template]["get"]["tags"] == list(operation.tags)


async def test_parameters_show_their_place_type_bound_and_default(document: Json) -> None:
    parameters = {
        parameter["name"]: parameter
        for parameter in document["paths"]["/api/v1/historical/{symbol}"]["get"]["parameters"]
    }
    assert next(iter(parameters)) == "symbol"
    assert {"start", "end", "validated_only", "min_quality", "adjusted", "layout", "columns"} < set(parameters)
    assert all(parameter["description"] for parameter in parameters.values())
    assert (parameters["symbol"]["in"], parameters["symbol"]["required"]) == ("path", True)
    assert (parameters["start"]["in"], parameters["start"]["required"]) == ("query", False)
    assert parameters["start"]["schema"] == {"type": "string", "format": "date"}
    assert parameters["validated_only"]["schema"] == {"type": "boolean", "default": False}
    assert parameters["min_quality"]["schema"] == {"type": "number", "minimum": 0, "maximum": 1, "default": 0.0}
    assert parameters["adjusted"]["schema"] == {"enum": ["all", "none", "splits"], "default": "splits"}


async def test_examples_of_parameters_are_accepted(client: Client, document: Json) -> None:
    for path, operation in _operations(document):
        query = {}
        for parameter in operation["parameters"]:
            schema = parameter["schema"]
            known = [parameter.get("example"), schema.get("default"), *schema.get("enum", ()), schema.get("minimum")]
            example = next((value for value in known if value is not None), None)
            if example is None:
                assert not parameter["required"], (path, parameter["name"])
                continue
            text = ",".join(example) if isinstance(example, list) else str(example)
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", text)
            else:
                query[parameter["name"]] = text
        status = (await client.ask(f"{path}?{urlencode(query)}")).status
        # What a parameter's example names need not be in this small market; that it is a valid value is the point.
        assert str(status) in operation["responses"], path
        assert status not in (400, 422, 500), path
