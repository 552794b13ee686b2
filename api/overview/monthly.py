"""GET /api/v1/coverage: symbols × months, each cell with its sessions counted by what there is of them.

The classes of missing sessions are those of /api/v1/gaps/{symbol}: they are made by the same search, of a page of
symbols at once. An answer depends on the generation, on the newest session that is over, and on the newest one of
which a missing bar can be believed.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from typing import Annotated, Literal

import asyncpg
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.cursor import Cursor, decode_cursor, encode_cursor
from api.errors import READ_ERRORS, GenerationChanging, InvalidParameter
from api.etag import etag, is_held, not_modified, tagged
from api.formats.answer import answer_rows
from api.formats.table import Table
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.overview.calendar import frozen_calendar, newest_judged
from api.overview.memory import State
from api.overview.reading import Reading, read_remembering
from api.overview.roster import Roster, read_roster
from api.params import require_order
from api.project_errors import clear_project_errors
from api.records.page import NextCursor
from api.warehouse import warehouse_of
from archive.calendar import Calendar
from project.gaps.gap_search import MissingBetween, find_missing_between
from project.gaps.gaps import OUTSIDE, GapKind
from project.rows import Ints
from sql import load_queries

_QUERIES = load_queries("api_overview.sql")
_BARS, _RULES = _QUERIES["bars_by_month"], _QUERIES["rules_in_order"]

_USUAL_MONTHS, _MOST_MONTHS = 36, 120
_USUAL_SYMBOLS, _MOST_SYMBOLS = 40, 200
_NO_FAULT = "corporate_action"
_WITHOUT_SCORE = 2.0
_ATTEMPTS = 16
_KINDS = list(GapKind)

Order = Literal["symbol", "worst", "longest"]
CellState = Literal["missing", "rejected", "flagged", "whole", "nothing"]
Months = npt.NDArray[np.datetime64]


class MonthlyParams(Struct, frozen=True, kw_only=True):
    """Which symbols and months are asked for."""

    start: (
        Annotated[
            dt.date,
            Meta(
                description=f"A date in the first month; without it, {_USUAL_MONTHS} months up to the last.",
                examples=["2016-01-01"],
            ),
        ]
        | None
    ) = None
    end: (
        Annotated[
            dt.date,
            Meta(description="A date in the last month; without it, and at most, that of the newest session."),
        ]
        | None
    ) = None
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
    order: Annotated[
        Order,
        Meta(
            description=(
                "By symbol, in the order of its bytes; worst: by the score that /api/v1/symbols has, the lowest first "
                "and those without bars last; longest: by the number of bars, most first."
            )
        ),
    ] = "symbol"
    limit: Annotated[
        int,
        Meta(
            ge=1,
            le=_MOST_SYMBOLS,
            description="How many symbols at most; next_cursor leads on to the rest.",
            examples=[_USUAL_SYMBOLS],
        ),
    ] = _USUAL_SYMBOLS
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse a range that ends before it starts."""
        require_order(self.start, self.end)


class MonthRow(Struct, frozen=True, gc=False):
    """The sessions of a month of a symbol, counted by what there is of them."""

    symbol: str
    month: Annotated[dt.date, Meta(description="Its first day.")]
    state: Annotated[
        CellState,
        Meta(
            description=(
                "The first of these that is true. missing: a vendor_hole, or one not_fetched; rejected; flagged; "
                "whole: there are bars; nothing: there are none, and none is missed."
            )
        ),
    ]
    expected: Annotated[
        int,
        Meta(description="bars + vendor_hole + not_fetched + rejected + no_trade: the sessions inside its listing."),
    ]
    bars: Annotated[int, Meta(description="Sessions with a bar, whatever the rules say of it.")]
    flagged: Annotated[int, Meta(description=f"Bars that are not validated, or failed a rule other than {_NO_FAULT}.")]
    rejected: Annotated[int, Meta(description="Sessions without a bar, since the row of it cannot be one.")]
    vendor_hole: Annotated[int, Meta(description="Sessions in which it traded and the vendor's answer left it out.")]
    not_fetched: Annotated[int, Meta(description="Sessions that no good answer spoke of.")]
    no_trade: Annotated[int, Meta(description="Sessions in which it did not trade; none of them is a fault.")]
    outside: Annotated[int, Meta(description="Sessions before its listing or after its delisting.")]
    not_asked: Annotated[
        int,
        Meta(
            description=(
                "Sessions before the first that any answer spoke of; /api/v1/gaps/{symbol} leaves them out, and the "
                "coverage of /api/v1/historical/{symbol} counts them as not_fetched."
            )
        ),
    ]


class Monthly(Struct, frozen=True):
    """A page of symbols, each with every month asked for."""

    start: Annotated[dt.date | None, Meta(description="First day of the first month; null where there is no month.")]
    end: Annotated[dt.date | None, Meta(description="Last day of the last month.")]
    judged_up_to: Annotated[
        dt.date, Meta(description="The newest session of which a missing bar can be believed by now.")
    ]
    count: Annotated[int, Meta(description="Rows: symbols on this page × months.")]
    total: Annotated[int, Meta(description="How many symbols pass the filters, on all pages together.")]
    generation: GenerationRef
    next_cursor: NextCursor
    months: list[MonthRow]


_COUNTED = MonthRow.__struct_fields__[4:]
_BARS_COUNTED, _FLAGGED, _NOT_ASKED = map(_COUNTED.index, ("bars", "flagged", "not_asked"))
_COLUMN_OF = {kind: _COUNTED.index("outside" if kind in OUTSIDE else kind.value) for kind in _KINDS}
_NOTHING = np.empty(0, np.int64)
# Of a symbol that is only listed; every session of the calendar was before the first that an answer spoke of.
_NEVER_ASKED = MissingBetween(_NOTHING, _NOTHING, np.iinfo(np.int64).max)


class _Page(Struct, frozen=True):
    """Symbols on a page, how many there are in all, and where the next page begins."""

    symbols: list[str]
    total: int
    next_cursor: str | None


class _Found(Struct, frozen=True):
    """What was read: the tag of the answer and, unless the caller holds it, the answer."""

    tag: str
    envelope: Monthly | None
    rows: Table


async def monthly(request: Request, params: MonthlyParams) -> Response:
    """Answer with a page of symbols and their months."""
    warehouse = warehouse_of(request)
    now = warehouse.now()
    for _ in range(_ATTEMPTS):
        generation, roster = await read_roster(warehouse.projection)
        listed = State.of(generation)

        async def read(reading: Reading, roster: Roster = roster, listed: State = listed) -> _Found | None:
            return await _read(reading, request, params, roster, now) if reading.state == listed else None

        found = await read_remembering(warehouse.projection, read)
        if found is not None:
            break
    else:
        raise GenerationChanging
    if found.envelope is None:
        return not_modified(found.tag)
    return await answer_rows(request, found.envelope, "months", found.rows, headers=tagged(found.tag))


async def _read(reading: Reading, request: Request, params: MonthlyParams, roster: Roster, now: dt.datetime) -> _Found:
    calendar = await frozen_calendar(reading)
    judged, newest = newest_judged(calendar, now), calendar.last_closed(now)
    tag = etag(request, reading.generation, judged, newest)
    if is_held(request, tag):
        return _Found(tag, None, Table(MonthRow, {}))
    months = _months(params, newest)
    page = _page(roster, params)
    rows = await _rows(reading.connection, page.symbols, months, calendar, judged, now)
    envelope = Monthly(
        start=_first_day(months[0]) if len(months) else None,
        end=_first_day(months[-1] + 1) - dt.timedelta(days=1) if len(months) else None,
        judged_up_to=judged,
        count=len(rows),
        total=page.total,
        generation=GenerationRef.of(reading.generation),
        next_cursor=page.next_cursor,
        months=[],
    )
    return _Found(tag, envelope, rows)


def _months(params: MonthlyParams, newest: dt.date) -> Months:
    """Return the months asked for up to that of the newest session.

    Raises: InvalidParameter for more than can be counted at once.
    """
    last = _month(min(params.end or newest, newest))
    first = _month(params.start) if params.start else max(last - (_USUAL_MONTHS - 1), _month(dt.date.min))
    count = int((last - first).astype(np.int64)) + 1
    if count > _MOST_MONTHS:
        raise InvalidParameter("start", str(params.start), f"leads to {count:,} months; {_MOST_MONTHS} is the most")
    return np.arange(first, last + 1)


def _month(date: dt.date) -> np.datetime64:
    return np.datetime64(date, "M")


def _first_day(month: np.datetime64) -> dt.date:
    day: dt.date = month.astype("datetime64[D]").item()
    return day


def _page(roster: Roster, params: MonthlyParams) -> _Page:
    columns = roster.columns
    keep = np.ones(len(roster.symbols), np.bool_)
    if params.search is not None:
        keep &= roster.matches(params.search)
    if params.has_bars is not None:
        keep &= (columns["bars"] > 0) == params.has_bars
    found = np.flatnonzero(keep)
    keys = _keys(roster, params.order)
    found = found[np.lexsort((found, keys[found]))]
    rest = found
    of = f"coverage {params.order}"
    if params.cursor is not None:
        key, symbol = decode_cursor(params.cursor, (float, str), of=of)
        follows = found >= bisect_right(roster.symbols, symbol)
        rest = found[(keys[found] > key) | ((keys[found] == key) & follows)]
    page = [roster.symbols[place] for place in rest[: params.limit]]
    next_cursor = None
    if len(page) < len(rest):
        next_cursor = encode_cursor(float(keys[rest[len(page) - 1]]), page[-1], of=of)
    return _Page(page, len(found), next_cursor)


def _keys(roster: Roster, order: Order) -> npt.NDArray[np.float64]:
    """Return for each symbol what it is ordered by; those of one key are in order of their symbols."""
    if order == "worst":
        return np.nan_to_num(roster.columns["score"], nan=_WITHOUT_SCORE)
    if order == "longest":
        return -roster.columns["bars"].astype(np.float64)
    return np.zeros(len(roster.symbols))


async def _rows(
    connection: asyncpg.Connection,
    symbols: Sequence[str],
    months: Months,
    calendar: Calendar,
    judged: dt.date,
    now: dt.datetime,
) -> Table:
    """Return the rows of some symbols, each with all months."""
    if len(symbols) == 0 or len(months) == 0:
        return _table([], months, np.zeros((0, len(months), len(_COUNTED)), np.int64))
    days = [_first_day(month) for month in (*months, months[-1] + 1)]
    with clear_project_errors():
        found = await find_missing_between(connection, symbols, days[0], days[-1] - dt.timedelta(days=1), now, calendar)
    counts = np.zeros((len(symbols), len(months), len(_COUNTED)), np.int64)
    await _count_bars(connection, symbols, days, counts)
    edges = np.searchsorted(calendar.sessions, np.array(days, "datetime64[D]"))
    due = np.minimum(edges, np.searchsorted(calendar.sessions, np.datetime64(judged, "D"), side="right"))
    for place, symbol in enumerate(symbols):
        missing = found.get(symbol, _NEVER_ASKED)
        counts[place, :, _NOT_ASKED] = np.diff(np.minimum(due, missing.begins))
        at = np.searchsorted(edges, missing.place, side="right") - 1
        cells = np.bincount(at * len(_KINDS) + missing.kind, minlength=len(months) * len(_KINDS))
        by_kind = cells.reshape(len(months), len(_KINDS))
        for kind, column in _COLUMN_OF.items():
            counts[place, :, column] += by_kind[:, _KINDS.index(kind)]
    return _table(symbols, months, counts)


async def _count_bars(
    connection: asyncpg.Connection, symbols: Sequence[str], days: Sequence[dt.date], counts: Ints
) -> None:
    """Enter the bars, and those that are flagged, of the months that begin on `days`, of which the last is none."""
    bits = sum(1 << row["bit"] for row in await connection.fetch(_RULES) if row["name"] != _NO_FAULT)
    place_of = {symbol: place for place, symbol in enumerate(symbols)}
    for ticker, month, bars, flagged in await connection.fetch(_BARS, symbols, days[:-1], days[-1], bits):
        counts[place_of[ticker], month - 1, [_BARS_COUNTED, _FLAGGED]] = bars, flagged


def _table(symbols: Sequence[str], months: Months, counts: Ints) -> Table:
    """Return counts as rows. Shape: `counts` are by symbol, month and name in _COUNTED."""
    of = {name: counts[:, :, place].reshape(-1) for place, name in enumerate(_COUNTED)}
    whole = np.empty(len(symbols), object)
    whole[:] = symbols
    states = np.select(
        [of["vendor_hole"] + of["not_fetched"] > 0, of["rejected"] > 0, of["flagged"] > 0, of["bars"] > 0],
        np.array(["missing", "rejected", "flagged", "whole"], object),
        np.array("nothing", object),
    )
    inside = np.sum([of["bars"], *(of[kind.value] for kind in GapKind if kind not in OUTSIDE)], axis=0)
    return Table(
        MonthRow,
        {
            "symbol": np.repeat(whole, len(months)),
            "month": np.tile(months.astype("datetime64[D]"), len(symbols)),
            "state": states,
            "expected": inside,
            **of,
        },
    )


OPERATION = Operation(
    path="/api/v1/coverage",
    summary="Symbols × months: what there is, what is missing, rejected or flagged",
    description=(
        "For each symbol of a page and each month: how many sessions should have a bar, how many have one, how many "
        "of those the rules flag, and how many are missing, of each class. Without start and end, the last "
        f"{_USUAL_MONTHS} months up to that of the newest session; at most {_MOST_MONTHS}. Every symbol that was asked "
        "for, that any answer spoke of, or that the vendor lists is in it; limit and cursor count symbols, not rows."
    ),
    params=MonthlyParams,
    answer=Monthly,
    example=Monthly(
        start=dt.date(2016, 5, 1),
        end=dt.date(2016, 5, 31),
        judged_up_to=dt.date(2018, 3, 26),
        count=1,
        total=1,
        generation=EXAMPLE_GENERATION,
        next_cursor=None,
        months=[
            MonthRow(
                symbol="AAPL",
                month=dt.date(2016, 5, 1),
                state="missing",
                expected=21,
                bars=20,
                flagged=1,
                rejected=0,
                vendor_hole=1,
                not_fetched=0,
                no_trade=0,
                outside=0,
                not_asked=0,
            )
        ],
    ),
    handle=monthly,
    errors=(InvalidParameter("start", "1962-01-02", f"leads to 675 months; {_MOST_MONTHS} is the most"), *READ_ERRORS),
    tagged=True,
    rows="months",
)
