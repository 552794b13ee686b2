"""The payload: one HTTP response of a vendor, byte for byte, with the request that it answers.

This is the vocabulary in which ingest and project speak of vendors' answers; it knows neither of them.
"""

import datetime as dt
import uuid
from enum import StrEnum

import msgspec


class Endpoint(StrEnum):
    """What can be asked of a vendor, whatever its paths are called; and what a person decided, asked of nobody."""

    RANGE = "range"
    GROUPED = "grouped"
    SPLITS = "splits"
    DIVIDENDS = "dividends"
    TICKERS = "tickers"
    TICKER_EVENTS = "ticker_events"
    HOLIDAYS = "holidays"
    DECISION = "decision"


class Transfer(StrEnum):
    """How the bytes of a response came over: all of them, fewer than promised, or not decodable."""

    COMPLETE = "complete"
    CUT_SHORT = "cut_short"
    BROKEN_ENCODING = "broken_encoding"


class Request(msgspec.Struct, frozen=True):
    """What is asked of a vendor. `target` is path and sorted query, without host and without any secret."""

    endpoint: Endpoint
    target: str
    ticker: str | None = None
    from_date: dt.date | None = None
    to_date: dt.date | None = None


class Response(msgspec.Struct, frozen=True):
    """What came back, before it is archived. `source` is whose format the body has: `polygon`, `massive_flat` for the
    same vendor's files, or `operator` for what a person decided. `body` is what HTTP content decoding gives, or the
    bytes as they came where `transfer` says that they do not decode; a file's are always as they came. `fetched_at` is
    the UTC instant of the last byte."""

    source: str
    request: Request
    fetched_at: dt.datetime
    http_status: int
    headers: list[tuple[str, str]]
    transfer: Transfer
    body: bytes


class Payload(msgspec.Struct, frozen=True):
    """A response that is in the archive, under its position in commit order."""

    archive_seq: int
    run_id: uuid.UUID
    response: Response
    body_sha256: bytes
    stored_bytes: int
