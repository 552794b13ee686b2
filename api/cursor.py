"""Cursors: where a page ended, as one opaque word that the next request hands back.

A cursor holds the key of the last row and of which list it is one, so that a page begins after that row however many
rows have come before it since. Knows no list and no database.
"""

import base64
import binascii
import datetime as dt
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.errors import InvalidParameter

Cursor = Annotated[
    str,
    Meta(description="next_cursor of the page before; without it, the first page.", max_length=1024),
]

# What PostgreSQL can take; no key of ours is outside of it, a forged one may be.
_BIGINT = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_INSTANT = Annotated[dt.datetime, Meta(tz=True)]
_TEXT = Annotated[str, Meta(pattern=r"^[^\x00]*\Z")]
_TAKEN_AS: dict[Any, Any] = {
    int: _BIGINT,
    dt.datetime: _INSTANT,
    str: _TEXT,
    int | None: _BIGINT | None,
    dt.datetime | None: _INSTANT | None,
    str | None: _TEXT | None,
}


def encode_cursor(*key: object, of: str) -> str:
    """Return the cursor that stands for the place after a row of the list `of`, which has this key.

    A key is made of text, numbers, dates, instants and None. `of` names the list and whatever makes the key mean
    another place in it, as its order does.
    """
    return base64.urlsafe_b64encode(msgspec.json.encode((of, *map(_in_utc, key)))).rstrip(b"=").decode()


def decode_cursor(text: str, types: tuple[Any, ...], *, of: str) -> tuple[Any, ...]:
    """Return the key in a cursor of the list `of`; its parts have these types.

    Raises: InvalidParameter for what `encode_cursor` cannot have given for this list.
    """
    try:
        named, *key = _decoder(types).decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if named == of and encode_cursor(*key, of=of) == text:
            return tuple(key)
    except (binascii.Error, ValueError, OverflowError):
        pass
    raise InvalidParameter("cursor", text, "must be the next_cursor of an answer of this route, in the same order")


@cache
def _decoder(types: tuple[Any, ...]) -> msgspec.json.Decoder[tuple[Any, ...]]:
    key: Any = tuple.__class_getitem__((str, *(_TAKEN_AS.get(each, each) for each in types)))
    return msgspec.json.Decoder(key)


def _in_utc(value: object) -> object:
    return value.astimezone(dt.UTC) if isinstance(value, dt.datetime) else value
