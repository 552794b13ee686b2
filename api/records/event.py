"""What splits and dividends have in common: what they are asked for with, which versions are meant, what is made of
them.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

import asyncpg
from msgspec import Meta, Struct

from api.cursor import Cursor
from api.params import FirstDate, Instant, LastDate, Symbol, require_order
from api.records.page import Direction, Limit
from sql import load_queries

_WHAT_BECAME = load_queries("api_records.sql")["what_became_of"]

AppliedOn = Annotated[
    dt.date | None,
    Meta(description="The session before which bars are restated by it; null: not applied, the flags say why."),
]
Flags = Annotated[
    list[str],
    Meta(
        description="What is remarkable: unchecked, dated_off, contradicted, absurd_ratio, absurd_amount, duplicate, "
        "conflicting, foreign_currency, vendor_factor_differs."
    ),
]
Move = Annotated[
    float | None,
    Meta(description="Open of the first bar from the ex-date on / the close before it, as traded; null without both."),
]
VendorFactor = Annotated[
    float | None,
    Meta(description="What the vendor's own adjustment multiplies prices before by; null where it did not say."),
]
StatedBy = Annotated[int, Meta(description="The payload that said so: /api/v1/payloads/{seq}.")]
KnownFrom = Annotated[dt.datetime, Meta(description="When that payload was fetched.")]
KnownTo = Annotated[
    dt.datetime | None, Meta(description="When it was restated or withdrawn; null while it is believed.")
]
EndedBy = Annotated[int | None, Meta(description="The payload that restated or withdrew it.")]


class EventParams(Struct, frozen=True, kw_only=True):
    """Which splits or dividends are asked for."""

    symbol: Symbol | None = None
    start: FirstDate | None = None
    end: LastDate | None = None
    known_at: Annotated[Instant, Meta(description="What was believed at this instant; without it, now.")] | None = None
    history: Annotated[bool, Meta(description="Every version that was stated by then, those that ended too.")] = False
    order: Annotated[Direction, Meta(description="By ex-date, the earliest first or the latest first.")] = "asc"
    limit: Limit = 1000
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse a range that ends before it starts."""
        require_order(self.start, self.end)


class Became(Struct, frozen=True):
    """What is made of one version."""

    applied_on: dt.date | None
    price_factor: float | None
    volume_factor: float
    move: float | None
    flags: list[str]


async def read_became(connection: asyncpg.Connection, kind: str, versions: Sequence[asyncpg.Record]) -> list[Became]:
    """Return what is made of each of these rows of the table of splits or of dividends."""
    keys = [(row["ticker"], row["vendor_id"], row["archive_seq"]) for row in versions]
    found = {
        (row["ticker"], row["vendor_id"], row["archive_seq"]): row
        for row in await connection.fetch(_WHAT_BECAME, kind, *map(list, zip(*keys, strict=True) if keys else [[]] * 3))
    }
    return [Became(*(found[key][name] for name in Became.__struct_fields__)) for key in keys]
