"""When data counts as stale: FRESH_BY, FRESH_MIN_SHARE and FRESH_MAX_LAG_MINUTES."""

import datetime as dt
import os
from collections.abc import Mapping

import msgspec

from sql.settings import read_setting


class WatchSettings(msgspec.Struct, frozen=True):
    """What /fresh holds the warehouse to.

    `fresh_by`: from this time of New York's clock on, the newest session that has settled must be there. `min_share`:
    of this part of the symbols that traded the session before. `max_lag`: so long a payload may wait to be projected.
    """

    fresh_by: dt.time = dt.time(10)
    min_share: float = 0.9
    max_lag: dt.timedelta = dt.timedelta(minutes=15)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "WatchSettings":
        """Read FRESH_BY, FRESH_MIN_SHARE and FRESH_MAX_LAG_MINUTES.

        Raises: InvalidSetting for one that is out of its bound.
        """
        default = cls()
        return cls(
            read_setting(environ, "FRESH_BY", default.fresh_by, _time, "must be a time from 00:00 to 23:59, New York"),
            read_setting(environ, "FRESH_MIN_SHARE", default.min_share, _share, "must be a number from 0 to 1"),
            read_setting(
                environ,
                "FRESH_MAX_LAG_MINUTES",
                default.max_lag,
                _minutes,
                "must be minutes from 1 to 10080",
            ),
        )


def _time(text: str) -> dt.time:
    return dt.datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


def _minutes(text: str) -> dt.timedelta:
    minutes = int(text)
    if not 1 <= minutes <= 10080:
        raise ValueError(text)
    return dt.timedelta(minutes=minutes)
