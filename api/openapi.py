"""GET /openapi.json: the OpenAPI 3.1 document of the operations, made from their types and nothing else."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.access.described import SECURITY, SECURITY_SCHEMES
from api.access.errors import ACCESS_ERRORS
from api.answer import json_bytes_answer
from api.dialect import Dialect
from api.errors import ErrorAnswer, InternalError, RefusedRequest, UnknownParameter
from api.formats.described import HEADERS, SUFFIXES, TABULAR_ERRORS, header_references, loosen, tabular_responses
from api.operation import Operation
from api.params import NoParams, parameter_types

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_DESCRIPTION = (
    "Daily bars of US stocks, projected from an append-only archive of everything the vendor sent. Every error has "
    "the shape of ErrorAnswer, but on the routes of Polygon and of TradingView, which have theirs."
)
_OF_ANY_ROUTE = (UnknownParameter("colour", ()), InternalError(), *ACCESS_ERRORS)


def openapi_operation(others: Sequence[Operation[Any]]) -> Operation[NoParams]:
    """Return the operation that answers with the document of the others and of itself."""

    async def openapi(request: Request, params: NoParams) -> Response:
        return json_bytes_answer(body, {"Cache-Control": "no-cache"})

    operation = Operation(
        path="/openapi.json",
        summary="This document",
        description="The description of this API, in OpenAPI 3.1.",
        params=NoParams,
        answer=dict[str, Any],
        example={"openapi": "3.1.0"},
        handle=openapi,
    )
    body = msgspec.json.encode(openapi_document([*others, operation]))
    return operation


def openapi_document(operations: Sequence[Operation[Any]]) -> Json:
    """Return the OpenAPI 3.1 document of operations."""
    answers = [operation.answer for operation in operations]
    errors = {operation.dialect.error for operation in operations if operation.dialect}
    kinds = [*answers, ErrorAnswer, *sorted(errors, key=lambda kind: kind.__name__)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    for operation, schema in zip(operations, schemas, strict=False):
        if operation.rows is not None:
            loosen(components, schema, operation.rows)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Market data warehouse",
            "version": version("market-data-warehouse"),
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "paths": {
            operation.template: {"get": _describe(operation, schema)}
            for operation, schema in zip(operations, schemas, strict=False)
        },
        "components": {"schemas": components, "headers": HEADERS, "securitySchemes": SECURITY_SCHEMES},
        "security": SECURITY,
    }


def _describe(operation: Operation[Any], schema: Json) -> Json:
    responses = _answers(operation, schema)
    if operation.tagged:
        for response in responses.values():
            response.setdefault("headers", {}).update(header_references("ETag"))
        responses["304"] = {
            "description": "The answer with the ETag of If-None-Match still stands.",
            "headers": header_references("ETag", "Vary"),
        }
    is_tabular = operation.rows is not None
    own_errors = [*TABULAR_ERRORS, *operation.errors] if is_tabular else operation.errors
    return {
        "operationId": operation.name,
        "tags": list(operation.tags),
        "summary": operation.summary,
        "description": operation.description + SUFFIXES if is_tabular else operation.description,
        "parameters": _parameters(operation),
        "responses": responses
        | _with_also(_errors([*own_errors, *_OF_ANY_ROUTE], operation.dialect), operation, schema),
    }


def _answers(operation: Operation[Any], schema: Json) -> Json:
    if operation.rows is not None:
        return tabular_responses(schema, operation.example, operation.rows)
    media = {"schema": schema, "example": msgspec.to_builtins(operation.example)}
    return {"200": {"description": "The answer.", "content": {operation.media_type: media}}}


def _with_also(errors: Json, operation: Operation[Any], schema: Json) -> Json:
    """Return errors with the answer itself beside them under the statuses that it has too."""
    for status, example in operation.also.items():
        empty = {"description": "", "content": {"application/json": {"schema": schema, "examples": {}}}}
        response = errors.setdefault(str(status), empty)
        media = response["content"]["application/json"]
        if media["schema"] != schema:
            media["schema"] = {"anyOf": [schema, media["schema"]]}
        media["examples"]["the_answer"] = {"value": msgspec.to_builtins(example)}
        response["description"] = " or ".join(media["examples"])
    return errors


def _parameters(operation: Operation[Any]) -> list[Json]:
    kind: type[msgspec.Struct] = operation.asked
    parameters = []
    for field in msgspec.structs.fields(kind):
        (schema,), _ = msgspec.json.schema_components([parameter_types(kind)[field.encode_name]])
        parameter: Json = {
            "name": field.encode_name,
            "in": "path" if f"{{{field.encode_name}}}" in operation.template else "query",
            "required": field.required,
            "description": schema.pop("description", ""),
            "schema": schema,
        }
        if schema.get("type") == "array":
            # Separated by commas, each once.
            schema["uniqueItems"] = True
            parameter |= {"style": "form", "explode": False}
        if "examples" in schema:
            parameter["example"] = schema.pop("examples")[0]
        if not field.required and field.default is not None:
            schema["default"] = field.default
        parameters.append(parameter)
    return sorted(parameters, key=lambda parameter: parameter["in"] != "path")


def _errors(refused: Sequence[RefusedRequest], dialect: Dialect | None) -> Json:
    """Return the responses of errors by status, each with an example of every code."""
    responses: Json = {}
    kind = dialect.error if dialect else ErrorAnswer
    for error in refused:
        if dialect is not None and isinstance(error, UnknownParameter):
            continue
        status, body = (
            dialect.translate(error.status, error.answer().error) if dialect else (error.status, error.answer())
        )
        response = responses.setdefault(
            str(status),
            {
                "description": "",
                "content": {"application/json": {"schema": {"$ref": _REF.format(name=kind.__name__)}, "examples": {}}},
            },
        )
        examples = response["content"]["application/json"]["examples"]
        examples[error.code] = {"value": msgspec.to_builtins(body) | (dict(dialect.in_examples) if dialect else {})}
        response["description"] = " or ".join(examples)
    return responses
