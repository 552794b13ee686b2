"""The rejection: a raw row that cannot be a bar, a split or a dividend, kept with every reason."""

import datetime as dt
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec


class Reason(StrEnum):
    """Why a row is rejected. `missing_…` and `not_a_number_…` are completed by the name of the field."""

    MISSING = "missing_"
    NOT_A_NUMBER = "not_a_number_"
    NOT_AN_OBJECT = "not_an_object"
    NOT_A_DATE = "not_a_date"
    TIME_UNKNOWN = "time_unknown"
    OUTSIDE_RANGE = "outside_range"
    NOT_A_SESSION = "not_a_session"
    DUPLICATE_KEY = "duplicate_key"
    OTHER_TICKER = "other_ticker"
    CONTROL_IN_TICKER = "control_in_ticker"
    TEST_TICKER = "test_ticker"
    NOT_POSITIVE = "not_positive_"
    UNDECODABLE_PAYLOAD = "undecodable_payload"


class Rejection(msgspec.Struct, frozen=True):
    """A rejected row: where it stands in which payload, and every reason; `row_text` is the row as sent."""

    archive_seq: int
    row_index: int
    ticker: str | None
    session: dt.date | None
    reasons: tuple[str, ...]
    row_text: str


def rejection_from(row: Mapping[str, Any]) -> Rejection:
    """Return a row of the rejection table as a record."""
    return Rejection(**{**row, "reasons": tuple(row["reasons"])})


def printable(text: str) -> str:
    """Return a text as a table can hold it, with control characters escaped as in JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1] if has_control(text) else text


def has_control(text: str) -> bool:
    """Tell whether a text holds a control character, or is not one word of printable ASCII."""
    return not (text.isascii() and text.isprintable() and text and " " not in text)
