"""GET /api/v1/historical/{symbol}: the bars of one symbol, restated for splits unless asked for as traded."""

import datetime as dt
from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.bars.answer import EXAMPLE_COVERAGE, after, date_of, in_order
from api.bars.bar import EXAMPLE, Bar, table_of
from api.bars.covered import read_covered
from api.bars.params import MOST_ROWS, SeriesTerms
from api.bars.restate import Adjustment
from api.bars.selection import Selection, Series
from api.cursor import Cursor, decode_cursor, encode_cursor
from api.errors import READ_ERRORS, InvalidParameter, UnknownSymbol
from api.etag import etag, tagged
from api.formats.answer import answer_rows
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.overview.coverage import Coverage
from api.params import FirstDate, LastDate, Symbol, require_order
from api.warehouse import warehouse_of
from project.timeframe import Timeframe


class BarsParams(SeriesTerms, frozen=True, kw_only=True):
    """What bars are asked for."""

    symbol: Symbol
    start: FirstDate | None = None
    end: LastDate | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS, description="How many bars at most.")] = MOST_ROWS
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse a range that ends before it starts."""
        require_order(self.start, self.end)


class Bars(Struct, frozen=True):
    """The bars of one symbol."""

    symbol: str
    start: Annotated[dt.date | None, Meta(description="As asked, else the symbol's first session.")]
    end: Annotated[dt.date | None, Meta(description="As asked, else the symbol's last session.")]
    timeframe: Timeframe
    adjusted: Adjustment
    as_of: Annotated[
        dt.date | None,
        Meta(description="Splits, and dividends where asked for, up to this date are applied; null where none are."),
    ]
    known_at: Annotated[dt.datetime | None, Meta(description="As asked; null for what is believed now.")]
    count: int
    generation: GenerationRef
    coverage: Annotated[
        Coverage,
        Meta(description="Of the range, by what is known now, whatever is left out or on other pages."),
    ]
    reason: Annotated[str | None, Meta(description="Why there are no bars; null where there are.")]
    next_cursor: Annotated[str | None, Meta(description="The cursor of the next page; null on the last.")]
    bars: list[Bar]


async def historical(request: Request, params: BarsParams) -> Response:
    """Answer with the bars of one symbol."""
    warehouse = warehouse_of(request)
    list_name = f"historical {params.symbol} {params.timeframe} {params.order}"
    [last_session] = decode_cursor(params.cursor, (dt.date,), of=list_name) if params.cursor else [None]
    first, last = params.start or dt.date.min, params.end or dt.date.max
    series, coverage = await read_covered(
        warehouse,
        Selection(
            symbol=params.symbol,
            first=first,
            last=last,
            adjusted=params.adjusted,
            as_of=params.as_of,
            known_at=params.known_at,
            timeframe=params.timeframe,
            validated_only=params.validated_only,
            min_quality=params.min_quality,
        ),
    )
    bars = in_order(series.bars, params.order)
    if last_session is not None:
        bars = after(bars, last_session, params.order)
    page = bars.take(slice(params.limit)) if len(bars) > params.limit else bars
    envelope = Bars(
        symbol=params.symbol,
        start=params.start or series.status.first_session,
        end=params.end or series.status.last_session,
        timeframe=params.timeframe,
        adjusted=params.adjusted,
        as_of=series.as_of,
        known_at=params.known_at,
        count=len(page),
        generation=GenerationRef.of(series.generation),
        coverage=coverage,
        reason=None if len(page) else _why_empty(params, series),
        next_cursor=encode_cursor(date_of(page.sessions[-1]), of=list_name) if len(page) < len(bars) else None,
        bars=[],
    )
    headers = tagged(etag(request, series.generation, series.as_of, coverage))
    return await answer_rows(request, envelope, "bars", table_of(page, series.rule_names), headers)


def _why_empty(params: BarsParams, series: Series) -> str:
    status = series.status
    if status.bars == 0:
        rejected = f"; {status.rejections} rows about it were rejected" if status.rejections else ""
        return f"{params.symbol} is known and has no bars{rejected}"
    if len(series.bars):
        return "the page before was the last"
    if len(series.sessions) == 0:
        asked = f"from {params.start or 'the beginning'} to {params.end or 'the end'}"
        known = f", as known at {params.known_at.isoformat()}" if params.known_at else ""
        return f"{params.symbol} has bars from {status.first_session} to {status.last_session}, none {asked}{known}"
    filters = []
    if params.validated_only:
        filters.append("validated_only")
    if params.min_quality > 0:
        filters.append(f"min_quality={params.min_quality:g}")
    return f"{' and '.join(filters)} leave{'s' if len(filters) == 1 else ''} none of {len(series.sessions)} bars"


OPERATION = Operation(
    path="/api/v1/historical/{symbol}",
    summary="The bars of one symbol",
    description=(
        "Daily bars in order of session, each with the verdict of the rules on it, or bars of a longer timeframe made "
        "of them. Prices and volumes are restated for splits unless adjusted=none. A known symbol without bars in the "
        "range is answered with none and the reason."
    ),
    params=BarsParams,
    answer=Bars,
    example=Bars(
        symbol="AAPL",
        start=dt.date(2014, 6, 9),
        end=dt.date(2014, 6, 9),
        timeframe="1d",
        adjusted="none",
        as_of=None,
        known_at=None,
        count=1,
        generation=EXAMPLE_GENERATION,
        coverage=EXAMPLE_COVERAGE,
        reason=None,
        next_cursor=None,
        bars=[EXAMPLE],
    ),
    handle=historical,
    errors=(
        UnknownSymbol("AAPLX"),
        InvalidParameter("start", "2023-02-30", "must be a date that exists, written YYYY-MM-DD"),
        *READ_ERRORS,
    ),
    tagged=True,
    rows="bars",
)
