"""Whether the services and jobs run: who started this watch says which has failed, and systemd how they are since.

For what leaves no row in the run ledger: a service that crashes, a job that could not begin. What failed is remembered
(told.py), and is well again when systemd or `ops cron` says so, when the ledger has a good run since, or, where nobody
can be asked, when nothing was heard of it for a day.
"""

import datetime as dt
import os
import subprocess
from collections.abc import Mapping, Sequence

import msgspec

from api.watch.check import Check
from ops.watch.told import Troubles

_SERVICES = ("warehouse-api.service", "warehouse-ingest.service", "warehouse-database.service")
_JOBS = {name: job for job in ("backup", "drill", "scrub") for name in (f"warehouse-{job}.service", f"ops {job}")}
# One that starts again and again is active for moments; systemd tells of each failure, but not more often than this.
_QUIET = dt.timedelta(minutes=15)
# Before it would be told again.
_FORGOTTEN_AFTER = dt.timedelta(hours=23, minutes=30)
_PROPERTIES = "--property=Id,LoadState,ActiveState,SubState,Result,InactiveEnterTimestamp"
_WITHIN_S = 10.0


class Heard(msgspec.Struct, frozen=True):
    """How a unit of systemd, or a job of `ops cron`, has just ended; `why` is None where it went well."""

    unit: str
    why: str | None


def heard_of(environ: Mapping[str, str] = os.environ) -> Heard | None:
    """Return why this watch was started, None where by the hour or by hand.

    Source: systemd.exec(5), MONITOR_SERVICE_RESULT and its like; `ops cron` says it in the same words.
    """
    unit = environ.get("MONITOR_UNIT", "").strip()
    if not unit:
        return None
    result, status = (environ.get(f"MONITOR_{name}", "").strip() for name in ("SERVICE_RESULT", "EXIT_STATUS"))
    if result == "success":
        return Heard(unit, None)
    return Heard(unit, ", ".join([result or "it failed", *([f"exit status {status}"] if status else [])]))


def check_units(
    heard: Heard | None, told: Troubles, others: Sequence[Check], now: dt.datetime, states: Mapping[str, str | None]
) -> list[Check]:
    """Judge what has just failed, what failed before, and the services.

    A job whose own check among the `others` failed is told by that. `states` are those of `unit_states`.
    """
    good_at = {
        check.name: now - dt.timedelta(days=check.value)
        for check in others
        if check.name in _JOBS.values() and check.status == "ok" and isinstance(check.value, float)
    }
    known = {name: trouble.failed_at for name, trouble in told.items() if trouble.failed_at or name in _SERVICES}
    failed_by_itself = {check.name for check in others if check.status == "failed"}
    now_failed = [name for name in _SERVICES if states.get(name)]
    checks = []
    for name in dict.fromkeys([*([heard.unit] if heard else []), *known, *now_failed]):
        failed_at = known.get(name)
        if heard is not None and heard.unit == name:
            why = heard.why
        elif failed_at is not None and good_at.get(_JOBS.get(name, ""), failed_at) > failed_at:
            why = None
        else:
            why = _trouble_of(name, failed_at, now, states)
        if why is None:
            checks.append(Check(name, "ok", None, None, "it has not failed since"))
        elif _JOBS.get(name) not in failed_by_itself:
            checks.append(Check(name, "failed", None, None, f"it failed: {why}", _todo(name)))
    return checks


def units_told_of(told: Troubles) -> dict[str, dt.datetime]:
    """Return the units that failed, of all that was told, and when."""
    return {name: trouble.failed_at for name, trouble in told.items() if trouble.failed_at is not None}


def unit_states(failed_at: Mapping[str, dt.datetime], environ: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Return what is wrong with the services, and with units that failed, None where nothing is.

    What systemd does not know is left out: all of it where there is no systemd.

    Source: systemctl(1); that MANAGERPID is set for the services of a user: systemd.exec(5).
    """
    command = ["systemctl", *(["--user"] if "MANAGERPID" in environ else []), "show", _PROPERTIES]
    units = [name for name in dict.fromkeys([*failed_at, *_SERVICES]) if name.endswith(".service")]
    try:
        done = subprocess.run(  # noqa: S603
            [*command, *units],
            env={**os.environ, "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = [dict(line.partition("=")[::2] for line in text.splitlines()) for text in done.stdout.split("\n\n")]
    return {unit["Id"]: _state(unit, failed_at) for unit in found if unit.get("LoadState") == "loaded"}


def _state(unit: Mapping[str, str], failed_at: Mapping[str, dt.datetime]) -> str | None:
    if unit.get("ActiveState") == "failed" or unit.get("SubState") == "auto-restart":
        return f"{unit.get('Result', 'failed')}, systemd says {unit.get('ActiveState')} ({unit.get('SubState')})"
    # One that could not begin, since its disk is not mounted, has not failed in the eyes of systemd.
    name = unit["Id"]
    if name in _JOBS and name in failed_at and _ended_at(unit) <= failed_at[name]:
        return "it has not ended well since"
    return None


def _ended_at(unit: Mapping[str, str]) -> dt.datetime:
    """Return when a unit last came to its end, long ago for one that never did."""
    try:
        # Such as: Sun 2026-11-22 03:00:07 UTC
        return dt.datetime.fromisoformat(unit.get("InactiveEnterTimestamp", "")[4:23]).replace(tzinfo=dt.UTC)
    except ValueError:
        return dt.datetime.min.replace(tzinfo=dt.UTC)


def _trouble_of(
    name: str, failed_at: dt.datetime | None, now: dt.datetime, states: Mapping[str, str | None]
) -> str | None:
    """Return what is wrong with a unit at this moment, None for nothing that is known."""
    state = states.get(name)
    if failed_at is None or state is not None:
        return state
    instant = f"at {failed_at:%Y-%m-%dT%H:%MZ}"
    if name in states:
        return None if now - failed_at >= _QUIET else f"{instant}, and started again"
    return None if now - failed_at >= _FORGOTTEN_AFTER else instant


def _todo(name: str) -> str:
    return f"see: journalctl -u {name}" if name.endswith(".service") else f"see the log of ops cron, and run: {name}"
