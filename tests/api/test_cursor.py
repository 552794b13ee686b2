"""Cursors: what was put in comes out again, and nothing that was not made for a list is taken for a place in it."""

import base64
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cursor import decode_cursor, encode_cursor
from api.errors import InvalidParameter

_BIGINTS = st.integers(-(2**63), 2**63 - 1)
_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_INSTANTS = st.datetimes(timezones=st.just(dt.UTC))
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_TYPES = (dt.date, str, int, dt.datetime, str | None, float)
_KEY = (dt.date(2024, 1, 2), "BCpC", 7, dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC), None, 0.1)


@given(st.tuples(st.dates(), _TEXTS, _BIGINTS, _INSTANTS, st.none() | _TEXTS, _FLOATS))
def test_a_key_comes_back_as_it_was(key: tuple[Any, ...]) -> None:
    assert decode_cursor(encode_cursor(*key, of="list"), _TYPES, of="list") == key


def test_an_instant_means_the_same_place_in_whatever_zone_it_was() -> None:
    there = dt.datetime(2024, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    cursor = encode_cursor(there, of="list")
    assert cursor == encode_cursor(there.astimezone(dt.UTC), of="list")
    assert decode_cursor(cursor, (dt.datetime,), of="list") == (there,)


def _raw(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


_GOOD = encode_cursor(*_KEY, of="list")


@pytest.mark.parametrize(
    ("cursor", "types"),
    [
        ("", _TYPES),
        ("x", _TYPES),
        ("é", _TYPES),
        ("../../etc/passwd", _TYPES),
        ("' OR 1=1 --", _TYPES),
        (_GOOD[:-1], _TYPES),
        (_GOOD + "A", _TYPES),
        (_GOOD + "=", _TYPES),
        (" " + _GOOD, _TYPES),
        (_GOOD, _TYPES[:-1]),
        (_GOOD, (int, *_TYPES[1:])),
        (encode_cursor(*_KEY, of="another list"), _TYPES),
        (_raw('["list", 7]'), (int,)),
        (_raw('["list",99999999999999999999]'), (int,)),
        (_raw('["list","a\\u0000"]'), (str,)),
        (_raw('["list","\\ud800"]'), (str,)),
        (_raw('["list",1e999]'), (float,)),
        (_raw('["list","2024-01-02T03:00:00"]'), (dt.datetime,)),
        (_raw('["list","0001-01-01T00:00:00+14:00"]'), (dt.datetime,)),
        (_raw('["list","2024-02-30"]'), (dt.date,)),
        (_raw("[" * 5000), (int,)),
    ],
)
def test_what_is_no_cursor_of_the_list_is_refused(cursor: str, types: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidParameter, match="must be the next_cursor of an answer of this route") as caught:
        decode_cursor(cursor, types, of="list")
    assert caught.value.parameter == "cursor"


@given(st.text(max_size=60))
def test_no_text_does_more_than_to_be_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        decode_cursor(text, _TYPES, of="list")
