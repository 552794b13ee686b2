"""Splits and dividends over HTTP: what is believed, what was believed, and what is made of each version."""

import datetime as dt
from typing import Any

import asyncpg

from sql.connect import Role, open_pool
from tests.api.records.archived import DAY, DIVIDENDS, DIVIDENDS_LATER, HOUR, NEXT_DAY, SPLITS, SPLITS_LATER
from tests.api.served import Client
from tests.payloads import FETCHED_AT


def _at(hours: float) -> str:
    return f"{FETCHED_AT + hours * HOUR:%Y-%m-%dT%H:%M:%SZ}"


async def _rows(client: Client, target: str) -> list[dict[str, Any]]:
    answer = await client.ask(f"/api/v1/{target}")
    assert answer.status == 200, answer.body
    rows: list[dict[str, Any]] = answer.json[target.partition("?")[0]]
    return rows


async def test_a_split_is_told_as_stated_and_as_applied(records: Client) -> None:
    (row,) = await _rows(records, "splits")
    assert row == {
        "symbol": "SPLT",
        "ex_date": str(NEXT_DAY),
        "split_from": 1.0,
        "split_to": 2.0,
        "adjustment_type": None,
        "vendor_id": "S1",
        "applied_on": str(NEXT_DAY),
        "price_factor": 0.5,
        "volume_factor": 2.0,
        "move": None,
        "vendor_factor": None,
        "flags": ["unchecked"],
        "archive_seq": SPLITS,
        "known_from": _at(3),
        "known_to": None,
        "ended_by": None,
    }


async def test_a_withdrawn_split_is_told_of_the_time_when_it_was_believed(records: Client) -> None:
    assert [row["symbol"] for row in await _rows(records, f"splits?known_at={_at(2.9)}")] == []
    assert [row["symbol"] for row in await _rows(records, f"splits?known_at={_at(3)}")] == ["GONE", "SPLT"]
    assert [row["symbol"] for row in await _rows(records, f"splits?known_at={_at(4.9)}")] == ["GONE", "SPLT"]
    assert [row["symbol"] for row in await _rows(records, f"splits?known_at={_at(5)}")] == ["SPLT"]
    withdrawn, stands = await _rows(records, "splits?history=true")
    assert (withdrawn["known_from"], withdrawn["known_to"], withdrawn["ended_by"]) == (_at(3), _at(5), SPLITS_LATER)
    assert (stands["known_to"], stands["ended_by"]) == (None, None)


async def test_a_restated_dividend_has_its_versions(records: Client) -> None:
    (now,) = await _rows(records, "dividends?symbol=AAPL")
    assert (now["cash_amount"], now["archive_seq"], now["ex_date"]) == (0.75, DIVIDENDS_LATER, str(DAY))
    (before,) = await _rows(records, f"dividends?symbol=AAPL&known_at={_at(4)}")
    assert (before["cash_amount"], before["archive_seq"]) == (0.5, DIVIDENDS)
    versions = await _rows(records, "dividends?symbol=AAPL&history=true")
    assert versions == [before, now]
    assert (before["known_to"], before["ended_by"]) == (_at(6), DIVIDENDS_LATER)


async def test_every_version_has_what_became_of_it(records: Client, records_url: str) -> None:
    async with open_pool(records_url, Role.READ, size=1) as pool:
        factors: list[asyncpg.Record] = await pool.fetch("SELECT * FROM projection.factor")
    made = {(row["kind"], row["ticker"], row["vendor_id"], row["archive_seq"]): row for row in factors}
    told = {
        (kind, row["symbol"], row["vendor_id"], row["archive_seq"]): row
        for kind in ("split", "dividend")
        for row in await _rows(records, f"{kind}s?history=true")
    }
    assert told.keys() == made.keys()
    for key, row in told.items():
        for name in ("price_factor", "volume_factor", "move", "flags", "vendor_factor"):
            assert row[name] == made[key][name], (key, name)
        assert row["applied_on"] == (None if made[key]["applied_on"] is None else str(made[key]["applied_on"]))
    assert any(row["price_factor"] not in (None, 1.0) for key, row in told.items() if key[0] == "dividend")


async def test_ex_dates_bound_the_range_inclusively(records: Client) -> None:
    everything = await _rows(records, "dividends")
    for day in {row["ex_date"] for row in everything}:
        rows = await _rows(records, f"dividends?start={day}&end={day}")
        assert rows == [row for row in everything if row["ex_date"] == day]


async def test_the_history_as_of_an_instant_has_what_was_stated_by_then(records: Client) -> None:
    for hours, amounts in ((3.9, []), (4, [0.5]), (5.9, [0.5]), (6, [0.5, 0.75])):
        rows = await _rows(records, f"dividends?symbol=AAPL&history=true&known_at={_at(hours)}")
        assert [row["cash_amount"] for row in rows] == amounts, hours


async def test_an_instant_that_is_none_is_refused(records: Client) -> None:
    for known_at in ("yesterday", "2024-07-01", "2024-07-01T12:00:00", "0001-01-01T00:00:00%2B14:00", "1719835200"):
        refusal = (await records.ask(f"/api/v1/splits?known_at={known_at}")).refusal()
        assert refusal.parameter == "known_at", known_at
    first = dt.datetime.min.replace(tzinfo=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)
    assert (await records.ask(f"/api/v1/splits?known_at={first}")).json["count"] == 0
