"""A market in a folder: read as it stands in the files, as of when it was published."""

import csv
import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fake_polygon import FolderMarket, Plan, Vendor
from tests.fake_polygon.errors import BadMarketFile, NoMarketInFolder, UnknownSymbol
from tests.fake_polygon.sessions import NEW_YORK, full_close_at

END = datetime(2100, 1, 1, tzinfo=UTC)


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{line}\n" for line in lines)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bars = "date,open,high,low,close,volume"
    write(tmp_path / "bars/BCpC.csv", bars, "2016-01-04,1,2,0.5,1.5,100", "2016-01-06,1.5,2,1,1.75,")
    write(tmp_path / "bars/BCPC.csv", bars, "2015-12-31,60,61,59,60.5,1000000")
    write(tmp_path / "splits.csv", "symbol,execution_date,split_from,split_to", "BCPC,2016-01-04,1,2")
    write(tmp_path / "dividends.csv", "symbol,ex_dividend_date,cash_amount", "BCPC,2016-01-04,0.5")
    day = "symbol,open,high,low,close,volume,adj_close,published"
    write(
        tmp_path / "grouped/2016-01-05.csv.gz",
        day,
        "A,40,41,39,40.5,500,40.5,20160105",
        "LATE,5,6,4,5.5,70,5.5,20160106",
    )
    write(
        tmp_path / "grouped_revisions.csv.gz",
        "symbol,date,first_file,rev_file,rev_open,rev_high,rev_low,rev_close,rev_volume",
        "A,2016-01-05,20160105,20160107,40,41.25,39,40.75,600",
    )
    return tmp_path


def close_of(market: FolderMarket, ticker: str, as_of: datetime) -> tuple[float | None, float | None]:
    """Return the close of 2016-01-05 by range and by date."""
    by_range = [bar.close for bar in market.bars(ticker, as_of).records() if bar.session == date(2016, 1, 5)]
    day = market.grouped(date(2016, 1, 5), as_of)
    by_date = [bar.close for t, bar in zip(day.tickers, day.bars.records(), strict=True) if t == ticker]
    return by_range[0] if by_range else None, by_date[0] if by_date else None


def test_a_file_name_is_the_ticker_case_and_all(folder: Path) -> None:
    market = FolderMarket(folder)
    assert sorted(market.symbols()) == ["BCPC", "BCpC"]
    assert [bar.close for bar in market.bars("BCpC", END).records()] == [1.5, 1.75]
    assert market.bars("BCpC", END).records()[1].volume is None
    assert [bar.close for bar in market.bars("BCPC", END).records()] == [60.5]
    assert (market.first, market.last) == (date(2015, 12, 31), date(2016, 1, 6))
    assert market.name == "folder"


def test_a_date_without_a_file_of_its_own_is_put_together_from_the_bars(folder: Path) -> None:
    market = FolderMarket(folder)
    day = market.grouped(date(2016, 1, 4), END)
    assert (list(day.tickers), day.bars.close.tolist()) == (["BCpC"], [1.5])
    assert list(market.grouped(date(2016, 1, 3), END).tickers) == []


def test_a_restated_bar_reads_as_first_published_before_its_restatement(folder: Path) -> None:
    market = FolderMarket(folder)
    second = timedelta(seconds=1)
    assert close_of(market, "A", full_close_at(date(2016, 1, 5)) - second) == (None, None)
    assert close_of(market, "A", full_close_at(date(2016, 1, 5))) == (40.5, 40.5)
    assert close_of(market, "A", full_close_at(date(2016, 1, 7)) - second) == (40.5, 40.5)
    assert close_of(market, "A", full_close_at(date(2016, 1, 7))) == (40.75, 40.75)
    assert close_of(market, "LATE", full_close_at(date(2016, 1, 6)) - second) == (None, None)
    assert close_of(market, "LATE", full_close_at(date(2016, 1, 6))) == (5.5, 5.5)


def test_symbols_choose_bar_files_and_an_unknown_one_is_named(folder: Path) -> None:
    assert FolderMarket(folder, ["BCPC"]).symbols() == ["BCPC"]
    with pytest.raises(UnknownSymbol, match=r"no bars/NOPE\.csv"):
        FolderMarket(folder, ["NOPE"])


def test_an_empty_or_missing_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(NoMarketInFolder) as caught:
            FolderMarket(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "lines", "line"),
    [
        ("bars/BCPC.csv", ("date,open,high,low,close,volume", "2016-01-04,1,2,1,1,5", "2016-01-05,1,2,one,1,5"), 3),
        ("bars/BCPC.csv", ("date,open,high,low,close,volume", "2016-13-04,1,2,1,1,5"), 2),
        ("bars/BCPC.csv", ("date,open", "2016-01-04,1"), 1),
        ("bars/BCPC.csv", ("date,open,high,low,close,volume", "2016-01-04,1,2", "2016-01-05,1,2,1,1,5"), 2),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(
    folder: Path, name: str, lines: tuple[str, ...], line: int
) -> None:
    write(folder / name, *lines)
    with pytest.raises(BadMarketFile) as caught:
        FolderMarket(folder).bars("BCPC", END)
    assert (caught.value.path, caught.value.line) == (folder / name, line)


def test_a_broken_gzip_file_is_named(folder: Path) -> None:
    (folder / "grouped/2016-01-05.csv.gz").write_bytes(b"\x1f\x8b\x08nothing")
    with pytest.raises(BadMarketFile):
        FolderMarket(folder).grouped(date(2016, 1, 5), END)
    with pytest.raises(BadMarketFile):
        FolderMarket(folder).bars("LATE", END)


def replied(vendor: Vendor, path: str, **query: str) -> Any:
    reply = vendor.answer(path, query, "Bearer key")
    return json.loads(reply.body.plain(reply.end))


@pytest.fixture(scope="module")
def real(market_data: Path) -> FolderMarket:
    return FolderMarket(market_data)


def test_a_real_range_is_the_file_and_leaves_out_what_the_file_does_not_have(
    market_data: Path, real: FolderMarket
) -> None:
    vendor = Vendor(real, key="key", plan=Plan())
    path = "/v2/aggs/ticker/AAPL/range/1/day/1980-01-01/2018-12-31"
    rows = replied(vendor, path, adjusted="false", limit="50000")["results"]
    with (market_data / "bars/AAPL.csv").open(newline="") as lines:
        expected = list(csv.DictReader(lines))
    assert [
        (
            str(datetime.fromtimestamp(row["t"] / 1000, NEW_YORK).date()),
            row["o"],
            row["h"],
            row["l"],
            row["c"],
            row["v"],
        )
        for row in rows
    ] == [
        (line["date"], *(float(line[name]) for name in ("open", "high", "low", "close", "volume"))) for line in expected
    ]
    assert {frozenset(row) for row in rows} == {frozenset("vochlt")}


def test_a_real_split_is_undone_by_default(real: FolderMarket) -> None:
    vendor = Vendor(real, key="key", plan=Plan())
    path = "/v2/aggs/ticker/AAPL/range/1/day/2014-06-06/2014-06-09"
    traded, adjusted = (replied(vendor, path, adjusted=how)["results"] for how in ("false", "true"))
    assert adjusted[0]["c"] == pytest.approx(traded[0]["c"] / 7, abs=1e-4)
    assert adjusted[0]["v"] == pytest.approx(traded[0]["v"] * 7)
    assert adjusted[1] == traded[1]


def test_real_restatements_are_first_published_and_then_revised(market_data: Path, real: FolderMarket) -> None:
    with gzip.open(market_data / "grouped_revisions.csv.gz", "rt") as lines:
        mine = [line for line in csv.DictReader(lines) if line["date"] == "2016-01-06"]
    assert mine
    for column, as_of in (("first", datetime(2016, 1, 6, 22, tzinfo=UTC)), ("rev", END)):
        day = real.grouped(date(2016, 1, 6), as_of)
        volumes = dict(zip(day.tickers, day.bars.volume.tolist(), strict=True))
        known = [line for line in mine if column == "rev" or line["first_file"] == "20160106"]
        assert {line["symbol"]: volumes[line["symbol"]] for line in known} == {
            line["symbol"]: float(line[f"{column}_volume"]) for line in known
        }
