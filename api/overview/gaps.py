"""GET /api/v1/gaps/{symbol}: the sessions in which a symbol has no bar, each span with its class and why."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct, field
from starlette.requests import Request
from starlette.responses import Response

from api.cursor import Cursor, decode_cursor, encode_cursor
from api.errors import READ_ERRORS, InvalidParameter, UnknownSymbol
from api.formats.answer import answer_rows
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.overview.calendar import frozen_calendar
from api.overview.known_gaps import known_gaps
from api.overview.reading import Reading, read_remembering
from api.overview.spans import MissingSpan, cut
from api.params import FirstDate, LastDate, Symbol, require_order
from api.records.page import Limit, NextCursor
from api.warehouse import warehouse_of
from project.gaps.gaps import GapKind

GapClass = Literal["before_listing", "after_delisting", "no_trade", "vendor_hole", "rejected", "not_fetched"]
"""The values of GapKind, as a parameter spells them."""

Classes = Annotated[
    list[GapClass],
    Meta(
        min_length=1,
        description="Only gaps of these classes, separated by commas; without it, of all.",
        examples=[["vendor_hole", "rejected"]],
        extra_json_schema={"uniqueItems": True},
    ),
]


class GapsParams(Struct, frozen=True, kw_only=True):
    """Which gaps are asked for."""

    symbol: Symbol
    classes: Classes | None = field(default=None, name="class")
    start: FirstDate | None = None
    end: LastDate | None = None
    limit: Limit = 1000
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse a range that ends before it starts."""
        require_order(self.start, self.end)


class Gaps(Struct, frozen=True):
    """The gaps of one symbol."""

    symbol: str
    bars: Annotated[int, Meta(description="Of the symbol, whatever the range.")]
    calendar_version: str
    judged_up_to: Annotated[
        dt.date, Meta(description="The newest session of which a missing bar can be believed by now.")
    ]
    counts: Annotated[
        dict[str, int], Meta(description="Sessions of each class asked for, in the range, on all pages together.")
    ]
    count: int
    generation: GenerationRef
    next_cursor: NextCursor
    gaps: list[MissingSpan]


async def gaps(request: Request, params: GapsParams) -> Response:
    """Answer with the gaps of one symbol; as time passes more can be judged, so that no tag stands for it."""
    warehouse = warehouse_of(request)

    async def read(reading: Reading) -> Gaps:
        known = await known_gaps(reading, params.symbol, warehouse.now())
        calendar = await frozen_calendar(reading)
        kinds = set(map(GapKind, params.classes or GapKind))
        within = cut(known.found.gaps, calendar, params.start or dt.date.min, params.end or dt.date.max)
        chosen = [span for span in within if span.kind in kinds]
        page, next_cursor = _page(chosen, params)
        return Gaps(
            symbol=params.symbol,
            bars=known.found.bars,
            calendar_version=reading.generation.calendar_version,
            judged_up_to=known.found.judged_up_to,
            counts={kind.value: count for kind, count in counts_of(chosen).items() if kind in kinds},
            count=len(page),
            generation=GenerationRef.of(reading.generation),
            next_cursor=next_cursor,
            gaps=page,
        )

    found = await read_remembering(warehouse.projection, read)
    return await answer_rows(request, found, "gaps", found.gaps)


def counts_of(spans: Iterable[MissingSpan]) -> dict[GapKind, int]:
    """Return how many sessions are of each class."""
    counted: Counter[GapKind] = Counter()
    for span in spans:
        counted[span.kind] += span.sessions
    return {kind: counted[kind] for kind in GapKind}


def _page(chosen: list[MissingSpan], params: GapsParams) -> tuple[list[MissingSpan], str | None]:
    of = f"gaps {params.symbol}"
    if params.cursor is not None:
        (last,) = decode_cursor(params.cursor, (dt.date,), of=of)
        chosen = [span for span in chosen if span.first > last]
    page = chosen[: params.limit]
    return page, encode_cursor(page[-1].first, of=of) if len(page) < len(chosen) else None


OPERATION = Operation(
    path="/api/v1/gaps/{symbol}",
    summary="The missing sessions of one symbol",
    description=(
        "The sessions of the exchange in which a symbol has no bar, those on end and for one reason as one span with "
        "its class and why; judged by the calendar up to the newest session of which a missing bar can be believed."
    ),
    params=GapsParams,
    answer=Gaps,
    example=Gaps(
        symbol="IBM",
        bars=1_266,
        calendar_version="exchange_calendars 4.13.2 XNYS",
        judged_up_to=dt.date(2018, 3, 27),
        counts={"vendor_hole": 53},
        count=1,
        generation=EXAMPLE_GENERATION,
        next_cursor=None,
        gaps=[
            MissingSpan(
                GapKind.VENDOR_HOLE,
                dt.date(2015, 1, 2),
                dt.date(2015, 3, 19),
                53,
                "median turnover 690,449,100 USD around it",
            )
        ],
    ),
    handle=gaps,
    errors=(
        UnknownSymbol("AAPLX"),
        InvalidParameter("start", "2023-02-30", "must be a date that exists, written YYYY-MM-DD"),
        *READ_ERRORS,
    ),
    rows="gaps",
)
