"""The watch: look, tell what is new, say to another machine that all is well. It is called by the hour.

A box that is dead calls nobody, so the heartbeat goes to somebody who notices when it stays away.
"""

import datetime as dt
import platform
from collections.abc import Sequence
from pathlib import Path

from api.watch.check import Check, passed
from ops.watch.alert import BETWEEN_TRIES, Message, Wait, beat, tell
from ops.watch.errors import NobodyToTell, NotTold, StateNotKept
from ops.watch.settings import AlertSettings
from ops.watch.told import News, find_news, one_watch_at_a_time, read_told, write_told
from sql.connect import address
from sql.settings import DatabaseSettings


async def announce(
    checks: Sequence[Check],
    settings: AlertSettings,
    database: DatabaseSettings,
    told: Path,
    now: dt.datetime,
    wait: Wait = BETWEEN_TRIES,
    heard: str | None = None,
) -> None:
    """Tell what is new in these checks, and call the heartbeat where all is well; `heard` is a unit that just ended.

    Raises: NotTold, also where it cannot be remembered what was told.
    """
    with one_watch_at_a_time(told):
        news = find_news(read_told(told), checks, now, heard)
        failures: list[str] = []
        delivered = 0
        if settings.tells and (news.to_tell or news.over):
            delivered, failures = await tell(settings, _message(news, database, now), wait)
        if passed(checks) and settings.heartbeat is not None:
            unheard = await beat(settings.heartbeat, wait)
            failures += [] if unheard is None else [unheard]
        try:
            write_told(told, news.when_told(now) if delivered else news.going_on)
        except StateNotKept as exc:
            failures.append(str(exc))
    if failures:
        raise NotTold(failures)


async def send_test(settings: AlertSettings, database: DatabaseSettings, now: dt.datetime) -> int:
    """Send a message that says it is a test; return how many were told.

    Raises: NobodyToTell; NotTold.
    """
    if not settings.tells:
        raise NobodyToTell
    text = f"{_where(database)}: this is a test; alerts of the warehouse will arrive here"
    delivered, failures = await tell(settings, _told(text, database, now, test=True))
    if failures:
        raise NotTold(failures)
    return delivered


def _message(news: News, database: DatabaseSettings, now: dt.datetime) -> Message:
    lines = [f"{check.name}: {check.message}. Do: {check.todo}" for check in news.to_tell]
    lines += [f"{name}: over, it is well again" for name in news.over]
    text = f"{_where(database)}: " + "\n".join(lines)
    return _told(text, database, now, troubles=news.to_tell, over=news.over)


def _told(
    text: str,
    database: DatabaseSettings,
    now: dt.datetime,
    *,
    troubles: tuple[Check, ...] = (),
    over: tuple[str, ...] = (),
    test: bool = False,
) -> Message:
    return Message(text, platform.node(), _place(database), now, troubles, over, test)


def _where(database: DatabaseSettings) -> str:
    return f"market data warehouse on {platform.node()} ({_place(database)})"


def _place(database: DatabaseSettings) -> str:
    return "embedded" if database.url is None else address(database.url)
