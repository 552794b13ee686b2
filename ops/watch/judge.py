"""Whether what keeps the warehouse happened and went well: the night as /fresh says, backup, drill and scrub by the
ledger.

A new warehouse has grace, counted from its first payload: a day for its first night and projection, and for the
others as long as they may be old.
"""

import datetime as dt
from collections.abc import Sequence

import msgspec

from api.errors import RefusedRequest
from api.watch.check import Check
from api.watch.facts import ArchiveFacts, Facts, ProjectionFacts
from api.watch.fresh import judge
from api.watch.safeguards import Safeguard
from api.watch.settings import WatchSettings
from ops.watch.settings import SafeguardSettings

_FIRST_DAY = dt.timedelta(days=1)
_LONGEST = 500
_TODO = {
    "backup": "run: ops backup DIR; cron or the timer should have",
    "drill": "run: ops drill DIR; cron or the timer should have",
    "scrub": "run: ops scrub; cron or the timer should have. RUNBOOK.md says what to do with a bad payload",
}


class Seen(msgspec.Struct, frozen=True):
    """What was read at one time. `since` is when the first payload came, or without any, when the warehouse was made.

    `alive` are the kinds of which one is at work at this moment.
    """

    facts: Facts
    since: dt.datetime | None
    alive: frozenset[str]


def judge_warehouse(
    seen: Seen, fresh: WatchSettings, safeguards: SafeguardSettings, now: dt.datetime
) -> tuple[Check, ...]:
    """Judge what was read at `now`; a check that cannot be made for want of a projection is left out."""
    return (
        *_judge_freshness(seen, fresh, now),
        judge_safeguard("backup", seen, safeguards.backup_max_age, now),
        judge_safeguard("drill", seen, safeguards.drill_max_age, now),
        judge_safeguard("scrub", seen, safeguards.scrub_max_age, now),
    )


def _judge_freshness(seen: Seen, settings: WatchSettings, now: dt.datetime) -> Sequence[Check]:
    checks = judge(seen.facts, settings, now).checks
    if isinstance(seen.facts.projection, ProjectionFacts):
        checks = [Check("projection", "ok", None, None, "there is a projection that can be read"), *checks]
    if _is_within(_FIRST_DAY, seen.since, now):
        return [_with_grace(check, seen.facts.archive) for check in checks]
    return checks


def _with_grace(check: Check, archive: ArchiveFacts) -> Check:
    """Return a check of what may still come; a night that ended badly is trouble on the first day, too."""
    night = archive.runs.get(check.name)
    may_come = night is None or (night.ended_at is None and archive.is_fetching)
    if check.status != "failed" or not may_come:
        return check
    message = f"{check.message}; a new warehouse has a day for it"
    return msgspec.structs.replace(check, status="warn", message=message)


def judge_safeguard(kind: str, seen: Seen, max_age: dt.timedelta | None, now: dt.datetime) -> Check:
    """Judge the last run of a kind: how it ended, and how long ago one last went well."""
    last = seen.facts.archive.safeguards.get(kind)
    if max_age is None:
        return Check(kind, "ok", None, None, f"{kind}s are not watched ({kind.upper()}_MAX_AGE_DAYS is 0)")
    bound = max_age / dt.timedelta(days=1)
    if last is None:
        return _never(kind, seen, max_age, now)
    if last.finished_at is None and kind not in seen.alive:
        return _failed(kind, _age(last, now), bound, f"the {kind} of {_minute(last.started_at)} was killed")
    if last.passed is False:
        why = (last.error or "it does not say why")[:_LONGEST]
        return _failed(kind, _age(last, now), bound, f"the {kind} of {_minute(last.started_at)} failed: {why}")
    if last.passed_at is None:  # the first one is at work
        return _never(kind, seen, max_age, now)
    age = _days(now - last.passed_at)
    if now - last.passed_at > max_age:
        return _failed(kind, age, bound, f"the last good {kind} ended {age:g} days ago; {bound:g} are allowed")
    named = f" ({last.backup})" if last.passed and last.backup else ""
    return Check(kind, "ok", age, bound, f"the last good {kind} ended at {_minute(last.passed_at)}{named}")


def _never(kind: str, seen: Seen, max_age: dt.timedelta, now: dt.datetime) -> Check:
    """Judge a kind of which none ever went well, and none failed."""
    bound = max_age / dt.timedelta(days=1)
    found = f"the first {kind} is under way" if kind in seen.alive else f"there never was a {kind}"
    if seen.since is None or _is_within(max_age, seen.since, now):
        left = f"; a new warehouse has {bound:g} days for it"
        return Check(kind, "warn", None, bound, found + left, _TODO[kind])
    return _failed(kind, None, bound, found)


def _failed(kind: str, age: float | None, bound: float, found: str) -> Check:
    return Check(kind, "failed", age, bound, found, _TODO[kind])


def _age(last: Safeguard, now: dt.datetime) -> float | None:
    """Return how many days ago one last went well."""
    return None if last.passed_at is None else _days(now - last.passed_at)


def _is_within(grace: dt.timedelta, since: dt.datetime | None, now: dt.datetime) -> bool:
    return since is not None and now - since <= grace


def _days(age: dt.timedelta) -> float:
    return round(age / dt.timedelta(days=1), 1)


def _minute(instant: dt.datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%MZ")


def unreadable(why: RefusedRequest) -> Check:
    """Return the check of a database that does not tell how the warehouse is."""
    return Check("database", "failed", why.code, None, str(why), "start the database, or see its log")
