"""The exchange calendar both sides of the archive agree on: which dates are sessions, and when they close.

Source: exchange_calendars, XNYS; its version is part of what a projection is a function of. The bounds are fixed so
that the same version gives the same calendar on every day: 1962 is the first year any of our sources has bars for.
"""

import datetime as dt
from bisect import bisect_right
from functools import cache, cached_property
from importlib.metadata import version
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DATE = dt.date(1962, 1, 1)
LAST_DATE = dt.date(2049, 12, 31)

Days = npt.NDArray[np.datetime64]


class Calendar:
    """The sessions of the exchange in order, with their opens and closes in UTC.

    Shape: three arrays of the same length: `sessions` datetime64[D]; `opens`, `closes` datetime64[s].
    """

    def __init__(self, version: str, sessions: Days, opens: Days, closes: Days) -> None:
        self.version = version
        self.sessions = sessions
        self.opens = opens
        self.closes = closes

    @cached_property
    def _lists(self) -> tuple[list[dt.date], list[dt.datetime]]:
        """Sessions and closes as a single look-up wants them: ten times as fast as an array of one."""
        return self.sessions.astype(object).tolist(), self.closes.astype(object).tolist()

    def is_session(self, days: Days) -> npt.NDArray[np.bool_]:
        """Tell for each date (datetime64[D]) whether the exchange held a session."""
        places = np.searchsorted(self.sessions, days)
        places[places == len(self.sessions)] = 0
        return np.asarray(self.sessions[places] == days)

    def between(self, first: dt.date, last: dt.date) -> list[dt.date]:
        """Return the sessions from `first` to `last`, both included."""
        start, stop = np.searchsorted(self.sessions, [np.datetime64(first), np.datetime64(last) + 1])
        return list(self.sessions[start:stop].astype(object))

    def last_closed(self, now: dt.datetime, settle: dt.timedelta = dt.timedelta(0)) -> dt.date:
        """Return the newest session that had closed at least `settle` before `now` (an aware instant)."""
        dates, closes = self._lists
        return dates[bisect_right(closes, (now - settle).astimezone(dt.UTC).replace(tzinfo=None)) - 1]

    def close_of(self, session: dt.date) -> dt.datetime:
        """Return the UTC instant at which a session closes.

        Raises: KeyError for a date that is no session.
        """
        place = int(np.searchsorted(self.sessions, np.datetime64(session)))
        if place == len(self.sessions) or self.sessions[place] != np.datetime64(session):
            raise KeyError(session)
        close: dt.datetime = self.closes[place].astype(object)
        return close.replace(tzinfo=dt.UTC)


def calendar_version() -> str:
    """Return the version of the calendar, without the half second that making it takes."""
    return f"exchange_calendars {version('exchange_calendars')} XNYS"


@cache
def exchange_calendar() -> Calendar:
    """Return the calendar of the New York Stock Exchange.

    Source: exchange_calendars exchange_calendar_xnys.py, which cites the exchange's own holiday notices.
    """
    import exchange_calendars  # pandas comes with it: half a second that other commands need not wait for

    xnys = exchange_calendars.get_calendar("XNYS", start=str(FIRST_DATE), end=str(LAST_DATE))
    return Calendar(
        calendar_version(),
        xnys.sessions.to_numpy().astype("datetime64[D]"),
        xnys.opens.dt.tz_localize(None).to_numpy().astype("datetime64[s]"),
        xnys.closes.dt.tz_localize(None).to_numpy().astype("datetime64[s]"),
    )
