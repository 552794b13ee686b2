"""GET /udf/history: the bars of one symbol as a chart asks for them, from the newest backwards, page by page.

A page is cut from the whole series, so that no bar depends on where a page ends.
"""

from typing import Annotated

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType, field
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.bars.columns import BarColumns
from api.bars.restate import Adjustment
from api.bars.selection import Selection, read_series
from api.errors import READ_ERRORS, InvalidParameter, MissingParameter, UnknownSymbol
from api.etag import etag, is_held, not_modified, tagged
from api.operation import Operation
from api.params import Symbol
from api.udf.dialect import UDF, ChartError
from api.udf.times import SUPPORTED, TIMEFRAMES, Resolution, Seconds, Times, first_of_windows, times_of
from api.warehouse import warehouse_of
from project.timeframe import Timeframe, resample

_MOST_BARS = 1_000_000
_COLUMNS = ("open", "high", "low", "close", "volume")


class HistoryParams(Struct, frozen=True, kw_only=True):
    """What bars a chart asks for."""

    symbol: Symbol
    resolution: Annotated[
        Resolution,
        Meta(description="One day, week, month, quarter or year: 1D, 1W, 1M, 3M or 12M.", examples=["1D"]),
    ] = "1D"
    begin: (
        Annotated[
            Seconds,
            Meta(
                description="No bar before this time, in seconds since 1970 UTC; without it, all there are.",
                examples=[0],
            ),
        ]
        | None
    ) = field(default=None, name="from")
    to: (
        Annotated[
            Seconds,
            Meta(description="Only bars before this time; without it, up to the newest.", examples=[1402444800]),
        ]
        | None
    ) = None
    countback: (
        Annotated[
            int, Meta(ge=0, le=_MOST_BARS, description="How many bars before `to`; goes before `from` unless it is 0.")
        ]
        | None
    ) = None
    adjusted: Annotated[
        Adjustment,
        Meta(description="splits: in shares of today; all: less dividends, too; none: as traded. Not the library's."),
    ] = "splits"


class ChartBars(Struct, frozen=True, tag_field="s", tag="ok"):
    """Bars in order of time, one entry a bar in every field."""

    t: Annotated[list[int], Meta(description="Midnight UTC of the bar's first session, in seconds since 1970.")]
    o: Annotated[list[float], Meta(description="Open, USD per share.")]
    h: list[float]
    l: list[float]  # noqa: E741 - the protocol's name
    c: list[float]
    v: Annotated[list[float], Meta(description="Shares; may have decimals.")]


class ChartNoData(Struct, frozen=True, tag_field="s", tag="no_data"):
    """No bars; where there are any before, the time of the last of them."""

    next_time: Annotated[int | UnsetType, Meta(description="When the closest earlier bar is.")] = field(
        default=UNSET, name="nextTime"
    )


History = ChartBars | ChartNoData | ChartError


async def udf_history(request: Request, params: HistoryParams) -> Response:
    """Answer with a page of bars; that there is no such symbol is said in the protocol's own word, with status 200."""
    try:
        series = await read_series(warehouse_of(request), Selection(symbol=params.symbol, adjusted=params.adjusted))
    except UnknownSymbol as exc:
        return json_answer(ChartError.of(exc.answer().error))
    tag = etag(request, series.generation, series.as_of)
    return not_modified(tag) if is_held(request, tag) else json_answer(_page(series.bars, params), tagged(tag))


def _page(days: BarColumns, params: HistoryParams) -> ChartBars | ChartNoData:
    times, bars = _bars_of(days, TIMEFRAMES[params.resolution])
    end = len(times) if params.to is None else int(np.searchsorted(times, params.to))
    if params.countback:
        start = max(0, end - params.countback)
    else:
        start = 0 if params.begin is None else min(end, int(np.searchsorted(times, params.begin)))
    if start < end:
        return ChartBars(times[start:end].tolist(), *(bars[name][start:end].tolist() for name in _COLUMNS))
    return ChartNoData(int(times[start - 1])) if start else ChartNoData()


def _bars_of(days: BarColumns, timeframe: Timeframe) -> tuple[Times, dict[str, np.ndarray]]:
    """Return the bars of a timeframe with their times."""
    columns = {name: getattr(days, name) for name in days.__struct_fields__}
    first = first_of_windows(days.sessions, timeframe)
    return times_of(days.sessions[first]), resample(columns, timeframe)


OPERATION = Operation(
    path="/udf/history",
    summary="TradingView UDF: bars of one symbol",
    description=(
        "As the charting library's UDF datafeed asks for them: the bars before `to`, as many as `countback` or from "
        "`from` on. An unknown symbol is answered with s=error and status 200, since it is a word of the protocol. "
        f"Resolutions: {', '.join(SUPPORTED)}. Prices are restated for splits unless adjusted says otherwise."
    ),
    params=HistoryParams,
    answer=History,
    example=ChartBars(t=[1402272000], o=[92.7], h=[93.88], l=[91.75], c=[93.7], v=[75415000.0]),
    handle=udf_history,
    errors=(
        MissingParameter("symbol"),
        InvalidParameter("resolution", "5", f"must be one of {', '.join(TIMEFRAMES)}"),
        *READ_ERRORS,
    ),
    tagged=True,
    tags=("TradingView",),
    dialect=UDF,
)
