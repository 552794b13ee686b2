"""Decisions as the archive holds them, for tests to archive without a command."""

import datetime as dt

from archive.payload import Response
from project.decide.decisions import Decision, Verb, as_response

AT = dt.datetime(2024, 7, 2, 8, 30, tzinfo=dt.UTC)


def about_bar(verb: Verb, ticker: str, session: dt.date, because: str = "checked", at: dt.datetime = AT) -> Response:
    """Return a decision on a bar."""
    return as_response(Decision(verb, ticker, session, None, because, "kim", at))


def skip(payload: int, because: str = "a test of theirs", at: dt.datetime = AT) -> Response:
    """Return a decision to skip a payload."""
    return as_response(Decision(Verb.SKIP_PAYLOAD, None, None, payload, because, "kim", at))
