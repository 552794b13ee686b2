"""Bars in CSV: which texts are a table of closes, and which file of a folder is a symbol's."""

import datetime as dt
import math
from pathlib import Path

import pytest

from archive.payload import Endpoint, Request, Transfer
from ingest.period import Period
from ingest.spot.csv_bars import CsvFolder, read_closes
from ingest.spot.second_source import NoSecondOpinion

TUESDAY, WEDNESDAY = dt.date(2024, 1, 2), dt.date(2024, 1, 3)
PERIOD = Period(TUESDAY, WEDNESDAY)
NOW = dt.datetime(2024, 7, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "text",
    [
        "date,open,high,low,close,volume\n2024-01-02,1,2,0.5,1.25,100\n2024-01-03,1,2,0.5,1.5,100\n",
        "Date,Close,Adj Close\n2024-01-02,1.25,1\n2024-01-03,1.5,1\n",
        "VOLUME , CLOSE,DATE\r\n100,1.25,2024-01-02\r\n100,1.5,2024-01-03",
        "\ufeffdate,close\n\n2024-01-02 00:00:00-05:00,1.25\n2024-01-03T00:00:00,1.5\n\n",
    ],
    ids=["as documented", "capitals", "another order, Windows", "byte order mark, times and empty lines"],
)
def test_closes_are_read_by_the_names_in_the_header(text: str) -> None:
    assert read_closes(text.encode()) == {TUESDAY: 1.25, WEDNESDAY: 1.5}


@pytest.mark.parametrize("cell", ["", "null", "N/A", "nan", "1,000"])
def test_a_close_that_is_no_number_is_kept_as_one_that_cannot_be_compared(cell: str) -> None:
    closes = read_closes(f'date,close\n2024-01-02,"{cell}"\n2024-01-03,1.5\n'.encode())
    assert math.isnan(closes[TUESDAY])
    assert closes[WEDNESDAY] == 1.5


def test_a_line_cut_short_has_no_close() -> None:
    assert math.isnan(read_closes(b"date,close\n2024-01-02")[TUESDAY])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "its header has no column date and no close"),
        (b"date,open\n2024-01-02,1\n", "its header has no column close"),
        (b"\x89PNG\r\n\x1a\n\x00", "its header has no column date and no close"),
        (b"date,close\n02/01/2024,1\n", "line 2: '02/01/2024' is no date"),
        (b"date,close\n\xff\x00,1\n", "line 2: '\ufffd\\x00' is no date"),
        (b"date,close\n2024-01-02,1\n2024-01-02,2\n", "line 3: 2024-01-02 stands twice"),
        (b"date,close\n" + b"9" * 200_000, "it is no CSV (field larger than field limit (131072))"),
    ],
    ids=["empty", "no close", "an image", "another date", "no text", "twice", "endless"],
)
def test_what_is_no_table_of_closes_is_no_opinion_and_says_why(body: bytes, why: str) -> None:
    with pytest.raises(NoSecondOpinion) as refusal:
        read_closes(body)
    assert refusal.value.why == why


async def test_a_file_is_archived_byte_for_byte_under_its_name(tmp_path: Path) -> None:
    body = b"date,close\r\n2024-01-02,1.250\r\n"
    (tmp_path / "BRK.B.csv").write_bytes(body)
    response = await CsvFolder(tmp_path, split_adjusted=False).fetch("BRK.B", PERIOD, lambda: NOW)
    assert response.body == body
    assert response.request == Request(Endpoint.RANGE, "/BRK.B.csv", "BRK.B", TUESDAY, WEDNESDAY)
    assert (response.source, response.fetched_at, response.transfer) == ("csv", NOW, Transfer.COMPLETE)
    assert response.headers == [("Content-Type", "text/csv")]


def test_only_a_file_that_is_spelled_like_the_symbol_is_its_file(tmp_path: Path) -> None:
    for name in ("BCpC.csv", "SPY.CSV", "MSFT.csv.gz"):
        (tmp_path / name).touch()
    (tmp_path / "DIRS.csv").mkdir()
    (tmp_path.parent / "outside.csv").touch()
    folder = CsvFolder(tmp_path, split_adjusted=False)
    assert folder.name_of("BCpC") == "BCpC.csv"
    for symbol in ("BCPC", "bcpc", "SPY", "MSFT", "DIRS", "../outside", ""):
        assert folder.name_of(symbol) is None


async def test_a_file_that_went_away_is_no_opinion(tmp_path: Path) -> None:
    (tmp_path / "GONE.csv").touch()
    folder = CsvFolder(tmp_path, split_adjusted=False)
    (tmp_path / "GONE.csv").unlink()
    with pytest.raises(NoSecondOpinion, match=r"^GONE\.csv cannot be read \(No such file or directory\)$"):
        await folder.fetch("GONE", PERIOD, lambda: NOW)
