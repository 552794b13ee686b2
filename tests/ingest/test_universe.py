"""Symbols as a person writes them."""

from pathlib import Path

import pytest

from ingest.errors import IngestError, InvalidSymbol
from ingest.universe import WHOLE_MARKET, parse_universe, read_universe


def test_symbols_keep_their_case_and_order_and_stand_once() -> None:
    assert parse_universe("MSFT, BCpC,BCPC,MSFT").symbols == ("MSFT", "BCpC", "BCPC")


def test_all_is_the_whole_market_and_ALL_is_a_company() -> None:
    assert parse_universe("all") == WHOLE_MARKET
    assert parse_universe("ALL").symbols == ("ALL",)
    assert parse_universe("all,AAPL").symbols == ("all", "AAPL")


@pytest.mark.parametrize("symbol", ["", " ", "A B", "A/B", "A\x00", "A\n", "..", "../x", "Ä", "A" * 33, "A?b=1", "%41"])
def test_a_symbol_that_cannot_be_asked_for_is_named(symbol: str) -> None:
    with pytest.raises(InvalidSymbol) as caught:
        parse_universe(f"AAPL,{symbol},MSFT")
    assert repr(caught.value.symbol) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("symbol", ["BRK.B", "BCpC", "AAPL", "X:BTCUSD", "BF-B", "A"])
def test_real_symbols_are_accepted(symbol: str) -> None:
    assert parse_universe(symbol).symbols == (symbol,)


def test_a_file_has_one_symbol_a_line_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "universe.txt"
    file.write_text("# mine\nAAPL\n\n  MSFT  # a comment\n")
    assert read_universe(file).symbols == ("AAPL", "MSFT")
    file.write_text("all\n")
    assert read_universe(file) == WHOLE_MARKET


def test_a_file_without_symbols_or_no_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "universe.txt"
    with pytest.raises(IngestError, match="cannot be read"):
        read_universe(file)
    file.write_text("# nothing\n")
    with pytest.raises(IngestError, match="at least one symbol"):
        read_universe(file)
