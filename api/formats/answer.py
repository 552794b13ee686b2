"""Tabular answers: rows in the format that the caller asked for, whole or as a stream.

A handler of an operation that has `rows` says what the rows are and what else there is to say; which format, layout,
columns and coding are wanted is read from the request here.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from api.answer import ANSWER_HEADERS
from api.errors import InvalidParameter
from api.formats.arrow import ArrowWriter
from api.formats.coding import Packer, packer_of
from api.formats.csv import CsvWriter
from api.formats.facts import fact_headers
from api.formats.json import JsonColumnsWriter, JsonRowsWriter, whole_json
from api.formats.ndjson import NdjsonWriter
from api.formats.outline import Outline, Writer
from api.formats.parquet import ParquetWriter
from api.formats.representation import Format, representation_of
from api.formats.table import Rows, Table, names_of, parts_of
from api.formats.tabular import row_kind, tabular_of

_WRITERS: Final[Mapping[Format, Callable[[Outline], Writer]]] = {
    Format.JSON: JsonRowsWriter,
    Format.CSV: CsvWriter,
    Format.NDJSON: NdjsonWriter,
    Format.ARROW: ArrowWriter,
    Format.PARQUET: ParquetWriter,
}
# How long a caller may leave a part of a stream unread, which holds a connection to the database meanwhile.
_STALLED_S = 60.0
# From here on rows are written beside the event loop.
_BESIDE_FROM = 4096
# What is larger is cut, into row groups in Parquet. msgspec writes without a pause in which others could run, so it is
# given a few milliseconds' work at a time.
_MOST_IN_A_GROUP = 65_536
_MOST_AT_ONCE = {Format.JSON: 8192, Format.NDJSON: 8192, Format.CSV: 16_384}


async def answer_rows(
    request: Request,
    envelope: Struct,
    field: str,
    rows: Rows,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer whose rows belong into a field of the envelope.

    Raises: NotAcceptable; InvalidParameter for a column that these rows do not have.
    """
    chosen = representation_of(request).format
    outline = _outline(request, envelope, field, rows)
    if len(rows) < _BESIDE_FROM:
        body = _whole(request, chosen, outline, rows)
    else:
        body = await asyncio.to_thread(_whole, request, chosen, outline, rows)
    return Response(body, headers=_headers(request, envelope, headers), media_type=chosen.media_type)


async def answer_stream(
    request: Request,
    envelope: Struct,
    field: str,
    kind: type[Struct],
    chunks: AsyncGenerator[Table, None],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer whose rows, of the struct `kind`, are sent as they come; none are held but those of a chunk.

    What fails before the first chunk is a refusal like any other; what fails later breaks the connection, so that the
    answer cannot be taken for a whole one. It has no length and no ranges, and HEAD reads no more than the first chunk.

    Shape: up to 65,536 rows a chunk, which is a row group in Parquet.
    Raises: NotAcceptable; InvalidParameter for layout=columns, which needs all rows at once; what the first chunk does.
    """
    chosen = representation_of(request)
    all_headers = {**_headers(request, envelope, headers), "Accept-Ranges": "none"}
    packer = packer_of(chosen.coding)
    if packer is not None:
        all_headers["Content-Encoding"] = chosen.coding.value
    async with AsyncExitStack() as stack:
        stack.push_async_callback(chunks.aclose)
        # A generator that has not begun would not be ended by closing it either, so HEAD reads it as well.
        first: Rows = await anext(chunks, [])
        if chosen.format is Format.JSON and tabular_of(request).layout == "columns":
            raise InvalidParameter(
                "layout", "columns", "must be rows in an answer of this size; or take another format"
            )
        writer = _WRITERS[chosen.format](_outline(request, envelope, field, first))
        if request.method != "HEAD":
            most = _MOST_AT_ONCE.get(chosen.format, _MOST_IN_A_GROUP)
            return Stream(_parts(writer, packer, first, chunks, most), stack.pop_all(), all_headers, chosen.format)
    return Stream(_nothing(), stack, all_headers, chosen.format)


class Stream(StreamingResponse):
    """Sends parts as they come, and lets go of where they come from however it ends."""

    def __init__(
        self,
        parts: AsyncGenerator[bytes, None],
        source: AsyncExitStack,
        headers: Mapping[str, str],
        sent_as: Format,
        stalled_s: float = _STALLED_S,
    ) -> None:
        super().__init__(parts, headers=headers, media_type=sent_as.media_type)
        self._parts = parts
        self._source = source
        self._stalled_s = stalled_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, to a caller who takes each part of it in time; else the connection is broken."""

        async def send_on(message: Message) -> None:
            async with asyncio.timeout(self._stalled_s):
                await send(message)

        async with self._source, aclosing(self._parts):
            await super().__call__(scope, receive, send_on)


async def _parts(
    writer: Writer, packer: Packer | None, first: Rows, chunks: AsyncGenerator[Table, None], most: int
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of an answer; they are made beside the event loop, one part at a time."""
    pack: Callable[[bytes], bytes] = bytes if packer is None else packer.compress
    yield pack(writer.start())
    rows: Rows | None = first
    while rows is not None:
        for part in parts_of(rows, most):
            if body := await asyncio.to_thread(_written, writer, pack, part):
                yield body
        rows = await anext(chunks, None)
    yield pack(writer.finish()) + (b"" if packer is None else packer.flush())


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield


def _written(writer: Writer, pack: Callable[[bytes], bytes], rows: Rows) -> bytes:
    return pack(writer.write(rows))


def _whole(request: Request, chosen: Format, outline: Outline, rows: Rows) -> bytes:
    if chosen is Format.JSON and tabular_of(request).layout == "columns":
        writer: Writer = JsonColumnsWriter(outline)
    elif chosen is Format.JSON and len(rows) < _BESIDE_FROM:
        return whole_json(outline, rows)
    else:
        writer = _WRITERS[chosen](outline)
    most = len(rows) or 1 if isinstance(writer, JsonColumnsWriter) else _MOST_AT_ONCE.get(chosen, _MOST_IN_A_GROUP)
    return b"".join((writer.start(), *(writer.write(part) for part in parts_of(rows, most)), writer.finish()))


def _outline(request: Request, envelope: Struct, field: str, rows: Rows) -> Outline:
    kind = rows.kind if isinstance(rows, Table) else row_kind(type(envelope), field)
    there = names_of(kind, rows)
    chosen = tabular_of(request).columns or there
    for name in chosen:
        if name not in there:
            raise InvalidParameter("columns", name, f"must be of those that this answer has: {', '.join(there)}")
    return Outline(kind, chosen, envelope, field)


def _headers(request: Request, envelope: Struct, headers: Mapping[str, str] | None) -> dict[str, str]:
    return {**ANSWER_HEADERS, **fact_headers(request, envelope), **(headers or {})}
