"""The record: a small fact stated under a key, that a later payload may restate or withdraw.

Splits, dividends, listings, ticker changes and a person's overrides are records. Nothing that was stated is
forgotten: each version says since when it was believed and, once it is no longer, until when and by which payload it
was ended. This file knows no kind of record; how statements become versions is in `versions.py`.
"""

import datetime as dt
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

Key = tuple[object, ...]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What one payload states; `known_to` and `ended_by` are None while it is believed.

    `asked` is the question (path and query) that the payload answered. A kind of record names in KEY the fields that
    say what it is about, the ticker first, and in DERIVED those that are worked out and not stated; MOVES_PRICES tells
    whether bars, or what is made of them, depend on it.
    """

    KEY: ClassVar[tuple[str, ...]]
    DERIVED: ClassVar[tuple[str, ...]] = ()
    MOVES_PRICES: ClassVar[bool] = True

    archive_seq: int
    known_from: dt.datetime
    known_to: dt.datetime | None = None
    ended_by: int | None = None
    asked: str | None = None

    @property
    def key(self) -> Key:
        """What the record is about; its first part is the ticker."""
        return _values(type(self), True)(self)

    @property
    def judged_from(self) -> dt.date | None:
        """From which date on bars may be judged otherwise with it than without; None where it touches no bar."""
        return None

    @property
    def fact(self) -> tuple[object, ...]:
        """What is stated, key and all, without when and by which payload."""
        return _values(type(self), False)(self)


@cache
def _values(kind: type[Record], only_key: bool) -> Callable[[Any], Key]:
    left_out = {*Record.__struct_fields__, *kind.DERIVED}
    names = kind.KEY if only_key else [name for name in kind.__struct_fields__ if name not in left_out]
    return attrgetter(*names)


R = TypeVar("R", bound=Record)


class Statement(msgspec.Struct, Generic[R], frozen=True):
    """What one payload states of one kind of record.

    `whole` tells that it is all there is to say to `asked`, so what was said to it before and is left out is
    withdrawn; `ended` are keys of which it says outright that they hold no longer.
    """

    archive_seq: int
    known_from: dt.datetime
    asked: str
    records: tuple[R, ...]
    whole: bool = False
    ended: tuple[Key, ...] = ()
