"""The official clients ask for splits and dividends, by the older routes and the newer ones."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.market import TODAY, june
from tests.api.polygon.conftest import BAD_RESPONSE, Vendor
from tests.api.polygon.known import ALL_SPLITS, DIVIDENDS

# Sorted as the routes do where nobody asks: by date, newest first, then by ticker and id.
SPLITS = sorted(
    [
        *((split.ticker, split.vendor_id, split.ex_date, split.split_from, split.split_to) for split in ALL_SPLITS),
        ("BCPC", "P-SHARES", dt.date(2005, 1, 20), 2.0, 3.0),
    ],
    key=lambda split: (-split[2].toordinal(), split[0], split[1]),
)
ALL_IDS = [split[1] for split in SPLITS]
NEWEST_DIVIDENDS = ["D-3", "D-2", "D-7", "D-1", "D-6", "D-4", "D-5"]


async def test_every_split_that_is_believed_and_no_other(vendor: Vendor) -> None:
    splits = await vendor.call(lambda client: [vars(split) for split in client.list_splits()])
    assert splits == [
        {
            "ticker": ticker,
            "id": vendor_id,
            "execution_date": str(date),
            "split_from": split_from,
            "split_to": split_to,
        }
        for ticker, vendor_id, date, split_from, split_to in SPLITS
    ]


@pytest.mark.parametrize(
    "how", [{}, *({"sort": s, "order": o} for s in ("ticker", "execution_date") for o in ("asc", "desc"))]
)
@pytest.mark.parametrize("limit", [1, 2, 3, 8])
async def test_splits_come_in_pages(vendor: Vendor, how: Mapping[str, str], limit: int) -> None:
    splits = await vendor.call(lambda client: list(client.list_splits(limit=limit, **how)))
    down = how.get("order") == "desc"
    by_date = sorted(SPLITS, key=lambda split: (split[2].toordinal() * (-1 if down else 1), split[0], split[1]))
    by_ticker = sorted(sorted(SPLITS, key=lambda split: (split[2], split[1])), key=lambda s: s[0], reverse=down)
    expected = {"ticker": by_ticker, "execution_date": by_date}.get(how.get("sort", ""), SPLITS)
    assert [split.id for split in splits] == [split[1] for split in expected]


@pytest.mark.parametrize(
    ("how", "ids"),
    [
        ({"ticker": "AAPL"}, ["P-AAPL-4", "P-AAPL-7"]),
        ({"ticker": "aapl"}, []),
        ({"execution_date": "2014-06-09"}, ["P-AAPL-7", "P-SEVN-7", "P-SEVN-7-again"]),
        ({"execution_date": june(9), "ticker": "AAPL"}, ["P-AAPL-7"]),
        ({"execution_date_gte": "2019-01-02"}, ["P-SOON-2", "P-AAPL-4", "P-REVS"]),
        ({"execution_date_gt": "2019-01-02"}, ["P-SOON-2", "P-AAPL-4"]),
        ({"execution_date_gt": "2019-01-02", "execution_date_lte": "2020-08-31"}, ["P-AAPL-4"]),
        ({"execution_date_gt": "2019-01-02", "execution_date_lt": "2020-08-31"}, []),
        ({"execution_date_lt": "2014-06-09"}, ["P-SHARES"]),
        ({"execution_date_lt": "0001-01-01"}, []),
        ({"execution_date_gt": "9999-12-31"}, []),
        ({"reverse_split": True}, ["P-REVS"]),
        (
            {"reverse_split": False, "ticker_gte": "LONG", "ticker_lt": "SOON"},
            ["P-LONG-2", "P-SEVN-7", "P-SEVN-7-again"],
        ),
        ({"ticker_gt": "SEVN"}, ["P-SOON-2"]),
        ({"ticker_gte": "SEVN", "ticker_lte": "SEVN"}, ["P-SEVN-7", "P-SEVN-7-again"]),
        ({"ticker_lte": "BCPC"}, ["P-AAPL-4", "P-AAPL-7", "P-SHARES"]),
    ],
    ids=str,
)
async def test_splits_are_chosen(vendor: Vendor, how: Mapping[str, Any], ids: list[str]) -> None:
    splits = await vendor.call(lambda client: list(client.list_splits(limit=2, **how)))
    assert [split.id for split in splits] == ids


async def test_newer_splits_say_what_prices_before_them_are_multiplied_by(massive_client: Vendor) -> None:
    splits = await massive_client.call(lambda client: list(client.list_stocks_splits(limit=3)))
    told = {split.id: (split.adjustment_type, split.historical_adjustment_factor) for split in splits}
    assert [split.id for split in splits] == ALL_IDS
    assert told == {
        "P-AAPL-7": ("forward_split", 1 / 28),
        "P-AAPL-4": ("forward_split", 1 / 4),
        "P-SEVN-7": ("forward_split", 1 / 7),
        # Not applied, so the factor is that of the split which is.
        "P-SEVN-7-again": ("forward_split", 1 / 7),
        "P-SOON-2": ("forward_split", None),
        "P-LONG-2": ("forward_split", 1 / 2),
        "P-REVS": ("reverse_split", 10.0),
        "P-SHARES": ("stock_dividend", 1.0),
    }


@pytest.mark.parametrize(
    ("how", "ids"),
    [
        ({"ticker_any_of": "REVS,AAPL"}, ["P-AAPL-4", "P-REVS", "P-AAPL-7"]),
        ({"ticker_any_of": ["LONG", "NONE"]}, ["P-LONG-2"]),
        ({"adjustment_type": "reverse_split"}, ["P-REVS"]),
        ({"adjustment_type_any_of": "reverse_split,stock_dividend"}, ["P-REVS", "P-SHARES"]),
        ({"ticker": "AAPL", "sort": "execution_date.asc"}, ["P-AAPL-7", "P-AAPL-4"]),
        ({"execution_date_gte": "2019-01-02", "sort": "ticker.desc"}, ["P-SOON-2", "P-REVS", "P-AAPL-4"]),
    ],
    ids=str,
)
async def test_newer_splits_are_chosen(massive_client: Vendor, how: Mapping[str, Any], ids: list[str]) -> None:
    splits = await massive_client.call(lambda client: list(client.list_stocks_splits(limit=1, **how)))
    assert [split.id for split in splits] == ids


async def test_every_dividend_that_is_believed_and_no_other(vendor: Vendor) -> None:
    dividends = await vendor.call(lambda client: [vars(dividend) for dividend in client.list_dividends()])
    types = {"D-1": "CD", "D-2": "CD", "D-3": "CD", "D-4": "SC", "D-6": "LT", "D-7": "SC"}
    names = ("currency", "declaration_date", "record_date", "pay_date", "frequency")
    by_id = {}
    for ticker, vendor_id, ex_date, cash, *facts, _kind, _factor in DIVIDENDS:
        known = dict(zip(names, facts, strict=True)) | {"dividend_type": types.get(vendor_id)}
        by_id[vendor_id] = {
            "ticker": ticker,
            "id": vendor_id,
            "ex_dividend_date": str(ex_date),
            "cash_amount": cash,
            **{name: str(v) if isinstance(v, dt.date) else v for name, v in known.items() if v is not None},
        }
    assert dividends == [by_id[vendor_id] for vendor_id in NEWEST_DIVIDENDS]


@pytest.mark.parametrize(
    ("how", "ids"),
    [
        ({"ticker": "AAPL"}, ["D-3", "D-2", "D-1"]),
        ({"ticker": "AAPL", "sort": "ex_dividend_date", "order": "asc"}, ["D-1", "D-2", "D-3"]),
        ({"dividend_type": "CD"}, ["D-3", "D-2", "D-1"]),
        ({"dividend_type": "SC"}, ["D-7", "D-4"]),
        ({"dividend_type": "ST"}, []),
        ({"frequency": 4, "ex_dividend_date_lte": TODAY}, ["D-2", "D-1"]),
        ({"frequency": 0}, ["D-7", "D-4"]),
        ({"cash_amount_gt": 0.82}, ["D-7", "D-6", "D-4"]),
        ({"cash_amount_gte": 0.82, "cash_amount_lt": 2.5}, ["D-2", "D-6"]),
        ({"cash_amount": 0.1}, ["D-5"]),
        ({"record_date_gte": "2014-08-11"}, ["D-2", "D-1"]),
        ({"declaration_date_lt": "2020-07-30"}, ["D-1"]),
        ({"pay_date": "2020-08-13"}, ["D-2"]),
        # What has no such date comes last, whichever way.
        ({"sort": "pay_date", "order": "asc"}, ["D-1", "D-2", "D-3", "D-4", "D-5", "D-6", "D-7"]),
        ({"sort": "pay_date", "order": "desc"}, ["D-2", "D-1", "D-3", "D-4", "D-5", "D-6", "D-7"]),
        ({"sort": "cash_amount", "order": "desc"}, ["D-4", "D-7", "D-6", "D-2", "D-1", "D-3", "D-5"]),
        ({"sort": "ticker", "order": "desc"}, ["D-6", "D-7", "D-4", "D-5", "D-1", "D-2", "D-3"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("limit", [1, 1000])
async def test_dividends_are_chosen_and_sorted(
    vendor: Vendor, how: Mapping[str, Any], ids: list[str], limit: int
) -> None:
    dividends = await vendor.call(lambda client: list(client.list_dividends(limit=limit, **how)))
    assert [dividend.id for dividend in dividends] == ids


async def test_newer_dividends_say_what_prices_before_them_are_multiplied_by(massive_client: Vendor) -> None:
    dividends = await massive_client.call(lambda client: list(client.list_stocks_dividends(limit=2)))
    told = {
        one.id: (one.distribution_type, one.historical_adjustment_factor, one.split_adjusted_cash_amount)
        for one in dividends
    }
    assert [dividend.id for dividend in dividends] == ["D-1", "D-2", "D-3", "D-4", "D-5", "D-6", "D-7"]
    assert told == {
        "D-1": ("recurring", pytest.approx(0.995 * 0.998), 0.47 / 4),
        "D-2": ("recurring", 0.998, 0.82 / 4),
        "D-3": ("recurring", None, 0.26),
        "D-4": ("special", 0.95, 5.0 / 2),
        "D-5": ("unknown", 0.95, 0.1 / 2),
        "D-6": ("unknown", 0.9, 1.5),
        "D-7": ("irregular", 0.9, 2.5),
    }


@pytest.mark.parametrize(
    ("how", "ids"),
    [
        ({"distribution_type": "recurring"}, ["D-1", "D-2", "D-3"]),
        ({"distribution_type": "unknown"}, ["D-5", "D-6"]),
        ({"distribution_type_any_of": "special,irregular"}, ["D-4", "D-7"]),
        ({"frequency_gte": 1, "frequency_lt": 4}, ["D-6"]),
        ({"frequency_gt": 1, "ticker_any_of": "AAPL,LONG"}, ["D-1", "D-2", "D-3"]),
        ({"sort": "ex_dividend_date.desc"}, NEWEST_DIVIDENDS),
    ],
    ids=str,
)
async def test_newer_dividends_are_chosen(massive_client: Vendor, how: Mapping[str, Any], ids: list[str]) -> None:
    dividends = await massive_client.call(lambda client: list(client.list_stocks_dividends(limit=1, **how)))
    assert [dividend.id for dividend in dividends] == ids


@pytest.mark.parametrize(
    "how", [{"limit": 1001}, {"limit": 0}, {"sort": "split_from"}, {"execution_date": "2014-13-01"}]
)
async def test_a_parameter_out_of_its_bound_is_refused(vendor: Vendor, how: Mapping[str, Any]) -> None:
    with pytest.raises(BAD_RESPONSE, match=f'"status":"ERROR".*"error":"{next(iter(how))} is '):
        await vendor.call(lambda client: list(client.list_splits(**how)))
