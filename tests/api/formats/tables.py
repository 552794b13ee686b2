"""A small application with tabular operations of every kind, and a server for it; it reads no database."""

import asyncio
import datetime as dt
import hashlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal
from uuid import UUID

import aiohttp
import numpy as np
import uvicorn
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from api.access_log import AccessLog
from api.answer import json_answer
from api.errors import NothingProjected, RefusedRequest, on_failure, on_refused
from api.etag import is_held, not_modified, tagged
from api.formats.answer import answer_rows, answer_stream
from api.formats.representation import representation_of
from api.formats.table import Table
from api.generation_ref import GenerationRef
from api.operation import Operation
from api.params import Symbol
from tests.api.served import Client, listening

CHUNK_ROWS = 1000


class Origin(Struct, frozen=True):
    """A value that no column type is made for."""

    archive_seq: int
    words: list[str]


class Row(Struct, frozen=True):
    """A row with a column of every type."""

    ticker: str
    session: dt.date
    believed_from: dt.datetime | None
    close: float
    vwap: float | None
    trades: int
    validated: bool
    failed_rules: list[str]
    note: Annotated[str | None, Meta(description="A note.")]
    size: Literal["small", "large"] | None
    run_id: UUID
    origin: Origin | None


RUN_ID = UUID("00000000-0000-0000-0000-00000000000b")
INSTANT = dt.datetime(2026, 11, 20, 7, 0, 0, 250_000, dt.UTC)
ROWS = (
    Row("BRK.B", dt.date(2014, 6, 9), INSTANT, 93.7, 93.5, 7, True, [], None, None, RUN_ID, None),
    Row(
        "NA", dt.date(2014, 6, 10), None, 94.0, None, 8, False, ["large_gap", "volume_anomaly"], 'a "b", c', "large",
        RUN_ID, Origin(2, ["x"]),
    ),
    Row("", dt.date(2014, 6, 11), None, 1e15, 0.1, 9, True, ["large_gap"], "=ümlaut\n", "small", RUN_ID, None),
)  # fmt: skip
GENERATION = GenerationRef(UUID("00000000-0000-0000-0000-00000000000a"), 2, "a1" * 32)


class Answer(Struct, frozen=True):
    """An envelope with rows in the middle of it."""

    symbol: str
    generation: GenerationRef
    coverage: dict[str, Any]
    rows: list[Row]
    count: int
    next_cursor: str | None = None


class RowsParams(Struct, frozen=True, kw_only=True):
    """How many rows, and how they are held."""

    symbol: Symbol
    count: int = 3
    held: Literal["structs", "table"] = "structs"
    cursor: str | None = None


class ManyParams(Struct, frozen=True, kw_only=True):
    """How many chunks, and what goes wrong after how many of them."""

    chunks: int = 3
    fails_after: int = -1


def rows_of(count: int) -> list[Row]:
    """Return rows, the known ones over and over."""
    return [ROWS[place % len(ROWS)] for place in range(count)]


def table_of(rows: list[Row]) -> Table:
    """Return rows as columns, with NaN and NaT for null."""
    listed = {name: [getattr(row, name) for row in rows] for name in Row.__struct_fields__}
    instants = [None if value is None else value.replace(tzinfo=None) for value in listed.pop("believed_from")]
    columns = {name: np.empty(len(rows), object) for name in listed}
    for name, values in listed.items():
        columns[name][:] = values
    typed = {
        "session": np.array(listed["session"], "datetime64[D]"),
        "believed_from": np.array(instants, "datetime64[us]"),
        "close": np.array(listed["close"], np.float64),
        "vwap": np.array(listed["vwap"], np.float64),
        "trades": np.array(listed["trades"], np.int64),
        "validated": np.array(listed["validated"], np.bool_),
    }
    return Table(Row, {name: typed[name] if name in typed else columns[name] for name in Row.__struct_fields__})


def _envelope(symbol: str, count: int) -> Answer:
    cursor = "next?page" if count == 2 else None
    return Answer(symbol, GENERATION, {"expected": 4, "missing": ["2014-06-12"]}, [], count, cursor)


async def table(request: Request, params: RowsParams) -> Response:
    """Answer with rows, tagged."""
    tag = f'"{hashlib.sha256(repr((request.url.path, representation_of(request))).encode()).hexdigest()}"'
    if is_held(request, tag):
        return not_modified(tag)
    rows = rows_of(params.count)
    held = rows if params.held == "structs" else table_of(rows)
    return await answer_rows(request, _envelope(params.symbol, params.count), "rows", held, tagged(tag))


async def many(request: Request, params: ManyParams) -> Response:
    """Answer with a stream of rows."""
    chunks = _chunks(request, params)
    return await answer_stream(request, _envelope("MANY", 0), "rows", Row, chunks)


async def _chunks(request: Request, params: ManyParams) -> AsyncGenerator[Table, None]:
    request.app.state.open_streams += 1
    try:
        for place in range(params.chunks):
            if place == params.fails_after:
                raise NothingProjected
            yield table_of(rows_of(CHUNK_ROWS))
    finally:
        request.app.state.open_streams -= 1


class Words(Struct, frozen=True):
    """An answer that is no table."""

    words: list[str]


class WordsParams(Struct, frozen=True, kw_only=True):
    """How many, or which."""

    count: int = 1
    only: Annotated[list[Symbol], Meta(max_length=2)] | None = None


async def words(request: Request, params: WordsParams) -> Response:
    """Answer with words."""
    return json_answer(Words(params.only or ["word"] * params.count))


_EXAMPLE = Answer("BRK.B", GENERATION, {}, [ROWS[0]], 1)
OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        path="/table/{symbol}",
        summary="Rows",
        description="Rows.",
        params=RowsParams,
        answer=Answer,
        example=_EXAMPLE,
        handle=table,
        rows="rows",
        tagged=True,
    ),
    Operation(
        path="/many",
        summary="Many rows",
        description="Many rows.",
        params=ManyParams,
        answer=Answer,
        example=_EXAMPLE,
        handle=many,
        rows="rows",
    ),
    Operation(
        path="/words",
        summary="Words",
        description="Words.",
        params=WordsParams,
        answer=Words,
        example=Words(["word"]),
        handle=words,
    ),
)


def tables_app() -> Starlette:
    """Return the application; `state.open_streams` counts the streams that still hold what they read from."""
    app = Starlette(
        routes=[operation.route() for operation in OPERATIONS],
        exception_handlers={RefusedRequest: on_refused, Exception: on_failure},
    )
    app.state.open_streams = 0
    return app


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[Client]:
    """Yield a client of an application on a free loopback port, in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(AccessLog(app), log_config=None, access_log=False, lifespan="off"))
    with listening() as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            async with asyncio.timeout(30):
                while not server.started:
                    await asyncio.sleep(0.01)
            # Bodies are handed on as they were sent, and no coding is asked for unless a test does.
            plain = {"Accept-Encoding": "identity"}
            async with aiohttp.ClientSession(auto_decompress=False, headers=plain) as session:
                yield Client(session, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            await asyncio.to_thread(thread.join)
