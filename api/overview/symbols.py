"""GET /api/v1/symbols: every symbol with its coverage, sought and filtered."""

import datetime as dt
from bisect import bisect_left, bisect_right
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.cursor import Cursor, decode_cursor, encode_cursor
from api.errors import READ_ERRORS, InvalidParameter
from api.etag import etag, is_held, not_modified, tagged
from api.formats.answer import answer_rows
from api.formats.table import Table
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.overview.roster import Roster, read_roster
from api.records.page import Limit, NextCursor
from api.warehouse import warehouse_of

_EVERYTHING = 50_000

Name = Annotated[str | None, Meta(description="As the vendor lists it; null where no list has it.")]
Type = Annotated[str | None, Meta(description="The vendor's code: CS common stock, ETF, ADRC …; null where unknown.")]
Exchange = Annotated[str | None, Meta(description="The primary exchange as a MIC: XNYS, XNAS …; null where unknown.")]
Active = Annotated[
    bool | None, Meta(description="Whether it is listed as trading under this symbol; null where no list has it.")
]
Score = Annotated[
    float | None, Meta(description="validated_bars / bars: the share of its bars that is validated; null without bars.")
]


class SymbolsParams(Struct, frozen=True, kw_only=True):
    """Which symbols are asked for."""

    search: (
        Annotated[
            str,
            Meta(
                max_length=64,
                description="A part of the symbol, its beginning for one, or of the name; case does not matter.",
                examples=["apple"],
            ),
        ]
        | None
    ) = None
    has_bars: (
        Annotated[bool, Meta(description="Only those with bars, or only those without.", examples=[True])] | None
    ) = None
    active: (
        Annotated[bool, Meta(description="Only those listed as trading, or only those not.", examples=[True])] | None
    ) = None
    min_score: Annotated[float, Meta(ge=0, le=1, description="Leave out those with a lower score, or none.")] = 0.0
    order: Annotated[
        Literal["asc", "desc", "match"],
        Meta(
            description="By symbol, in the order of its bytes or the reverse; or first what matches `search` best: the "
            "very symbol, in another case, symbols that begin so, then names in which a word does."
        ),
    ] = "asc"
    limit: Limit = _EVERYTHING
    cursor: Cursor | None = None


class SymbolRow(Struct, frozen=True, gc=False):
    """A symbol and what there is of it."""

    symbol: str
    name: Name
    type: Type
    primary_exchange: Exchange
    active: Active
    first_session: Annotated[dt.date | None, Meta(description="Of its first bar; null without bars.")]
    last_session: Annotated[dt.date | None, Meta(description="Of its last bar; null without bars.")]
    bars: int
    validated_bars: int
    score: Score
    gaps_flagged: Annotated[int, Meta(description="Bars that failed the rule large_gap.")]
    volume_anomalies: Annotated[int, Meta(description="Bars that failed the rule volume_anomaly.")]
    revisions: Annotated[int, Meta(description="How often the vendor restated a bar of it.")]
    rejections: Annotated[int, Meta(description="Rows about it that cannot be a bar.")]


class Symbols(Struct, frozen=True):
    """A page of symbols, all of them unless a limit is given."""

    count: int
    total: Annotated[int, Meta(description="How many symbols pass the filters, on all pages together.")]
    generation: GenerationRef
    next_cursor: NextCursor
    symbols: list[SymbolRow]


async def symbols(request: Request, params: SymbolsParams) -> Response:
    """Answer with a page of symbols."""
    generation, roster = await read_roster(warehouse_of(request).projection)
    tag = etag(request, generation)
    if is_held(request, tag):
        return not_modified(tag)
    found = _found(roster, params)
    rest = _after_cursor(found, roster, params)
    page = rest[: params.limit]
    cursor = None
    if len(page) < len(rest):
        cursor = encode_cursor(*_key(roster, params, page[-1:]), of=_list(params))
    rows = Table(SymbolRow, {name: column[page] for name, column in roster.columns.items()})
    envelope = Symbols(len(page), len(found), GenerationRef.of(generation), cursor, [])
    return await answer_rows(request, envelope, "symbols", rows, headers=tagged(tag))


def _list(params: SymbolsParams) -> str:
    # How well a symbol matches depends on what is sought.
    return f"symbols match {params.search}" if params.order == "match" else f"symbols {params.order}"


def _key(roster: Roster, params: SymbolsParams, last: npt.NDArray[np.intp]) -> tuple[object, ...]:
    """Return the key of the last symbol of a page."""
    symbol = roster.symbols[last[0]]
    return (int(_ranks(roster, params, last)[0]), symbol) if params.order == "match" else (symbol,)


def _ranks(roster: Roster, params: SymbolsParams, places: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    return roster.ranks(params.search or "", places)


def _found(roster: Roster, params: SymbolsParams) -> npt.NDArray[np.intp]:
    """Return the places of the symbols that pass the filters, in the order asked for."""
    columns = roster.columns
    keep = np.ones(len(roster.symbols), np.bool_)
    if params.search is not None:
        keep &= roster.matches(params.search)
    if params.has_bars is not None:
        keep &= (columns["bars"] > 0) == params.has_bars
    if params.active is not None:
        # What no list has is neither.
        keep &= columns["active"] == params.active
    if params.min_score > 0:
        keep &= columns["score"] >= params.min_score
    places = np.flatnonzero(keep)
    if params.order == "match":
        return places[np.argsort(_ranks(roster, params, places), kind="stable")]
    return places if params.order == "asc" else places[::-1]


def _after_cursor(found: npt.NDArray[np.intp], roster: Roster, params: SymbolsParams) -> npt.NDArray[np.intp]:
    if params.cursor is None:
        return found
    if params.order == "match":
        rank, last = decode_cursor(params.cursor, (int, str), of=_list(params))
        ranks = _ranks(roster, params, found)
        follows: npt.NDArray[np.bool_] = (ranks > rank) | (
            (ranks == rank) & (found >= bisect_right(roster.symbols, last))
        )
        return found[follows]
    (last,) = decode_cursor(params.cursor, (str,), of=_list(params))
    if params.order == "asc":
        return found[found >= bisect_right(roster.symbols, last)]
    return found[found < bisect_left(roster.symbols, last)]


OPERATION = Operation(
    path="/api/v1/symbols",
    summary="All symbols with their coverage",
    description=(
        "Every symbol that was asked for or that any answer spoke of, and those the vendor lists: from when until when "
        "there are bars, how many, and how good. The whole list comes at once unless a limit is given."
    ),
    params=SymbolsParams,
    answer=Symbols,
    example=Symbols(
        count=1,
        total=1,
        generation=EXAMPLE_GENERATION,
        next_cursor=None,
        symbols=[
            SymbolRow(
                symbol="AAPL",
                name="Apple Inc.",
                type="CS",
                primary_exchange="XNAS",
                active=True,
                first_session=dt.date(2021, 11, 22),
                last_session=dt.date(2026, 11, 20),
                bars=1256,
                validated_bars=1251,
                score=0.996,
                gaps_flagged=2,
                volume_anomalies=1,
                revisions=3,
                rejections=0,
            )
        ],
    ),
    handle=symbols,
    errors=(InvalidParameter("min_score", "2", "must be a number from 0 to 1"), *READ_ERRORS),
    tagged=True,
    rows="symbols",
)
