"""The synthetic market: the same for the same seed, longer only at its end, and dated as the vendor publishes."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fake_polygon import DEFAULT_UNIVERSE, SPECIAL_TICKERS, SyntheticMarket, made_up_tickers
from tests.fake_polygon.errors import BadSyntheticMarket
from tests.fake_polygon.market import BarColumns, MarketBar
from tests.fake_polygon.sessions import closes_at, full_close_at, opens_at

END = datetime(2100, 1, 1, tzinfo=UTC)
FIRST = date(2024, 1, 2)


def bits(bars: BarColumns) -> list[bytes]:
    return [bars.sessions.tobytes(), *(column.tobytes() for column in bars.numbers())]


@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**31),
    last=st.dates(date(2024, 3, 1), date(2026, 10, 1)),
    more=st.integers(1, 400),
    ticker=st.sampled_from([*DEFAULT_UNIVERSE, *SPECIAL_TICKERS, *made_up_tickers(3)]),
)
def test_a_longer_market_begins_with_the_same_bits(seed: int, last: date, more: int, ticker: str) -> None:
    short = SyntheticMarket(seed, [ticker], FIRST, last=last)
    long = SyntheticMarket(seed, [ticker], FIRST, last=last + timedelta(days=more))
    early, late = short.bars(ticker, END), long.bars(ticker, END)
    assert bits(early) == bits(late.take(late.sessions <= np.datetime64(last, "D")))
    assert [f for f in long.answers.facts if f.session <= last] == list(short.answers.facts)


def test_a_ticker_is_the_same_in_every_universe_and_other_in_every_seed() -> None:
    alone = SyntheticMarket(7, ["TSLA"], FIRST, last=date(2024, 12, 31))
    among = SyntheticMarket(7, last=date(2024, 12, 31), first=FIRST)
    other = SyntheticMarket(8, ["TSLA"], FIRST, last=date(2024, 12, 31))
    assert bits(alone.bars("TSLA", END)) == bits(among.bars("TSLA", END))
    assert bits(alone.bars("TSLA", END)) != bits(other.bars("TSLA", END))


def test_a_session_of_the_whole_market_is_the_same_bars_as_those_of_each_ticker() -> None:
    market = SyntheticMarket(3, first=FIRST, last=date(2024, 6, 28))
    for as_of in (END, datetime(2024, 5, 15, 12, tzinfo=UTC)):
        by_ticker = {
            (ticker, row.session): row for ticker in market.symbols() for row in market.bars(ticker, as_of).records()
        }
        days = {session for _, session in by_ticker}
        by_day: dict[tuple[str, date], MarketBar] = {}
        for day in days:
            found = market.grouped(day, as_of)
            by_day |= {(t, row.session): row for t, row in zip(found.tickers, found.bars.records(), strict=True)}
        assert by_day == by_ticker
    assert not market.grouped(date(2024, 6, 30), END).tickers


def test_good_bars_are_consistent_and_have_two_to_four_decimals() -> None:
    market = SyntheticMarket(5, ["SPY", "BCPC", *made_up_tickers(5)], last=date(2026, 11, 20))
    faulty = market.answers.of("high_brackets", "low_brackets", "prices_positive", "missing_field", "null_field")
    faulty |= market.answers.of("volume_not_negative", "move_bounded")
    for ticker in market.symbols():
        for bar in market.bars(ticker, END).records():
            if (ticker, bar.session) in faulty:
                continue
            assert bar.open is not None and bar.high is not None and bar.low is not None and bar.close is not None
            assert 0 < bar.low < min(bar.open, bar.close) <= max(bar.open, bar.close) < bar.high
            assert bar.vwap is None or bar.low <= bar.vwap <= bar.high
            assert all(round(price, 4) == price for price in (bar.open, bar.high, bar.low, bar.close))
            assert bar.volume is not None and bar.volume > 0


def test_volumes_have_six_decimals_from_the_day_the_tape_had_them() -> None:
    bars = SyntheticMarket(7, ["BCPC"], date(2025, 1, 2), last=date(2026, 11, 20)).bars("BCPC", END)
    change = np.datetime64("2026-02-24")
    whole = bars.volume == np.floor(bars.volume)
    assert whole[bars.sessions < change].all()
    assert 0.8 < (~whole[bars.sessions >= change]).mean() < 1
    assert all(round(v, 6) == v for v in bars.volume.tolist())


def test_some_bars_lack_vwap_and_trades_together() -> None:
    bars = SyntheticMarket(7, ["BCPC"], last=date(2026, 11, 20)).bars("BCPC", END)
    assert 0 < np.isnan(bars.vwap).sum() < len(bars) / 50
    assert (np.isnan(bars.vwap) == np.isnan(bars.trades)).all()


def test_a_restated_bar_reads_as_first_published_until_the_next_day() -> None:
    market = SyntheticMarket(7, ["AAPL", "SPY"], FIRST, last=date(2024, 12, 31))
    restatements = market.answers.restatements
    assert len(restatements) > 5
    for restated in restatements:
        readings = []
        for as_of in (restated.published_at - timedelta(seconds=1), restated.published_at):
            bars = market.bars(restated.ticker, as_of)
            row = bars.take(bars.sessions == np.datetime64(restated.session, "D")).records()[0]
            day = market.grouped(restated.session, as_of)
            assert day.bars.records()[list(day.tickers).index(restated.ticker)] == row
            readings.append((row.close, row.volume))
        assert readings == [(restated.first_close, restated.first_volume), (restated.close, restated.volume)]
        assert readings[0] != readings[1]
        assert restated.published_at.date() == restated.session + timedelta(days=1)
    changed = {(r.ticker, r.session) for r in restatements}
    for ticker in market.symbols():
        before, after = market.bars(ticker, full_close_at(market.last)).records(), market.bars(ticker, END).records()
        for early, late in zip(before, after, strict=True):
            assert early == late or (ticker, late.session) in changed


def test_a_session_is_hidden_before_its_open_and_grows_until_its_close() -> None:
    market = SyntheticMarket(7, ["BCPC"], FIRST, last=date(2024, 12, 31))
    day = date(2024, 7, 3)  # a half day: it closes at 13:00

    def seen(as_of: datetime) -> float | None:
        bars = market.bars("BCPC", as_of)
        rows = bars.take(bars.sessions == np.datetime64(day, "D")).records()
        return rows[0].volume if rows else None

    opened, closed = opens_at(day), closes_at(day)
    assert closed == datetime(2024, 7, 3, 17, tzinfo=UTC)
    assert seen(opened - timedelta(seconds=1)) is None
    volumes = [seen(opened + (closed - opened) * part / 4) for part in (1, 2, 3, 4)]
    assert all(early is not None and late is not None and early < late for early, late in pairwise(volumes))
    assert market.bars("BCPC", opened).sessions.max() == np.datetime64(day, "D")
    assert market.grouped(day, opened - timedelta(seconds=1)).tickers == ()


def test_an_edition_changes_whenever_the_bars_do() -> None:
    market = SyntheticMarket(7, ["AAPL", "MOVD"], FIRST, last=date(2024, 3, 28))
    instants = [datetime(2024, 3, 20, tzinfo=UTC) + timedelta(minutes=37 * n) for n in range(900)]
    for before, after in pairwise(instants):
        if market.edition(before) == market.edition(after):
            assert bits(market.bars("AAPL", before)) == bits(market.bars("AAPL", after))
            assert market.splits(before) == market.splits(after)
            assert market.dividends(before) == market.dividends(after)


def test_a_split_is_listed_ahead_moved_and_cancelled() -> None:
    market = SyntheticMarket(7, ["MOVD", "CNCL"], FIRST, last=date(2024, 6, 28))
    listed = [
        {(s.ticker, s.execution_date) for s in market.splits(datetime.combine(day, datetime.min.time(), UTC))}
        for day in market.sessions
    ]
    moved = [{day for ticker, day in at if ticker == "MOVD"} for at in listed]
    assert all(len(days) <= 1 for days in moved)
    dates = sorted(set().union(*moved))
    real = next(s.execution_date for s in market.answers.splits)
    assert len(dates) == 2
    assert real == dates[0]
    assert market.sessions[market.sessions.index(real) + 1] == dates[1]
    cancelled = [any(ticker == "CNCL" for ticker, _ in at) for at in listed]
    assert any(cancelled)
    assert not cancelled[-1]


def test_the_special_tickers_begin_and_end_as_their_events_say() -> None:
    market = SyntheticMarket(7, first=FIRST, last=date(2024, 12, 31))
    spans = {t: market.bars(t, END).sessions for t in ("OLDN", "NEWN", "DLST", "IPOX")}
    listed = {ticker.ticker: ticker for ticker in market.tickers()}
    assert [event.ticker for event in market.events("NEWN")] == ["NEWN", "OLDN"]
    assert market.events("NEWN")[0].day == spans["NEWN"][0].item()
    assert spans["OLDN"].max() < spans["NEWN"].min()
    assert "OLDN" not in listed
    gone = listed["DLST"].delisted_utc
    assert gone is not None and spans["DLST"][-1].item() < gone.date() and not listed["DLST"].active
    assert listed["IPOX"].list_date == spans["IPOX"][0].item() > market.first
    assert market.events("NOPE") == ()
    assert len(market.bars("NOPE", END)) == 0


def test_tickers_that_differ_by_case_are_different_securities() -> None:
    market = SyntheticMarket(7, first=FIRST, last=date(2024, 3, 28))
    for one, other in (("BCPC", "BCpC"), ("TPC", "TpC")):
        assert bits(market.bars(one, END)) != bits(market.bars(other, END))


@pytest.mark.parametrize(
    ("symbols", "first", "last", "parameter"),
    [
        ([], FIRST, date(2024, 6, 28), "symbols"),
        (["A", "A"], FIRST, date(2024, 6, 28), "symbols"),
        (["A"], FIRST, date(2023, 6, 28), "last"),
        (["A"], date(2024, 6, 29), date(2024, 6, 30), "last"),
    ],
)
def test_a_market_that_cannot_be_is_refused(symbols: list[str], first: date, last: date, parameter: str) -> None:
    with pytest.raises(BadSyntheticMarket) as caught:
        SyntheticMarket(7, symbols, first, last=last)
    assert caught.value.parameter == parameter


def test_made_up_tickers_are_distinct() -> None:
    tickers = made_up_tickers(12_000)
    assert len(set(tickers)) == 12_000
    assert not set(tickers) & {*DEFAULT_UNIVERSE, *SPECIAL_TICKERS}
