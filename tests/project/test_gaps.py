"""Missing sessions and their classes, on hand-made series and on the real market."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from archive.calendar import exchange_calendar
from archive.payload import Response
from project.gaps.answered import Answer, answered, expected_sessions
from project.gaps.gap_search import SymbolGaps, count_gaps, find_gaps
from project.gaps.gaps import (
    OUTSIDE,
    PRESUMED,
    Ending,
    Gap,
    GapKind,
    Known,
    Market,
    Traded,
    describe,
    find_missing,
    market_of,
)
from project.names.symbol import UnknownSymbol
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.payloads import (
    Row,
    archive_all,
    bar,
    dividend,
    dividends_response,
    grouped_response,
    range_response,
    respond,
)
from tests.project.market_files import bars_of, lines, symbols
from tests.project.tickers_payloads import events_response, listed, tickers_response

RULESET = read_ruleset(DEFAULT_RULES)
NOW = dt.datetime(2024, 7, 2, tzinfo=dt.UTC)
DAYS = np.arange(20_000, 20_060)
LIQUID, THIN = 1e6, 10.0
EPOCH = dt.date(1970, 1, 1)
CALENDAR = exchange_calendar()
SESSIONS = CALENDAR.between(dt.date(2024, 1, 2), dt.date(2024, 4, 30))


def _traded(missing: Sequence[int], *, volume: float = LIQUID, trades: float = np.nan, last: int = 60) -> Traded:
    """Return bars in all of sixty sessions up to `last` but some, at one USD a share."""
    day = np.setdiff1d(DAYS[:last], DAYS[list(missing)])
    every = np.ones(len(day))
    return Traded(day, every, volume * every, trades * every)


def _known(
    unanswered: Sequence[int] = (), rejected: Sequence[int] = (), endings: Sequence[Ending] = (), active: bool = False
) -> Known:
    spoken = np.ones(len(DAYS), np.bool_)
    spoken[list(unanswered)] = False
    return Known(spoken, DAYS[list(rejected)], endings, active)


def _nothing_else(sessions: int = len(DAYS)) -> Market:
    return market_of([], sessions)


def _classes(traded: Traded, known: Known, market: Market | None = None) -> list[tuple[GapKind, int, int]]:
    """Return class, first and last place of each gap."""
    market = market or _nothing_else()
    found = find_missing(traded, known, DAYS, market)
    gaps = describe("A", found, traded, known, DAYS, market)
    assert sum(found.counts().values()) == sum(gap.sessions for gap in gaps) == len(found.place)
    zero = EPOCH + dt.timedelta(days=int(DAYS[0]))
    return [(gap.kind, (gap.first - zero).days, (gap.last - zero).days) for gap in gaps]


def test_a_whole_series_misses_nothing() -> None:
    assert _classes(_traded([]), _known()) == []


@pytest.mark.parametrize(
    ("traded", "kind"),
    [
        (_traded([30], volume=LIQUID), GapKind.VENDOR_HOLE),
        (_traded([30], volume=THIN), GapKind.NO_TRADE),
        (_traded([30], volume=THIN, trades=2_000), GapKind.VENDOR_HOLE),
        (_traded([30], volume=LIQUID, trades=3), GapKind.NO_TRADE),
    ],
    ids=["much turnover", "little turnover", "many trades", "few trades"],
)
def test_what_a_liquid_ticker_misses_is_a_hole_and_what_a_thin_one_misses_is_none(
    traded: Traded, kind: GapKind
) -> None:
    assert _classes(traded, _known()) == [(kind, 30, 30)]


def test_sessions_on_end_are_one_gap() -> None:
    assert _classes(_traded([10, 11, 12, 14]), _known()) == [
        (GapKind.VENDOR_HOLE, 10, 12),
        (GapKind.VENDOR_HOLE, 14, 14),
    ]


def test_a_session_that_most_of_the_longest_series_lack_is_a_hole_for_a_thin_ticker_too() -> None:
    expected = np.ones(len(DAYS), np.bool_)
    with_hole = expected.copy()
    with_hole[30] = False
    thin = _traded([30, 40], volume=THIN)
    lack = market_of([(expected, with_hole)] * 2 + [(expected, expected)], len(DAYS))
    assert _classes(thin, _known(), lack) == [(GapKind.VENDOR_HOLE, 30, 30), (GapKind.NO_TRADE, 40, 40)]
    have = market_of([(expected, with_hole)] + [(expected, expected)] * 2, len(DAYS))
    assert _classes(thin, _known(), have) == [(GapKind.NO_TRADE, 30, 30), (GapKind.NO_TRADE, 40, 40)]


def test_a_rejected_row_and_an_unanswered_session_are_told_apart() -> None:
    known = _known(unanswered=[20, 21], rejected=[22])
    assert _classes(_traded([20, 21, 22]), known) == [(GapKind.NOT_FETCHED, 20, 21), (GapKind.REJECTED, 22, 22)]


def test_before_the_first_bar_is_before_the_listing_as_far_as_answers_reach() -> None:
    traded = _traded(range(10))
    assert _classes(traded, _known()) == [(GapKind.BEFORE_LISTING, 0, 9)]
    assert _classes(traded, _known(unanswered=range(4))) == [(GapKind.BEFORE_LISTING, 4, 9)]
    assert _classes(traded, _known(unanswered=range(10))) == []
    assert _classes(traded, _known(unanswered=[6])) == [
        (GapKind.BEFORE_LISTING, 0, 5),
        (GapKind.NOT_FETCHED, 6, 6),
        (GapKind.BEFORE_LISTING, 7, 9),
    ]


@pytest.mark.parametrize(
    ("silent", "active", "kind"),
    [
        (PRESUMED, False, GapKind.AFTER_DELISTING),
        (PRESUMED - 1, False, GapKind.VENDOR_HOLE),
        (PRESUMED, True, GapKind.VENDOR_HOLE),
    ],
    ids=["for long", "not for long", "yet listed as active"],
)
def test_answers_without_a_bar_after_the_last_one_mean_a_delisting(silent: int, active: bool, kind: GapKind) -> None:
    last = len(DAYS) - silent
    assert _classes(_traded([], last=last), _known(active=active)) == [(kind, last, len(DAYS) - 1)]


@pytest.mark.parametrize(
    ("ended_at", "gaps"),
    [
        (50, [(GapKind.AFTER_DELISTING, 50, 59)]),
        (54, [(GapKind.AFTER_DELISTING, 50, 59)]),
        (46, [(GapKind.AFTER_DELISTING, 50, 59)]),
    ],
    ids=["on the day after", "dated too late", "dated too early"],
)
def test_after_a_known_delisting_nothing_is_missed(ended_at: int, gaps: list[tuple[GapKind, int, int]]) -> None:
    """Though nobody asked for some of it, and the vendor lists it as active under some other id."""
    known = _known(unanswered=[58, 59], endings=[Ending(int(DAYS[ended_at]), "it was delisted")], active=True)
    assert _classes(_traded([], last=50), known) == gaps


def test_what_is_missed_long_before_a_delisting_is_judged_like_any_other() -> None:
    known = _known(endings=[Ending(int(DAYS[50]), "it was delisted")])
    assert _classes(_traded([], last=30), known) == [
        (GapKind.AFTER_DELISTING, 30, 49),
        (GapKind.AFTER_DELISTING, 50, 59),
    ]
    active = _known(endings=[Ending(int(DAYS[50]), "it was delisted")], active=True)
    assert _classes(_traded([], last=30), active)[0] == (GapKind.VENDOR_HOLE, 30, 49)


def test_between_two_securities_of_one_symbol_nothing_is_missed() -> None:
    known = _known(endings=[Ending(int(DAYS[20]), "it became B")])
    assert _classes(_traded(range(20, 40)), known) == [(GapKind.AFTER_DELISTING, 20, 39)]


def test_an_ending_that_trade_belies_ends_nothing() -> None:
    known = _known(endings=[Ending(int(DAYS[20]), "it became B")])
    assert _classes(_traded([30]), known) == [(GapKind.VENDOR_HOLE, 30, 30)]


def test_without_any_bar_all_that_was_answered_for_is_before_the_listing() -> None:
    nothing = Traded(DAYS[:0], np.empty(0), np.empty(0), np.empty(0))
    assert _classes(nothing, _known(unanswered=range(30))) == [(GapKind.BEFORE_LISTING, 30, 59)]
    assert _classes(nothing, _known(unanswered=range(60))) == []


def test_before_1970_a_session_that_no_series_has_was_none() -> None:
    days = np.arange(-30, 30)
    traded = Traded(np.delete(days, [10, 20, 40]), np.ones(57), np.full(57, LIQUID), np.full(57, np.nan))
    expected = np.ones(60, np.bool_)
    other = expected.copy()
    other[[10, 40]] = False
    market = market_of([(expected, other)], 60)
    known = Known(expected, days[:0])
    found = find_missing(traded, known, days, market)
    gaps = describe("A", found, traded, known, days, market)
    assert [gap.kind for gap in gaps] == [GapKind.NO_TRADE, GapKind.VENDOR_HOLE, GapKind.VENDOR_HOLE]
    assert "probably no session" in gaps[0].why


def test_an_answer_speaks_of_sessions_that_were_over_for_a_day_when_it_came() -> None:
    expected = expected_sessions(CALENDAR, NOW)
    friday = dt.date(2024, 6, 28)
    close = CALENDAR.close_of(friday)
    for waited, spoken in ((dt.timedelta(days=1), False), (dt.timedelta(days=2), True)):
        found = answered(expected, [Answer(dt.date(2024, 6, 27), dt.date(2030, 1, 1), close + waited)])
        assert found.sum() == 1 + spoken
        assert bool(found[np.searchsorted(expected.sessions, (friday - EPOCH).days)]) is spoken


def test_a_session_is_expected_once_a_missing_bar_can_be_believed() -> None:
    close = CALENDAR.close_of(dt.date(2024, 6, 28))
    for waited, newest in ((dt.timedelta(days=1), dt.date(2024, 6, 27)), (dt.timedelta(days=2), dt.date(2024, 6, 28))):
        assert expected_sessions(CALENDAR, close + waited).sessions[-1] == (newest - EPOCH).days


async def _gaps(pool: asyncpg.Pool, symbol: str, now: dt.datetime = NOW) -> SymbolGaps:
    async with pool.acquire() as connection:
        found = await find_gaps(connection, symbol, now)
        counted = {one.symbol: one.counts for one in (await count_gaps(connection, now)).symbols}
    assert found.counts == counted[symbol]
    return found


def _told(found: SymbolGaps) -> list[tuple[str, str, str]]:
    return [(gap.kind.value, str(gap.first), str(gap.last)) for gap in found.gaps]


def _rows() -> list[Row]:
    return [bar(session, 10.0, 1e6) for session in SESSIONS]


async def test_of_a_symbol_by_name_all_classes_are_found(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    first, last = SESSIONS[5], SESSIONS[-10]
    rejected, hole, unasked = SESSIONS[10], SESSIONS[20], SESSIONS[30:35]
    half = [bar(session, 10.0, 1e6) for session in SESSIONS if first <= session < unasked[0] and session != hole]
    spoilt = [row if place != 5 else {**row, "o": '"ten"'} for place, row in enumerate(half)]
    rest = [bar(session, 10.0, 1e6) for session in SESSIONS if unasked[-1] < session <= last]
    day = dt.timedelta(days=1)
    await archive_all(
        ingest_pool,
        [
            range_response("A", spoilt, SESSIONS[0], unasked[0] - day),
            range_response("A", rest, unasked[-1] + day, SESSIONS[-1]),
            respond(range_response("A", [], unasked[0], unasked[-1]).request, b"{}", status=429),
            tickers_response([listed("A", delisted_utc=f"{last + day}T04:00:00Z")]),
            dividends_response([{**dividend("A", hole, 1.0, "D1"), "cash_amount": '"none"'}]),
        ],
    )
    await rebuild(project_pool, RULESET, lambda: NOW)
    found = await _gaps(project_pool, "A")
    assert _told(found) == [
        ("before_listing", str(SESSIONS[0]), str(SESSIONS[4])),
        ("rejected", str(rejected), str(rejected)),
        ("vendor_hole", str(hole), str(hole)),
        ("not_fetched", str(unasked[0]), str(unasked[-1])),
        ("after_delisting", str(SESSIONS[-9]), "2024-06-28"),
    ]
    assert (found.calendar_version, found.judged_up_to) == (CALENDAR.version, dt.date(2024, 6, 28))
    assert found.gaps[-1].why == f"it was delisted after {last + day}"


async def test_answers_for_the_whole_market_speak_of_every_symbol(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """B is new in the third session, misses the sixth and is not to be had since nobody asked for the tenth."""

    def market(place: int) -> Response:
        named = ["A"] + ["B"] * (place >= 3 and place != 6)
        rows = [bar(SESSIONS[place], 10.0, 50.0, ticker=name, trades=3) for name in named]
        return grouped_response(SESSIONS[place], rows)

    await archive_all(ingest_pool, [market(place) for place in range(15) if place != 10])
    await rebuild(project_pool, RULESET, lambda: NOW)
    now = dt.datetime.combine(SESSIONS[16], dt.time(12), dt.UTC)
    assert _told(await _gaps(project_pool, "B", now)) == [
        ("before_listing", str(SESSIONS[0]), str(SESSIONS[2])),
        ("no_trade", str(SESSIONS[6]), str(SESSIONS[6])),
        ("not_fetched", str(SESSIONS[10]), str(SESSIONS[10])),
    ]
    assert [gap.first for gap in (await _gaps(project_pool, "A", now)).gaps] == [SESSIONS[10]]


async def test_a_renamed_ticker_misses_nothing_after_its_last_bar(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """The vendor dates the change two days late; the fund that was META before has no bar since long ago."""
    renamed, fund_ended = SESSIONS[60], SESSIONS[20]
    facebook = [bar(session, 10.0, 1e6) for session in SESSIONS if session < renamed]
    meta = [bar(session, 10.0, 1e6) for session in SESSIONS if session < fund_ended or session >= renamed]
    dated = renamed + dt.timedelta(days=2)
    await archive_all(
        ingest_pool,
        [
            range_response("FB", facebook, SESSIONS[0], SESSIONS[-1]),
            range_response("META", meta, SESSIONS[0], SESSIONS[-1]),
            events_response("META", [("META", str(dated)), ("FB", "2012-05-18")], composite_figi="BBG1"),
            events_response("METV", [("METV", str(fund_ended)), ("META", "2021-06-30")], composite_figi="BBG2"),
        ],
    )
    await rebuild(project_pool, RULESET, lambda: NOW)
    assert _told(await _gaps(project_pool, "FB")) == [("after_delisting", str(renamed), "2024-06-28")]
    [fund, *later] = (await _gaps(project_pool, "META")).gaps
    assert (fund.kind, fund.first, fund.last) == (GapKind.AFTER_DELISTING, fund_ended, SESSIONS[59])
    assert fund.why.startswith("it became METV after ")
    assert [gap.kind for gap in later] == [GapKind.NOT_FETCHED]


async def test_a_payload_that_is_not_projected_yet_speaks_of_nothing(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    rows = _rows()
    await archive_all(ingest_pool, [range_response("A", rows, SESSIONS[0], SESSIONS[-1])])
    await rebuild(project_pool, RULESET, lambda: NOW)
    before = await _gaps(project_pool, "A")
    assert [gap.kind for gap in before.gaps] == [GapKind.NOT_FETCHED]
    await archive_all(ingest_pool, [range_response("A", [], SESSIONS[-1], NOW.date())])
    assert await _gaps(project_pool, "A") == before


_ASSESS = """
    INSERT INTO archive.assessment (archive_seq, assessor, outcome, row_count, first_session, last_session, otc)
    VALUES ($1, 2, 'answer', 20, $2, $3, $4)
"""


async def test_answers_for_the_whole_market_say_nothing_of_what_trades_over_the_counter(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    now = dt.datetime.combine(SESSIONS[41] + dt.timedelta(days=1), dt.time(12), dt.UTC)
    rows = [bar(session) for session in SESSIONS[20:40]]
    market = grouped_response(SESSIONS[40], [bar(SESSIONS[40], ticker="B")])
    seq, _ = await archive_all(ingest_pool, [range_response("A", rows, SESSIONS[20], SESSIONS[39]), market])
    await rebuild(project_pool, RULESET, lambda: NOW)
    assert _told(await _gaps(project_pool, "A", now)) == [("no_trade", str(SESSIONS[40]), str(SESSIONS[40]))]
    await ingest_pool.execute(_ASSESS, seq, SESSIONS[20], SESSIONS[39], True)
    assert _told(await _gaps(project_pool, "A", now)) == [("not_fetched", str(SESSIONS[40]), str(SESSIONS[40]))]


async def test_an_assessed_answer_speaks_of_its_first_to_its_last_row(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """A plan that cuts a range short says nothing of what it leaves out."""
    rows = [bar(session) for session in SESSIONS[20:40]]
    [seq] = await archive_all(ingest_pool, [range_response("A", rows, SESSIONS[0], SESSIONS[-1])])
    await rebuild(project_pool, RULESET, lambda: NOW)
    assert [gap.kind.value for gap in (await _gaps(project_pool, "A")).gaps] == [
        "before_listing",
        "after_delisting",
        "not_fetched",
    ]
    await ingest_pool.execute(_ASSESS, seq, SESSIONS[20], SESSIONS[39], False)
    assert _told(await _gaps(project_pool, "A")) == [("not_fetched", str(SESSIONS[40]), "2024-06-28")]


async def test_a_symbol_that_nobody_knows_is_refused(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    await archive_all(ingest_pool, [range_response("BCpC", _rows())])
    await rebuild(project_pool, RULESET, lambda: NOW)
    with pytest.raises(UnknownSymbol, match="symbol 'BCPC': nothing is known of it"):
        await _gaps(project_pool, "BCPC")


async def test_of_the_real_market_exactly_the_known_sessions_are_missing(
    market_data: Path, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    names = symbols(market_data)
    known: dict[str, set[dt.date]] = {name: set() for name in names}
    for line in lines(market_data / "known_missing_sessions.csv"):
        known[line["symbol"]].add(dt.date.fromisoformat(line["session"]))
    await archive_all(ingest_pool, [bars_of(market_data, name) for name in names])
    await rebuild(project_pool, RULESET, lambda: NOW)
    found: dict[str, list[Gap]] = {}
    async with project_pool.acquire() as connection:
        for name in names:
            of_symbol = await find_gaps(connection, name, NOW)
            found[name] = [gap for gap in of_symbol.gaps if gap.kind not in OUTSIDE]
        counted = await count_gaps(connection, NOW)
    missing = {
        name: {day for gap in gaps for day in CALENDAR.between(gap.first, gap.last)} for name, gaps in found.items()
    }
    assert missing == known
    for one in counted.symbols:
        assert sum(count for kind, count in one.counts.items() if kind not in OUTSIDE) == len(known[one.symbol])
    wiki = [gap for gaps in found.values() for gap in gaps if gap.first == dt.date(2017, 11, 8)]
    assert len(wiki) == 6
    assert {gap.why for gap in wiki} == {"6 of 7 of the longest series lack it too"}
    [ibm, _] = found["IBM"]
    assert (ibm.kind, ibm.first, ibm.sessions) == (GapKind.VENDOR_HOLE, dt.date(2015, 1, 2), 53)
    _before_1970_the_calendar_is_doubted(found)


def _before_1970_the_calendar_is_doubted(found: dict[str, list[Gap]]) -> None:
    """Of GE and KO all but 1962-11-09, of which KO has a bar."""
    doubted = {name: [gap for gap in found[name] if "probably no session" in gap.why] for name in ("GE", "KO")}
    assert [gap.first for gap in doubted["GE"]] == [gap.first for gap in doubted["KO"]]
    assert len(doubted["GE"]) == 68
    assert {gap.kind for gap in doubted["GE"]} == {GapKind.NO_TRADE}
    [hole] = [gap for gap in found["GE"] if gap.first == dt.date(1962, 11, 9)]
    assert hole.kind is GapKind.VENDOR_HOLE
