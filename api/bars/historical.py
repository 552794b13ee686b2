"""GET /api/v1/historical/{symbol}: the bars of one symbol, restated for splits unless asked for as traded."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
import numpy as np
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.bars.answer import GenerationRef
from api.bars.columns import BarColumns, adjusted, read_bars, read_rule_names, read_split_factors
from api.bars.symbol_status import SymbolStatus, read_status
from api.errors import READ_ERRORS, InvalidParameter, UnknownSymbol
from api.etag import etag, is_held, not_modified, tagged
from api.generation import Generation
from api.operation import Operation
from api.params import FirstDate, LastDate, Symbol, require_order
from api.warehouse import warehouse_of
from project.factors.adjust import Floats
from sql import load_queries

_COUNT = load_queries("api.sql")["count_bars_between"]

Price = Annotated[float, Meta(description="USD per share.")]
GapNote = Literal["moderate", "large", "extreme"]

# Design §4: the note says how large a gap is, whatever the threshold of the rule.
_GAP_STEPS = (0.02, 0.05, 0.10)
_GAP_NOTES: tuple[GapNote | None, ...] = (None, "moderate", "large", "extreme")


class BarsParams(Struct, frozen=True, kw_only=True):
    """What bars are asked for."""

    symbol: Symbol
    start: FirstDate | None = None
    end: LastDate | None = None
    validated_only: Annotated[bool, Meta(description="Leave out bars that are not validated.")] = False
    min_quality: Annotated[float, Meta(ge=0, le=1, description="Leave out bars with a lower quality score.")] = 0.0
    adjusted: Annotated[
        Literal["splits", "none"],
        Meta(description="splits: prices and volumes in shares of today; none: as traded."),
    ] = "splits"

    def __post_init__(self) -> None:
        """Refuse a range that ends before it starts."""
        require_order(self.start, self.end)


class Bar(Struct, frozen=True, gc=False):
    """One session of one symbol, with the verdict on it."""

    session: Annotated[dt.date, Meta(description="The exchange's trading date.")]
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[float, Meta(description="Shares; may have decimals.")]
    vwap: Annotated[float | None, Meta(description="Volume-weighted average price; null where the vendor sent none.")]
    trades: Annotated[float | None, Meta(description="Number of trades; null where the vendor sent none.")]
    quality_score: Annotated[float, Meta(description="1 less the penalties of the failed rules.", ge=0, le=1)]
    validated: Annotated[
        bool,
        Meta(description="Whether the score reaches the ruleset's threshold, or what a person decided in its place."),
    ]
    gap_detected: Annotated[bool, Meta(description="Whether the rule large_gap failed.")]
    volume_anomaly: Annotated[bool, Meta(description="Whether the rule volume_anomaly failed.")]
    failed_rules: Annotated[list[str], Meta(description="The rules that failed, in the order of the ruleset.")]
    gap: Annotated[
        float | None,
        Meta(description="open / previous close − 1, after undoing splits and dividends; null where none went before."),
    ]
    volume_ratio: Annotated[
        float | None, Meta(description="volume / trailing median; null where too few sessions went before.")
    ]
    gap_note: Annotated[GapNote | None, Meta(description="Size of the gap: from 2, 5 and 10 percent on; null below.")]


class Bars(Struct, frozen=True):
    """The bars of one symbol."""

    symbol: str
    start: Annotated[dt.date | None, Meta(description="As asked, else the symbol's first session.")]
    end: Annotated[dt.date | None, Meta(description="As asked, else the symbol's last session.")]
    adjusted: Literal["splits", "none"]
    as_of: Annotated[dt.date | None, Meta(description="Splits up to this date are applied; null where none are.")]
    count: int
    generation: GenerationRef
    reason: Annotated[str | None, Meta(description="Why there are no bars; null where there are.")]
    bars: list[Bar]


async def historical(request: Request, params: BarsParams) -> Response:
    """Answer with the bars of one symbol."""
    warehouse = warehouse_of(request)
    as_of = warehouse.today() if params.adjusted == "splits" else None

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[str, Bars | None]:
        tag = etag(request, generation, as_of)
        if is_held(request, tag):
            return tag, None
        return tag, await _read(connection, generation, params, as_of)

    tag, bars = await warehouse.projection.read(read)
    return not_modified(tag) if bars is None else json_answer(bars, tagged(tag))


async def _read(
    connection: asyncpg.Connection, generation: Generation, params: BarsParams, as_of: dt.date | None
) -> Bars:
    coverage = await read_status(connection, params.symbol)
    first, last = params.start or dt.date.min, params.end or dt.date.max
    columns = await read_bars(
        connection,
        params.symbol,
        first,
        last,
        validated_only=params.validated_only,
        min_quality=params.min_quality,
    )
    bars: list[Bar] = []
    reason = None
    if len(columns.sessions) == 0:
        in_range = await connection.fetchval(_COUNT, params.symbol, first, last)
        reason = _why_empty(params, coverage, in_range)
    else:
        if as_of is not None:
            columns = adjusted(columns, await read_split_factors(connection, params.symbol, columns, as_of))
        bars = _rows(columns, await read_rule_names(connection))
    return Bars(
        symbol=params.symbol,
        start=params.start or coverage.first_session,
        end=params.end or coverage.last_session,
        adjusted=params.adjusted,
        as_of=as_of,
        count=len(bars),
        generation=GenerationRef.of(generation),
        reason=reason,
        bars=bars,
    )


def _rows(columns: BarColumns, rule_names: Mapping[int, str]) -> list[Bar]:
    """Return the bars as rows. NaN stands for no value until the answer is written, as null."""
    verdicts = columns.failed_rules.tolist()
    failed = {verdict: _failed(verdict, rule_names) for verdict in set(verdicts)}
    return list(
        map(
            Bar,
            columns.sessions.tolist(),
            columns.open.tolist(),
            columns.high.tolist(),
            columns.low.tolist(),
            columns.close.tolist(),
            columns.volume.tolist(),
            columns.vwap.tolist(),
            columns.trades.tolist(),
            columns.quality_score.tolist(),
            columns.validated.tolist(),
            ["large_gap" in failed[verdict] for verdict in verdicts],
            ["volume_anomaly" in failed[verdict] for verdict in verdicts],
            [failed[verdict] for verdict in verdicts],
            columns.gap.tolist(),
            columns.volume_ratio.tolist(),
            _gap_notes(columns.gap),
        )
    )


def _failed(verdict: int, rule_names: Mapping[int, str]) -> list[str]:
    return [name for bit, name in rule_names.items() if verdict >> bit & 1]


def _gap_notes(gaps: Floats) -> list[GapNote | None]:
    sizes = np.nan_to_num(np.abs(gaps), nan=0.0)
    return [_GAP_NOTES[step] for step in np.searchsorted(_GAP_STEPS, sizes, side="right").tolist()]


def _why_empty(params: BarsParams, coverage: SymbolStatus, in_range: int) -> str:
    if coverage.bars == 0:
        rejected = f"; {coverage.rejections} rows about it were rejected" if coverage.rejections else ""
        return f"{params.symbol} is known and has no bars{rejected}"
    if in_range == 0:
        asked = f"from {params.start or 'the beginning'} to {params.end or 'the end'}"
        return f"{params.symbol} has bars from {coverage.first_session} to {coverage.last_session}, none {asked}"
    filters = []
    if params.validated_only:
        filters.append("validated_only")
    if params.min_quality > 0:
        filters.append(f"min_quality={params.min_quality:g}")
    return f"{' and '.join(filters)} leave{'s' if len(filters) == 1 else ''} none of {in_range} bars"


OPERATION = Operation(
    path="/api/v1/historical/{symbol}",
    summary="The bars of one symbol",
    description=(
        "Daily bars in order of session, each with the verdict of the rules on it. Prices and volumes are restated "
        "for splits unless adjusted=none. A known symbol without bars in the range is answered with none and the "
        "reason."
    ),
    params=BarsParams,
    answer=Bars,
    example=Bars(
        symbol="AAPL",
        start=dt.date(2014, 6, 9),
        end=dt.date(2014, 6, 9),
        adjusted="none",
        as_of=None,
        count=1,
        generation=GenerationRef(UUID("6f2c1d0e-8a54-4c0b-9a41-3f7f0b8f5e11"), 1024, "9f86d081884c7d65…"),
        reason=None,
        bars=[
            Bar(
                session=dt.date(2014, 6, 9),
                open=92.7,
                high=93.88,
                low=91.75,
                close=93.7,
                volume=75415000.0,
                vwap=None,
                trades=None,
                quality_score=0.95,
                validated=True,
                gap_detected=False,
                volume_anomaly=False,
                failed_rules=["corporate_action"],
                gap=0.0052,
                volume_ratio=1.21,
                gap_note=None,
            )
        ],
    ),
    handle=historical,
    errors=(
        UnknownSymbol("AAPLX"),
        InvalidParameter("start", "2023-02-30", "must be a date that exists, written YYYY-MM-DD"),
        *READ_ERRORS,
    ),
    tagged=True,
)
