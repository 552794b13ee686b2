"""The answers of the synthetic market, against every rule computed again from nothing but the vendor's replies."""

import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from statistics import median
from typing import Any

import numpy as np
import pytest

from tests.fake_polygon import DEFAULT_UNIVERSE, Plan, SyntheticMarket, Vendor, made_up_tickers
from tests.fake_polygon.sessions import new_york_date, sessions_between

Found = dict[str, set[tuple[str, date]]]
REQUIRED = ("o", "h", "l", "c", "v")
FIRST, LAST = date(2023, 1, 3), date(2025, 3, 31)


def replied(vendor: Vendor, path: str, **query: str) -> Any:
    reply = vendor.answer(path, query, "Bearer key")
    assert reply.status == 200
    return json.loads(reply.body.plain(reply.end))


def range_rows(vendor: Vendor, ticker: str) -> list[dict[str, Any]]:
    path = f"/v2/aggs/ticker/{ticker}/range/1/day/{FIRST}/{LAST}"
    rows: list[dict[str, Any]] = replied(vendor, path, adjusted="false", limit="50000").get("results", [])
    for row in rows:
        row["session"] = new_york_date(datetime.fromtimestamp(row["t"] / 1000, UTC))
    return rows


def actions(vendor: Vendor, ticker: str) -> tuple[dict[date, float], dict[date, float]]:
    splits = replied(vendor, "/v3/reference/splits", ticker=ticker, limit="1000").get("results", [])
    dividends = replied(vendor, "/v3/reference/dividends", ticker=ticker, limit="1000").get("results", [])
    return (
        {date.fromisoformat(s["execution_date"]): s["split_from"] / s["split_to"] for s in splits},
        {date.fromisoformat(d["ex_dividend_date"]): d["cash_amount"] for d in dividends},
    )


def judged_rows(ticker: str, rows: list[dict[str, Any]], sessions: set[date], found: Found) -> list[dict[str, Any]]:
    """Set aside the rows that cannot be bars, and return the others, one for each session."""
    bars: dict[date, dict[str, Any]] = {}
    for row in rows:
        session = row["session"]
        if session not in sessions:
            found["non_session"].add((ticker, session))
        elif any(name not in row for name in REQUIRED):
            found["missing_field"].add((ticker, session))
        elif any(row[name] is None for name in REQUIRED):
            found["null_field"].add((ticker, session))
        elif session in bars:
            found["duplicate_row"].add((ticker, session))
        else:
            bars[session] = row
    return list(bars.values())


def judge_bar(ticker: str, bar: dict[str, Any], found: Found) -> None:
    o, h, low, c, v = (bar[name] for name in REQUIRED)
    broken = {
        "high_brackets": h < max(o, c) or h < low,
        "low_brackets": low > min(o, c),
        "prices_positive": min(o, h, low, c) <= 0,
        "volume_not_negative": v < 0,
        "move_bounded": abs(c / o - 1) > 5,
    }
    for kind, is_broken in broken.items():
        if is_broken:
            found[kind].add((ticker, bar["session"]))


def judge_series(
    ticker: str, bars: list[dict[str, Any]], splits: dict[date, float], dividends: dict[date, float], found: Found
) -> None:
    raw: list[float] = []
    in_new_shares: list[float] = []
    for before, bar in zip([None, *bars], bars, strict=False):
        session = bar["session"]
        if session in splits or session in dividends:
            found["corporate_action"].add((ticker, session))
        factor = splits.get(session, 1.0)
        if before is not None:
            expected = (before["c"] - dividends.get(session, 0.0)) * factor
            if abs(bar["o"] / expected - 1) > 0.1:
                found["large_gap"].add((ticker, session))
        in_new_shares = [v / factor for v in in_new_shares]
        for history, kind in ((raw, "raw_volume"), (in_new_shares, "volume_anomaly")):
            if history and not 0.1 <= bar["v"] / median(history[-20:]) <= 10:
                found[kind].add((ticker, session))
            history.append(bar["v"])


@pytest.mark.parametrize("seed", [7, 20261122])
def test_every_fault_is_in_the_answers_and_nothing_else_is(seed: int) -> None:
    market = SyntheticMarket(seed, (*SyntheticMarket(seed, last=LAST).symbols(), *made_up_tickers(6)), FIRST, last=LAST)
    vendor = Vendor(market, key="key", plan=Plan())
    sessions = sessions_between(FIRST, LAST)
    found: Found = defaultdict(set)
    for ticker in market.symbols():
        rows = range_rows(vendor, ticker)
        bars = judged_rows(ticker, rows, set(sessions), found)
        published = {row["session"] for row in rows}
        listed = [s for s in sessions if min(published) <= s <= max(published)]
        found["no_row"] |= {(ticker, s) for s in listed if s not in published}
        for bar in bars:
            judge_bar(ticker, bar, found)
        judge_series(ticker, bars, *actions(vendor, ticker), found)
    answers = market.answers
    raw, absent = found.pop("raw_volume"), found.pop("no_row")
    assert raw == answers.of("volume_anomaly", "split_volume")
    assert absent == answers.of("hole", "halt")
    # A split or dividend of a session whose row cannot be a bar is true of the row all the same.
    kinds = {fact.kind for fact in answers.facts} - {"split_volume", "hole", "halt"}
    assert kinds == set(found)
    for kind in kinds:
        assert found[kind] == answers.of(kind), kind


@pytest.mark.parametrize("seed", range(1, 6))
def test_half_a_year_of_the_default_universe_alone_shows_every_kind_of_fault(seed: int) -> None:
    market = SyntheticMarket(seed, DEFAULT_UNIVERSE, date(2024, 1, 2), last=date(2024, 7, 12))
    kinds = Counter(fact.kind for fact in market.answers.facts)
    rules = {"high_brackets", "low_brackets", "prices_positive", "volume_not_negative", "move_bounded"}
    rejected = {"missing_field", "null_field", "non_session", "duplicate_row"}
    assert rules | rejected | {"large_gap", "volume_anomaly", "corporate_action", "hole", "halt"} <= set(kinds)
    assert market.answers.restatements
    special = [d for d in market.answers.dividends if d.dividend_type == "SC"]
    assert special
    assert {s.split_to / s.split_from for s in market.answers.splits} >= {4.0, 3.0, 2.0, 0.25}


def test_the_special_tickers_carry_the_intended_splits_and_dividend() -> None:
    market = SyntheticMarket(7, first=date(2024, 1, 2), last=date(2024, 7, 12))
    ratios = defaultdict(set)
    for split in market.answers.splits:
        ratios[split.ticker].add((split.split_from, split.split_to))
    assert ratios["TENX"] == {(1, 10)}
    assert ratios["RVSX"] == {(10, 1), (8, 1)}
    assert (2, 3) in ratios["FRAC"]
    assert "CNCL" not in ratios
    assert len({s for t, s in market.answers.of("split_volume") if t == "TENX"}) == 10
    assert len({s for t, s in market.answers.of("halt") if t == "HLTD"}) == 15
    assert market.answers.test_tickers == {"ZVZZT", "ZXZZT"}
    paid = next(d for d in market.answers.dividends if d.ticker == "SPCL")
    bars = market.bars("SPCL", datetime(2100, 1, 1, tzinfo=UTC))
    at = int(np.searchsorted(bars.sessions, np.datetime64(paid.ex_dividend_date, "D")))
    assert bars.open[at] / bars.close[at - 1] - 1 < -0.1
    assert ("SPCL", paid.ex_dividend_date) not in market.answers.of("large_gap")
