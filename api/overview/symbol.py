"""GET /api/v1/symbols/{symbol}: all that is known of one symbol: bars, freshness, score, gaps, names, actions."""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, TypeVar

import asyncpg
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS, UnknownSymbol
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.overview.known_gaps import known_gaps
from api.overview.reading import Reading, read_remembering
from api.overview.score import Score, score_of
from api.overview.spans import MissingSpan
from api.overview.symbols import Active, Exchange, Name, Type
from api.params import Symbol
from api.project_errors import clear_project_errors
from api.warehouse import warehouse_of
from project.gaps.gap_search import SymbolGaps
from project.gaps.gaps import OUTSIDE, GapKind
from project.names.identity import Security, Span
from project.names.symbol import read_symbol
from sql import load_queries

_QUERIES = load_queries("api_overview.sql")
_STATUS, _MEAN_QUALITY = _QUERIES["status_of"], _QUERIES["mean_quality_of"]
_SPLITS, _DIVIDENDS = _QUERIES["count_splits_of"], _QUERIES["count_dividends_of"]
_FETCHED_AT = _QUERIES["payload_fetched_at"]

_EXAMPLE_TIME = dt.datetime(2026, 11, 21, 7, 4, 11, tzinfo=dt.UTC)

S = TypeVar("S", bound=Struct)


class KnownSymbolParams(Struct, frozen=True, kw_only=True):
    """Which symbol is asked for."""

    symbol: Symbol


class SymbolBars(Struct, frozen=True):
    """The bars of the symbol in numbers."""

    first_session: Annotated[dt.date | None, Meta(description="Of its first bar; null without bars.")] = None
    last_session: Annotated[dt.date | None, Meta(description="Of its last bar; null without bars.")] = None
    bars: int = 0
    validated_bars: int = 0
    gaps_flagged: Annotated[int, Meta(description="Bars that failed the rule large_gap.")] = 0
    volume_anomalies: Annotated[int, Meta(description="Bars that failed the rule volume_anomaly.")] = 0
    revisions: Annotated[int, Meta(description="How often the vendor restated a bar of it.")] = 0
    rejections: Annotated[int, Meta(description="Rows about it that cannot be a bar.")] = 0


class SymbolFreshness(Struct, frozen=True):
    """Whether its newest bar is the newest there should be."""

    newest_bar: Annotated[dt.date | None, Meta(description="The session of its last bar; null without bars.")]
    newest_expected: Annotated[
        dt.date | None,
        Meta(description="The newest session in which it should have a bar, as far as that can be judged by now."),
    ]
    sessions_behind: Annotated[
        int, Meta(description="Sessions after its last bar in which it should have one; 0 once it is delisted.")
    ]
    judged_up_to: Annotated[
        dt.date | None,
        Meta(description="The newest session of which a missing bar can be believed by now; null if nobody asked."),
    ]


class SymbolListing(Struct, frozen=True):
    """A security under one of its symbols, as the vendor lists it."""

    ticker: str
    security_id: str
    name: Name
    market: str | None
    type: Type
    primary_exchange: Exchange
    cik: str | None
    composite_figi: str | None
    share_class_figi: str | None
    active: bool
    delisted_on: dt.date | None
    archive_seq: Annotated[int, Meta(description="The payload that said so.")]
    known_from: dt.datetime


class SymbolChange(Struct, frozen=True):
    """From changed_on a security trades under a symbol."""

    ticker: str
    security_id: str
    name: str | None
    changed_on: dt.date
    archive_seq: Annotated[int, Meta(description="The payload that said so.")]
    known_from: dt.datetime


class LastPayload(Struct, frozen=True):
    """The last answer of a vendor that spoke of the symbol's bars."""

    archive_seq: int
    fetched_at: dt.datetime | None


class SymbolAnswer(Struct, frozen=True):
    """What is known of a symbol."""

    symbol: str
    name: Annotated[str | None, Meta(description="As listed, else of the security that had the symbol last.")]
    type: Type
    primary_exchange: Exchange
    active: Active
    coverage: SymbolBars
    freshness: SymbolFreshness
    score: Score
    missing: Annotated[dict[str, int], Meta(description="Sessions without a bar, by class.")]
    gaps: Annotated[list[MissingSpan], Meta(description="The same as spans with why, as /api/v1/gaps/{symbol}.")]
    securities: Annotated[list[Security], Meta(description="Those that had the symbol, the last one at the end.")]
    follow: Annotated[
        list[Span], Meta(description="The spans to read, in order, to follow the last of them through its symbols.")
    ]
    listings: list[SymbolListing]
    ticker_changes: list[SymbolChange]
    splits: Annotated[int, Meta(description="How many are believed now.")]
    dividends: Annotated[int, Meta(description="How many are believed now.")]
    last_payload: Annotated[LastPayload | None, Meta(description="null if no answer spoke of its bars.")]
    generation: GenerationRef


async def symbol(request: Request, params: KnownSymbolParams) -> Response:
    """Answer with what is known of a symbol; as time passes it falls behind, so that no tag stands for it."""
    warehouse = warehouse_of(request)

    async def read(reading: Reading) -> SymbolAnswer:
        return await _read(reading, params.symbol, warehouse.now())

    return json_answer(await read_remembering(warehouse.projection, read))


async def _read(reading: Reading, symbol: str, now: dt.datetime) -> SymbolAnswer:
    connection = reading.connection
    with clear_project_errors():
        known = await read_symbol(connection, symbol)
    status = await connection.fetchrow(_STATUS, symbol)
    found = None
    bars = SymbolBars()
    if status is not None:
        found = (await known_gaps(reading, symbol, now)).found
        bars = SymbolBars(*(status[name] for name in SymbolBars.__struct_fields__))
    counts = found.counts if found is not None else {}
    listings = [_named(SymbolListing, listing) for listing in known.listings]
    listing = _to_go_by(symbol, listings)
    return SymbolAnswer(
        symbol=symbol,
        name=known.securities[-1].name if listing is None else listing.name,
        type=None if listing is None else listing.type,
        primary_exchange=None if listing is None else listing.primary_exchange,
        active=None if listing is None else listing.active,
        coverage=bars,
        freshness=_freshness(bars.last_session, found),
        score=score_of(bars.bars, bars.validated_bars, counts, await connection.fetchval(_MEAN_QUALITY, symbol)),
        missing={kind.value: count for kind, count in counts.items()},
        gaps=[_named(MissingSpan, gap) for gap in (found.gaps if found is not None else ())],
        securities=known.securities,
        follow=list(known.followed),
        listings=listings,
        ticker_changes=[_named(SymbolChange, change) for change in known.changes],
        splits=await connection.fetchval(_SPLITS, symbol),
        dividends=await connection.fetchval(_DIVIDENDS, symbol),
        last_payload=await _last_payload(connection, status),
        generation=GenerationRef.of(reading.generation),
    )


def _named(kind: type[S], source: Struct) -> S:
    """Return a struct made of the fields of another that has them all, and more."""
    return kind(**{name: getattr(source, name) for name in kind.__struct_fields__})


def _to_go_by(symbol: str, listings: Iterable[SymbolListing]) -> SymbolListing | None:
    """Return, of the securities listed under a symbol, the one that trades under it, or did last."""
    own = [listing for listing in listings if listing.ticker == symbol]
    return max(own, key=lambda each: (each.active, each.delisted_on or dt.date.min, each.known_from), default=None)


def _freshness(newest_bar: dt.date | None, found: SymbolGaps | None) -> SymbolFreshness:
    if newest_bar is None or found is None:
        return SymbolFreshness(newest_bar, None, 0, None if found is None else found.judged_up_to)
    due = [gap for gap in found.gaps if gap.first > newest_bar and gap.kind not in OUTSIDE]
    newest_expected = due[-1].last if due else newest_bar
    return SymbolFreshness(newest_bar, newest_expected, sum(gap.sessions for gap in due), found.judged_up_to)


async def _last_payload(connection: asyncpg.Connection, status: asyncpg.Record | None) -> LastPayload | None:
    if status is None:
        return None
    archive_seq: int = status["last_archive_seq"]
    return LastPayload(archive_seq, await connection.fetchval(_FETCHED_AT, archive_seq))


OPERATION = Operation(
    path="/api/v1/symbols/{symbol}",
    summary="All that is known of one symbol",
    description=(
        "Its bars in numbers, whether the newest one is the newest there should be, its score in parts, the sessions "
        "it misses and why, the securities that had the symbol, and what to read to follow the last of them through "
        "its renames."
    ),
    params=KnownSymbolParams,
    answer=SymbolAnswer,
    example=SymbolAnswer(
        symbol="META",
        name="Meta Platforms, Inc. Class A Common Stock",
        type="CS",
        primary_exchange="XNAS",
        active=True,
        coverage=SymbolBars(dt.date(2022, 6, 9), dt.date(2026, 11, 20), 1117, 1112, 3, 1, 2, 0),
        freshness=SymbolFreshness(dt.date(2026, 11, 20), dt.date(2026, 11, 20), 0, dt.date(2026, 11, 20)),
        score=Score(1112 / 1117, 1117 / 1118, 1112 / 1118, 0.9962),
        missing={kind.value: int(kind is GapKind.VENDOR_HOLE) for kind in GapKind},
        gaps=[
            MissingSpan(
                GapKind.VENDOR_HOLE, dt.date(2024, 3, 5), dt.date(2024, 3, 5), 1, "median 310,822 trades around it"
            )
        ],
        securities=[
            Security(
                "BBG000MM2P62",
                "Meta Platforms, Inc. Class A Common Stock",
                (Span("FB", dt.date(2012, 5, 18), dt.date(2022, 6, 8)), Span("META", dt.date(2022, 6, 9))),
            )
        ],
        follow=[Span("FB", dt.date(2012, 5, 18), dt.date(2022, 6, 8)), Span("META", dt.date(2022, 6, 9))],
        listings=[
            SymbolListing(
                ticker="META",
                security_id="BBG000MM2P62",
                name="Meta Platforms, Inc. Class A Common Stock",
                market="stocks",
                type="CS",
                primary_exchange="XNAS",
                cik="0001326801",
                composite_figi="BBG000MM2P62",
                share_class_figi="BBG001SQCQC5",
                active=True,
                delisted_on=None,
                archive_seq=12,
                known_from=_EXAMPLE_TIME,
            )
        ],
        ticker_changes=[
            SymbolChange("META", "BBG000MM2P62", "Meta Platforms, Inc.", dt.date(2022, 6, 9), 14, _EXAMPLE_TIME)
        ],
        splits=0,
        dividends=11,
        last_payload=LastPayload(1024, _EXAMPLE_TIME),
        generation=EXAMPLE_GENERATION,
    ),
    handle=symbol,
    errors=(UnknownSymbol("AAPLX"), *READ_ERRORS),
)
