"""The service of nights: one at once, then one at every ring of the alarm, until it is asked to stop.

A night that fails is one line in the log and is tried again after growing waits, until the next night comes. It keeps
no list of what was missed: that is in the archive. It knows no vendor and no database.
"""

import datetime as dt
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ingest.errors import AnotherRunUnderWay
from ingest.night.night import Night
from ingest.night.schedule import NEW_YORK, Alarm, wait_after
from ingest.night.stop import NightStop
from ingest.stop import StopRequested
from sql.errors import WarehouseError

_LOG = logging.getLogger("ingest")
_WAIT_FOR_ANOTHER = dt.timedelta(minutes=5)


class Tried(msgspec.Struct, frozen=True):
    """How a try of a night went: its line in the log, whether another one before the next night may bring more, and
    whether it was only another process that stood in the way."""

    level: int
    event: str
    facts: dict[str, Any]
    again: bool = False
    in_the_way: bool = False


async def serve_nights(
    night: Callable[[], Awaitable[Night]], alarm: Alarm, stop: NightStop, now: Callable[[], dt.datetime]
) -> None:
    """Try a night at once and then whenever the alarm rings; return when asked to stop.

    After a failure the next try comes a quarter of an hour later, after each further one twice as late, or with the
    next night; after a refused key only then. Another run is waited for.
    """
    failures = 0
    _LOG.info("ingest.serving", extra={"next_night": alarm.next_night.isoformat(timespec="seconds")})
    try:
        while True:
            stop.check()
            tried = await _try(night)
            stop.check()
            failures += tried.again and not tried.in_the_way
            wait = _WAIT_FOR_ANOTHER if tried.in_the_way else wait_after(max(failures, 1))
            again_at = (now() + wait).astimezone(NEW_YORK)
            following = again_at if tried.again and alarm.ring_at(again_at) else alarm.next_night
            _LOG.log(tried.level, tried.event, extra=tried.facts | {"next": following.isoformat(timespec="seconds")})
            if await stop.unless_asked(alarm.wait()):
                failures = 0
    except StopRequested:
        _LOG.info("ingest.serve_stopped", extra={"by": stop.why})


async def _try(night: Callable[[], Awaitable[Night]]) -> Tried:
    try:
        return _tried(await night())
    except AnotherRunUnderWay as exc:
        return Tried(logging.INFO, "ingest.night_waits", {"caused_by": str(exc)}, again=True, in_the_way=True)
    except WarehouseError as exc:
        return _failed(str(exc))
    except Exception as exc:
        _LOG.exception("ingest.unforeseen")
        return _failed(f"{type(exc).__name__}, see above")


def _tried(night: Night) -> Tried:
    if night.errors:
        return _failed("; ".join(map(str, night.errors)), again=night.may_get_better())
    report, projected = night.report, night.projected or {}
    assert report is not None
    facts: dict[str, Any] = {"bars": projected.get("bars"), "last_session": projected.get("last_session")}
    if not report.planned:
        return Tried(logging.INFO, "ingest.nothing_to_fetch", facts)
    facts |= {"requests": report.requests, "body_bytes": report.body_bytes, "left_to_ask": report.left_to_ask}
    return Tried(logging.INFO, "ingest.night_done", facts, again=night.may_get_better())


def _failed(why: str, *, again: bool = True) -> Tried:
    return Tried(logging.ERROR, "ingest.night_failed", {"caused_by": why}, again)
