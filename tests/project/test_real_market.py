"""The real market: what is known of it by hand is what the projection finds, and nothing beside it."""

import datetime as dt
from pathlib import Path

import asyncpg
import msgspec
import numpy as np
import pytest

from archive.calendar import exchange_calendar
from project.audit.session import audit_session
from project.batch import Batch
from project.factors.circumstances import AllCircumstances
from project.fold import EVERY_DAY, FoldedBars, fold_bars
from project.kinds import fold_kinds
from project.rebuild import rebuild
from project.replay import catch_up
from project.rows import VALUES, Tickers
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.payloads import archive_all, as_payload, bar, grouped_response, range_response
from tests.project.columns import EPOCH, nothing_judged
from tests.project.market_files import actions, bars_of, grouped, lines, symbols
from tests.project.tables import all_tables

RULESET = read_ruleset(DEFAULT_RULES)
BITS = {use.name: 1 << bit for bit, use in enumerate(RULESET.rules)}
OHLCV = sum(BITS[use.name] for use in RULESET.rules if use.group == "ohlcv")
AAPL_7_FOR_1 = dt.date(2014, 6, 9)

Key = tuple[str, dt.date]


class _Market(msgspec.Struct, frozen=True):
    """Every real bar with its verdict, and every row that was rejected."""

    batch: Batch
    folded: FoldedBars
    tickers: Tickers

    def failing(self, mask: int) -> set[Key]:
        """Return the bars that fail any rule of a mask."""
        bars = self.folded.bars
        return {self._key(place) for place in np.flatnonzero(bars.failed_rules & mask).tolist()}

    def _key(self, place: int) -> Key:
        bars = self.folded.bars.bars
        return self.tickers.names[bars.ticker[place]], EPOCH + dt.timedelta(days=int(bars.day[place]))


@pytest.fixture(scope="module")
def market(market_data: Path) -> _Market:
    """Return the market of all symbols, judged by the shipped rules."""
    batch = Batch(exchange_calendar(), RULESET, {})
    for seq, response in enumerate(
        [*actions(market_data), *(bars_of(market_data, symbol) for symbol in symbols(market_data))], start=1
    ):
        batch.add(as_payload(response, seq))
    records = fold_kinds({}, batch.statements)
    known = AllCircumstances(records, batch.tickers).of(batch.tickers.names)
    since = np.full(len(batch.tickers), EVERY_DAY)
    folded = fold_bars(nothing_judged(), batch.bars, since, batch.tickers, known, RULESET)
    return _Market(batch, folded, batch.tickers)


def test_every_real_row_is_a_bar_but_for_the_one_of_a_day_without_a_session(market: _Market, market_data: Path) -> None:
    rows = sum(1 for symbol in symbols(market_data) for _ in lines(market_data / "bars" / f"{symbol}.csv"))
    known = {(line["symbol"], line["date"]) for line in lines(market_data / "known_non_session_bars.csv")}
    assert {(row.ticker, str(row.session)) for row in market.batch.rejections} == known == {("AAPL", "1985-09-27")}
    assert {reason for row in market.batch.rejections for reason in row.reasons} == {"not_a_session"}
    assert len(market.folded.bars) == rows - len(known)


def test_the_known_violations_of_open_high_low_close_are_flagged_and_no_other_bars(
    market: _Market, market_data: Path
) -> None:
    known = {
        (line["symbol"], dt.date.fromisoformat(line["date"]))
        for line in lines(market_data / "known_ohlc_violations.csv")
    }
    assert market.failing(OHLCV) == known
    assert {("FB", dt.date(2015, 7, 16)), ("AMZN", dt.date(2015, 7, 16))} <= known


def test_a_split_explains_its_gap(market: _Market, market_data: Path) -> None:
    """AAPL 7:1 by hand: 645.57 before and 92.70 after, a gap of 0.5 %."""
    gaps, acted = market.failing(BITS["large_gap"]), market.failing(BITS["corporate_action"])
    splits = {
        (line["symbol"], dt.date.fromisoformat(line["execution_date"])) for line in lines(market_data / "splits.csv")
    }
    assert ("AAPL", AAPL_7_FOR_1) in splits
    assert ("AAPL", AAPL_7_FOR_1) in acted - gaps
    with_bars = splits & {market._key(place) for place in range(len(market.folded.bars))}
    assert with_bars <= acted
    assert gaps & with_bars == set()


def test_every_other_gap_beyond_the_limit_is_flagged_and_none_within_it(market: _Market, market_data: Path) -> None:
    """Computed here from the files alone, for symbols and dates on which nothing was paid or split."""
    acted = market.failing(BITS["corporate_action"])
    flagged = market.failing(BITS["large_gap"])
    expected = set()
    for symbol in symbols(market_data):
        previous = None
        for line in lines(market_data / "bars" / f"{symbol}.csv"):
            key = (symbol, dt.date.fromisoformat(line["date"]))
            if key == ("AAPL", dt.date(1985, 9, 27)):
                continue
            if previous is not None and abs(float(line["open"]) / previous - 1) > 0.10:
                expected.add(key)
            previous = float(line["close"])
    assert {key for key in flagged if key not in acted} == {key for key in expected if key not in acted}
    assert len(flagged) > 50


def test_the_splits_that_the_vendor_lacks_are_gaps(market: _Market) -> None:
    flagged = market.failing(BITS["large_gap"])
    assert {("KO", dt.date(1965, 2, 19)), ("KO", dt.date(1968, 6, 3))} <= flagged


async def test_the_seven_for_one_split_of_apple_on_a_real_database(
    market_data: Path, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [bars_of(market_data, "AAPL"), *actions(market_data)])
    await rebuild(project_pool, RULESET, lambda: dt.datetime(2024, 7, 2, tzinfo=dt.UTC))
    row = await project_pool.fetchrow("SELECT * FROM projection.bar WHERE session = $1", AAPL_7_FOR_1)
    assert row["failed_rules"] == BITS["corporate_action"]
    assert (row["open"], row["close"], row["validated"]) == (92.7, 93.7, True)
    assert row["gap"] == pytest.approx(92.7 / (645.57 / 7) - 1)
    rejected = await project_pool.fetch("SELECT ticker, session, reasons FROM projection.rejection")
    assert [tuple(each) for each in rejected] == [("AAPL", dt.date(1985, 9, 27), ["not_a_session"])]
    async with project_pool.acquire() as connection:
        for session in (AAPL_7_FOR_1, dt.date(1985, 9, 27)):
            assert (await audit_session(connection, session)).raw_rows == 1


async def test_real_restatements_of_a_whole_market_end_in_bar_revision(
    market_data: Path, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """The bars of a session as first published, then those that the next day's publication changed."""
    session = dt.date(2016, 1, 4)
    restated = [line for line in lines(market_data / "grouped_revisions.csv.gz") if line["date"] == str(session)]
    assert len(restated) > 100
    first = grouped(market_data, session)
    rows = [bar(session, *_prices_and_volume(line, "rev"), ticker=line["symbol"]) for line in restated]
    later = first.fetched_at + dt.timedelta(days=1)
    now = dt.datetime(2024, 7, 2, tzinfo=dt.UTC)
    await rebuild(project_pool, RULESET, lambda: now)
    await archive_all(ingest_pool, [first])
    await catch_up(project_pool, lambda: now)
    await archive_all(ingest_pool, [grouped_response(session, rows, fetched_at=later)])
    await catch_up(project_pool, lambda: now)
    found = await project_pool.fetch("SELECT * FROM projection.bar_revision")
    assert {row["ticker"] for row in found} == {line["symbol"] for line in restated}
    by_ticker = {row["ticker"]: row for row in found}
    for line in restated:
        row = by_ticker[line["symbol"]]
        assert ([row[name] for name in VALUES[:4]], row["volume"]) == _prices_and_volume(line, "first")
        assert (row["known_from"], row["known_to"], row["superseded_by"]) == (first.fetched_at, later, 2)
    caught_up = await all_tables(project_pool)
    await rebuild(project_pool, RULESET, lambda: now)
    assert await all_tables(project_pool) == caught_up


def _prices_and_volume(line: dict[str, str], which: str) -> tuple[list[float], float]:
    *prices, volume = (float(line[f"{which}_{name}"]) for name in VALUES[:5])
    return prices, volume


@pytest.mark.parametrize(
    ("file", "first", "last", "bars"),
    [
        ("v2_aggs_range_1_day_AAPL_2024-12-30_2025-01-07.raw.json", "2024-12-30", "2025-01-07", 6),
        ("v2_aggs_range_1_day_AAPL_2025-01-15_2025-01-17.raw.json", "2025-01-15", "2025-01-17", 3),
        ("v2_aggs_AAPL_day_2023-01-01_2023-01-10.json", "2023-01-01", "2023-01-10", 6),
        ("v2_aggs_range_1_day_NVDA_2024-10-14_DELAYED.json", "2024-10-14", "2024-10-14", 1),
        ("v2_aggs_range_MRK_2021-06-11_BAD_LOW.json", "2021-06-11", "2021-06-11", 1),
    ],
)
def test_recorded_range_answers_are_read_whole(market_data: Path, file: str, first: str, last: str, bars: int) -> None:
    content = (market_data / "recorded" / file).read_bytes()
    ticker = msgspec.json.decode(content)["ticker"]
    batch = Batch(exchange_calendar(), RULESET, {})
    batch.add(as_payload(range_response(ticker, content, dt.date.fromisoformat(first), dt.date.fromisoformat(last))))
    assert ([len(rows) for rows in batch.bars], batch.rejections) == ([bars], [])


def test_a_recorded_grouped_answer_is_read_whole(market_data: Path) -> None:
    session = dt.date(2019, 2, 1)
    content = (market_data / "recorded" / "grouped_daily_2019-02-01.json").read_bytes()
    batch = Batch(exchange_calendar(), RULESET, {})
    batch.add(as_payload(grouped_response(session, content)))
    [rows] = batch.bars
    assert len(rows) + len(batch.rejections) == 8374
    assert all("test_ticker" in rejection.reasons for rejection in batch.rejections)
    assert np.isnan(rows.values[5]).sum() == np.isnan(rows.values[6]).sum() == 60


@pytest.mark.parametrize("file", ["unauthorized.json", "v2_aggs_range_empty_results_null_2020-05.json"])
def test_recorded_answers_without_rows_hold_none(market_data: Path, file: str) -> None:
    content = (market_data / "recorded" / file).read_bytes()
    batch = Batch(exchange_calendar(), RULESET, {})
    batch.add(as_payload(range_response("C:GBPUSD", content)))
    assert (sum(len(rows) for rows in batch.bars), batch.rejections) == (0, [])
