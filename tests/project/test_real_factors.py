"""Real splits and dividends against real prices: each is shown where it was, and noticed where it was not."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import msgspec
import numpy as np
import pytest

from archive.calendar import exchange_calendar
from archive.payload import Endpoint, Payload, Request
from project.batch import Batch
from project.decode_actions import decode_dividends, decode_splits
from project.dividend import Dividend
from project.factors.factor import Factor, Flag, applied
from project.factors.weigh import weigh
from project.rows import BarRows, Tickers, join, sort_keys
from project.ruleset import DEFAULT_RULES, read_ruleset
from project.split import Split
from tests.fake_polygon import FakePolygon, FolderMarket
from tests.payloads import as_payload, respond
from tests.project.actions import fetched, split
from tests.project.columns import EPOCH
from tests.project.market_files import actions, bars_of, lines, symbols

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
AAPL_7_FOR_1 = dt.date(2014, 6, 9)


class _Market(msgspec.Struct, frozen=True):
    """Every real bar, split and dividend."""

    bars: BarRows
    tickers: Tickers
    splits: list[Split]
    dividends: list[Dividend]

    def weigh(self, splits: Sequence[Split]) -> list[Factor]:
        """Return the factors of splits, whatever was stated beside them."""
        return weigh(splits, [], self.bars, self.tickers)

    def sessions(self, ticker: str) -> list[dt.date]:
        """Return the dates on which a ticker has bars."""
        days = self.bars.day[self.bars.ticker == self.tickers.code(ticker)]
        return [EPOCH + dt.timedelta(days=day) for day in days.tolist()]


@pytest.fixture(scope="module")
def market(market_data: Path) -> _Market:
    """Return the market of all symbols."""
    batch = Batch(exchange_calendar(), read_ruleset(DEFAULT_RULES), {})
    answers = [*actions(market_data), *(bars_of(market_data, symbol) for symbol in symbols(market_data))]
    for seq, response in enumerate(answers, start=1):
        batch.add(as_payload(response, seq))
    rows = join(batch.bars)
    order = np.argsort(sort_keys(rows.ticker, rows.day, batch.tickers.ranks()), kind="stable")
    stated = {table: statements[0].records for table, statements in batch.statements.items()}
    return _Market(rows.take(order), batch.tickers, list(stated["split"]), list(stated["dividend"]))


def test_every_real_split_is_shown_by_the_prices_on_its_date(market: _Market) -> None:
    factors = market.weigh(market.splits)
    assert len(factors) == 30
    assert {(factor.applied_on == factor.ex_date, factor.flags) for factor in factors} == {(True, ())}


def test_the_vendors_date_of_apples_7_for_1_is_noticed(market: _Market, market_data: Path) -> None:
    """Recorded from the vendor: 2014-06-10, one session late."""
    answer = msgspec.json.decode((market_data / "recorded" / "v2_splits_AAPL.json").read_bytes())
    [late] = [row for row in answer["results"] if row.get("forfactor") == 7]
    [factor] = market.weigh([split(late["tofactor"], late["forfactor"], dt.date.fromisoformat(late["exDate"]))])
    assert factor.ex_date == dt.date(2014, 6, 10)
    assert (factor.applied_on, factor.flags) == (AAPL_7_FOR_1, (Flag.DATED_OFF,))
    [right] = market.weigh([split(1, 7, AAPL_7_FOR_1)])
    assert (right.applied_on, right.flags) == (AAPL_7_FOR_1, ())
    assert right.move == pytest.approx(92.70 / 645.57)


def test_the_right_and_the_wrong_date_of_one_split_are_one_split(market: _Market) -> None:
    factors = market.weigh([split(1, 7, AAPL_7_FOR_1, name="right"), split(1, 7, dt.date(2014, 6, 10), name="late")])
    assert [factor.vendor_id for factor in applied(factors)] == ["right"]


@pytest.mark.parametrize("sessions_off", [-3, -1, 1, 3])
def test_every_real_split_stated_some_sessions_off_is_applied_where_it_was(market: _Market, sessions_off: int) -> None:
    right = {one.vendor_id: one.execution_date for one in market.splits}
    sessions = {one.ticker: market.sessions(one.ticker) for one in market.splits}
    shifted = []
    for one in market.splits:
        days = sessions[one.ticker]
        on = days[days.index(one.execution_date) + sessions_off]
        shifted.append(msgspec.structs.replace(one, execution_date=on))
    factors = market.weigh(shifted)
    assert {factor.vendor_id: factor.applied_on for factor in factors} == right
    assert {factor.flags for factor in factors} == {(Flag.DATED_OFF,)}


def test_the_splits_that_the_vendor_lacks_would_be_shown(market: _Market, market_data: Path) -> None:
    missing = [line for line in lines(market_data / "other_events.csv") if "2:1 split" in line["note"]]
    assert {line["symbol"] for line in missing} == {"KO"}
    factors = market.weigh([split(1, 2, dt.date.fromisoformat(line["date"]), ticker="KO") for line in missing])
    assert [(factor.applied_on == factor.ex_date, factor.flags) for factor in factors] == [(True, ())] * 2


@pytest.mark.parametrize(
    ("split_from", "split_to", "believed"),
    [
        (1, 20, set()),
        (10, 1, set()),
        # AAPL fell by half in a night; the splits of KO took place and are missing from the list.
        (1, 2, {("AAPL", "2000-09-29"), ("KO", "1965-02-19"), ("KO", "1968-06-03")}),
    ],
    ids=["20 for 1", "1 for 10", "2 for 1"],
)
def test_a_split_invented_for_every_session_of_every_symbol_is_believed_only_where_prices_moved_so(
    market: _Market, split_from: float, split_to: float, believed: set[tuple[str, str]]
) -> None:
    real = {(one.ticker, str(one.execution_date)) for one in market.splits}
    invented = [
        split(split_from, split_to, day, ticker=ticker, name=str(day))
        for ticker in market.tickers.names
        for day in market.sessions(ticker)
    ]
    assert len(invented) > 69_000
    checked = [factor for factor in market.weigh(invented) if Flag.UNCHECKED not in factor.flags]
    assert {(factor.ticker, str(factor.applied_on)) for factor in applied(checked)} - real == believed


def test_real_dividends_are_applied_as_stated(market: _Market) -> None:
    factors = weigh([], market.dividends, market.bars, market.tickers)
    assert len(factors) == len(market.dividends) > 600
    assert {(factor.applied_on == factor.ex_date, factor.flags) for factor in factors} == {(True, ())}
    part = {(one.ticker, str(one.ex_date)): 1 - one.price_factor for one in factors if one.price_factor is not None}
    assert len(part) == len(factors)
    # The largest by hand: 3.08 of 29.97 a share.
    assert max(part, key=lambda paid: part[paid]) == ("MSFT", "2004-11-15")
    assert part["MSFT", "2004-11-15"] == pytest.approx(3.08 / 29.97)


def test_real_restated_splits_keep_what_was_known(market: _Market) -> None:
    """The vendor first says 2014-06-10 and corrects it: what was known then was applied on the right session too."""
    wrong = split(1, 7, dt.date(2014, 6, 10), name="E", seq=1, ended_by=2)
    right = split(1, 7, AAPL_7_FOR_1, name="E", seq=2)
    factors = market.weigh([wrong, right])
    assert [(factor.applied_on, factor.known_to) for factor in factors] == [
        (AAPL_7_FOR_1, None),
        (AAPL_7_FOR_1, fetched(2)),
    ]


@pytest.mark.parametrize("page_rows", [{}, {"stocks_splits": 7, "stocks_dividends": 100}], ids=["whole", "in pages"])
async def test_the_vendors_cumulative_factors_come_to_ours(
    market: _Market, market_data: Path, page_rows: dict[str, int]
) -> None:
    """The fake vendor works its own out of the same facts, to ten decimals."""
    async with FakePolygon(FolderMarket(market_data), page_rows=page_rows) as vendor:
        splits = [
            split for page in await _pages(vendor, "/stocks/v1/splits") for split in decode_splits(page)[0].records
        ]
        dividends = [
            paid for page in await _pages(vendor, "/stocks/v1/dividends") for paid in decode_dividends(page)[0].records
        ]
    assert (len(splits), len(dividends)) == (len(market.splits), len(market.dividends))
    told = [factor for factor in weigh(splits, dividends, market.bars, market.tickers) if factor.vendor_factor]
    # What a page's end leaves open is not told.
    assert len(told) > 650 - 40 * bool(page_rows)
    assert {factor.flags for factor in told} == {()}
    assert all(factor.vendor_factor == pytest.approx(factor.price_factor, rel=1e-6) for factor in told)


async def _pages(vendor: FakePolygon, path: str) -> list[Payload]:
    pages = []
    url: str | None = f"{vendor.url}{path}?limit=5000"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {vendor.key}"}) as http:
        while url is not None:
            async with http.get(url) as answer:
                content = await answer.read()
            request = Request(Endpoint.SPLITS, url.removeprefix(vendor.url))
            pages.append(as_payload(respond(request, content, fetched_at=NOW)))
            url = msgspec.json.decode(content).get("next_url")
    return pages
