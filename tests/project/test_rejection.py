"""Rejections: what a row was called, as a table can hold it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.rejection import has_control, printable


@pytest.mark.parametrize("name", ["AAPL", "BRK.A", "BCpC", "A", "X:BTC-USD", "ABC/WS", "~!#"])
def test_one_word_of_printable_ascii_is_a_name(name: str) -> None:
    assert not has_control(name)
    assert printable(name) == name


@pytest.mark.parametrize("name", ["", " ", "A B", "A\0", "A\n", "\x7f", "Ä", "Ａ", "A\u200b", "A\t", "A\x85"])
def test_anything_else_is_none(name: str) -> None:
    assert has_control(name)


@given(st.text())
def test_what_is_shown_can_stand_in_a_table_and_is_what_was_sent(name: str) -> None:
    shown = printable(name)
    assert "\0" not in shown
    assert not any(ord(letter) < 32 for letter in shown)


def test_two_names_that_differ_are_shown_differently() -> None:
    names = ["A\0", "A\\u0000 ", "A", "A ", "A\n"]
    assert len({printable(name) for name in names}) == len(names)
