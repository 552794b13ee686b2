"""Whether the clock of this machine is right, held against the database's and against the vendor's."""

import datetime as dt
import email.utils

from api.watch.check import Check
from archive.payload import Response

_NAME = "clock"
_WARN_S, _FAIL_S = 5.0, 60.0
# The header has whole seconds, cut off.
_HALF_A_SECOND = 0.5


def check_clock(of_database_s: float | None, response: Response | None) -> Check:
    """Judge how far the clocks of the database and of the vendor are ahead of ours; None where one was not asked.

    Units: seconds.
    """
    of_vendor_s = None if response is None else vendor_ahead_s(response)
    ahead = {"the database": of_database_s, "the vendor": of_vendor_s}
    known = {whose: seconds for whose, seconds in ahead.items() if seconds is not None}
    if not known:
        return Check(_NAME, "warn", None, _WARN_S, "there is no other clock to hold this machine's against")
    whose, worst = max(known.items(), key=lambda item: abs(item[1]))
    if abs(worst) <= _WARN_S:
        return Check(_NAME, "ok", round(worst, 1), _WARN_S, f"the clock agrees with that of {' and of '.join(known)}")
    which = "behind" if worst > 0 else "ahead of"
    found = f"this machine's clock is {abs(worst):,.0f} s {which} that of {whose}"
    todo = "have it set by NTP (timedatectl set-ntp true)"
    if abs(worst) <= _FAIL_S:
        return Check(_NAME, "warn", round(worst, 1), _WARN_S, found, todo)
    return Check(_NAME, "failed", round(worst, 1), _FAIL_S, found, todo)


def vendor_ahead_s(response: Response) -> float | None:
    """Return how far the clock that a response was dated by is ahead of ours, None where it has no date.

    A response out of a cache is dated by when it was made, so its age is added.
    """
    headers = {name.lower(): value.strip() for name, value in response.headers}
    try:
        dated = email.utils.parsedate_to_datetime(headers.get("date", ""))
        age_s = int(headers.get("age", "0"))
    except (ValueError, OverflowError):
        return None
    aware = dated if dated.tzinfo else dated.replace(tzinfo=dt.UTC)
    return (aware - response.fetched_at).total_seconds() + age_s + _HALF_A_SECOND
