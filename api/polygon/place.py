"""The order of a list of splits or dividends, and the place in it at which a page ended."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from api.cursor import decode_cursor, encode_cursor

_TYPES = (float, str, dt.date, str)


class Order(Struct, frozen=True):
    """The list `of`, sorted by a field; what is equal in it stands by ticker, date and id."""

    of: str
    field: str
    descending: bool

    @classmethod
    def parse(cls, of: str, text: str) -> "Order":
        """Return the order that `field.asc` or `field.desc` asks for."""
        field, _, direction = text.partition(".")
        return cls(of, field, direction == "desc")

    @property
    def sign(self) -> int:
        """What the field is multiplied by so that the list goes upwards."""
        return -1 if self.descending else 1

    def place(self, cursor: str | None) -> tuple[Any, ...]:
        """Return rank, ticker, date and id of the row after which a page begins, None each for the first page."""
        return (None,) * len(_TYPES) if cursor is None else decode_cursor(cursor, _TYPES, of=self._name)

    def cursor(self, row: Mapping[str, Any], date_field: str) -> str:
        """Return the cursor of the page after a row."""
        return encode_cursor(row["rank"], row["ticker"], row[date_field], row["vendor_id"], of=self._name)

    @property
    def _name(self) -> str:
        return f"{self.of} {self.field} {self.sign}"


class Page(Struct, frozen=True):
    """The rows of a page, and the cursor of the next one, None on the last."""

    rows: list[Mapping[str, Any]]
    following: str | None


def page_of(found: list[Mapping[str, Any]], limit: int, order: Order, date_field: str) -> Page:
    """Return the page that begins `found`, which has one row more where another page follows."""
    rows = found[:limit]
    return Page(rows, order.cursor(rows[-1], date_field) if len(found) > limit else None)
