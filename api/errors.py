"""What can go wrong in the API, and the one JSON shape in which a caller reads it.

ApiError
├── CannotListen               the server cannot listen at its address (the command says so and exits 1)
└── RefusedRequest             answered with its status in the one error shape; more in api/access/errors.py
    ├── UnknownPath            404 unknown_path
    ├── MethodNotAllowed       405 method_not_allowed
    ├── UnknownSymbol          404 unknown_symbol
    ├── UnknownPayload         404 unknown_payload
    ├── UnknownRun             404 unknown_run
    ├── UnknownRuleset         404 unknown_ruleset
    ├── NotAcceptable          406 not_acceptable
    ├── RangeNotSatisfiable    416 range_not_satisfiable
    ├── InvalidParameter       422 invalid_parameter
    ├── UnknownParameter       422 unknown_parameter
    ├── MissingParameter       422 missing_parameter
    ├── InternalError          500 internal_error
    ├── PayloadDamaged         500 payload_damaged
    ├── AuditFailed            500 audit_failed
    ├── DatabaseUnreachable    503 database_away
    ├── QueryTimedOut          503 query_timed_out
    ├── NothingProjected       503 nothing_projected
    ├── ForeignProjection      503 projection_outdated
    ├── GenerationChanging     503 generation_changing
    └── TooBusy                503 too_busy

No message holds a stack trace, a statement or an address of the database.
"""

import logging
from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta, Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from sql.errors import WarehouseError

_LOG = logging.getLogger("api")
_LONGEST_ECHO = 80


class ErrorDetail(Struct, frozen=True):
    """What went wrong with a request."""

    code: Annotated[str, Meta(description="A stable word to decide by.")]
    message: Annotated[str, Meta(description="One sentence for a person: what was asked, and the bound it broke.")]
    parameter: Annotated[
        str | None, Meta(description="The parameter at fault, of the query or the path; null where none is.")
    ]


class ErrorAnswer(Struct, frozen=True):
    """The body of every answer that is an error, on every route."""

    error: ErrorDetail


class ApiError(WarehouseError):
    """The base of this room's errors."""


class CannotListen(ApiError):
    """The server cannot listen at `host` and `port`."""

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(f"cannot serve the API at {host} port {port}: {why}")
        self.host, self.port = host, port


class RefusedRequest(ApiError):
    """A request that is answered with an error; `status` and `code` are the class's, `parameter` the subject.

    Where `retry_after_s` is no None, it is likely to be answered after so many whole seconds.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    retry_after_s: int | None = None

    def __init__(self, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter

    def answer(self) -> ErrorAnswer:
        """Return the body that the caller gets."""
        return ErrorAnswer(ErrorDetail(self.code, str(self), self.parameter))


class UnknownPath(RefusedRequest):
    """No route has this `path`."""

    status, code = 404, "unknown_path"

    def __init__(self, path: str) -> None:
        super().__init__(f"there is nothing at {shorten(path)}; /openapi.json lists what there is")
        self.path = path


class MethodNotAllowed(RefusedRequest):
    """The route exists and does not take this `method`."""

    status, code = 405, "method_not_allowed"

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"{shorten(path)} does not take {shorten(method)}; this API is read with GET")
        self.method, self.path = method, path


class UnknownSymbol(RefusedRequest):
    """Nothing in the archive ever spoke of `symbol`."""

    status, code = 404, "unknown_symbol"

    def __init__(self, symbol: str, parameter: str = "symbol") -> None:
        super().__init__(f"symbol {shorten(symbol)} is not known here; symbols are case-sensitive", parameter)
        self.symbol = symbol


class UnknownPayload(RefusedRequest):
    """The archive has no payload `archive_seq`."""

    status, code = 404, "unknown_payload"

    def __init__(self, archive_seq: int) -> None:
        super().__init__(f"payload {archive_seq} is not in the archive", "seq")
        self.archive_seq = archive_seq


class UnknownRun(RefusedRequest):
    """The run ledger has no run `run_id`."""

    status, code = 404, "unknown_run"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"run {run_id} is not in the ledger; /api/v1/runs lists those that are", "run_id")
        self.run_id = run_id


class NotAcceptable(RefusedRequest):
    """The caller takes none of the `offered` media types."""

    status, code = 406, "not_acceptable"

    def __init__(self, accept: str, offered: tuple[str, ...]) -> None:
        super().__init__(f"Accept is {shorten(accept)}: this answer can be had as {', '.join(offered)}")
        self.offered = offered


class RangeNotSatisfiable(RefusedRequest):
    """The answer has `size` bytes, and none of them is in the range."""

    status, code = 416, "range_not_satisfiable"

    def __init__(self, asked: str, size: int) -> None:
        super().__init__(f"Range is {shorten(asked)}: the answer has {size} bytes")
        self.size = size


class UnknownRuleset(RefusedRequest):
    """No ruleset, or more than one, is called `name`."""

    status, code = 404, "unknown_ruleset"

    def __init__(self, name: str, parameter: str) -> None:
        super().__init__(f"ruleset {shorten(name)} is none or several; /api/v1/rulesets has them all", parameter)
        self.name = name


class InvalidParameter(RefusedRequest):
    """A parameter has a `value` that breaks its `bound`."""

    status, code = 422, "invalid_parameter"

    def __init__(self, parameter: str, value: str, bound: str) -> None:
        super().__init__(f"{parameter} is {shorten(value)}: {bound}", parameter)
        self.value, self.bound = value, bound


class UnknownParameter(RefusedRequest):
    """The route has no such parameter; `known` are those it has."""

    status, code = 422, "unknown_parameter"

    def __init__(self, parameter: str, known: tuple[str, ...]) -> None:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        super().__init__(f"{shorten(parameter)} is not a parameter of this route; {takes}", shorten(parameter))
        self.known = known


class MissingParameter(RefusedRequest):
    """The route cannot do without this `parameter`."""

    status, code = 422, "missing_parameter"

    def __init__(self, parameter: str) -> None:
        super().__init__(f"{parameter} must be given", parameter)


class InternalError(RefusedRequest):
    """A fault of ours; what happened is in the server's log only."""

    status, code = 500, "internal_error"

    def __init__(self) -> None:
        super().__init__("the server failed to answer; its log says why")


class PayloadDamaged(RefusedRequest):
    """The stored bytes of payload `archive_seq` are not those that were archived; nothing of them is served."""

    status, code = 500, "payload_damaged"

    def __init__(self, archive_seq: int) -> None:
        super().__init__(f"payload {archive_seq} is damaged in the archive; `archive verify` says how")
        self.archive_seq = archive_seq


class AuditFailed(RefusedRequest):
    """The tables do not hold what the payloads say; `why` names the first difference."""

    status, code = 500, "audit_failed"

    def __init__(self, why: str) -> None:
        super().__init__(why)


class DatabaseUnreachable(RefusedRequest):
    """The database does not answer."""

    status, code = 503, "database_away"

    def __init__(self) -> None:
        super().__init__("the database cannot be reached; try again when it is back")


class QueryTimedOut(RefusedRequest):
    """The database took longer than the statement timeout."""

    status, code = 503, "query_timed_out"

    def __init__(self) -> None:
        super().__init__("the database took too long to answer; ask for less, or try again")


class NothingProjected(RefusedRequest):
    """There is no projection yet."""

    status, code = 503, "nothing_projected"

    def __init__(self) -> None:
        super().__init__("nothing is projected yet; run: project")


class ForeignProjection(RefusedRequest):
    """The projection lacks a table or column that this software reads."""

    status, code = 503, "projection_outdated"

    def __init__(self) -> None:
        super().__init__("the projection was built by another version of this software; run: project --rebuild")


class GenerationChanging(RefusedRequest):
    """The projection was swapped each time it was read."""

    status, code = 503, "generation_changing"

    def __init__(self) -> None:
        super().__init__("the projection was swapped while it was read, several times in a row; try again")


class TooBusy(RefusedRequest):
    """`most` answers of a costly kind, such as `audits`, are being made or wait for their turn already."""

    status, code = 503, "too_busy"
    retry_after_s = 3

    def __init__(self, most: int, what: str) -> None:
        super().__init__(f"{most} {what} are being made or wait for their turn; try again in a few seconds")
        self.most, self.what = most, what


# What any route that reads the projection may answer instead; each is an example for the OpenAPI document.
READ_ERRORS = (
    DatabaseUnreachable(),
    QueryTimedOut(),
    NothingProjected(),
    ForeignProjection(),
    GenerationChanging(),
)


def shorten(text: str) -> str:
    """Return text of a caller as it may be echoed: of bounded length."""
    return text if len(text) <= _LONGEST_ECHO else text[: _LONGEST_ECHO - 1] + "…"


def refuse(refused: RefusedRequest, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer to a refused request, in the one error shape; it says when to come again, where that helps."""
    again = {} if refused.retry_after_s is None else {"Retry-After": str(refused.retry_after_s)}
    return json_answer(refused.answer(), {**again, **(headers or {})}, status=refused.status)


async def on_refused(request: Request, exc: Exception) -> Response:
    """Answer a RefusedRequest that a handler raised; one that is not the caller's fault is logged with its cause."""
    assert isinstance(exc, RefusedRequest)
    if exc.status >= InternalError.status:
        _LOG.warning("api.unavailable", extra={"code": exc.code, "caused_by": repr(exc.__cause__)})
    return refuse(exc)


async def on_http_exception(request: Request, exc: Exception) -> Response:
    """Answer what the router itself refuses: an unknown path, or a method that a route does not take."""
    assert isinstance(exc, HTTPException)
    if exc.status_code == MethodNotAllowed.status:
        return refuse(MethodNotAllowed(request.method, request.url.path), exc.headers)
    return refuse(UnknownPath(request.url.path))


async def on_failure(request: Request, exc: Exception) -> Response:
    """Answer for an error of ours; the server logs it with its chain, the caller learns nothing of it."""
    return refuse(InternalError())
