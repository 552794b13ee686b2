"""What a subscription includes: how far back, how fresh, how often, which routes; and how the vendor says nothing.

It must not know the market or the wire.
"""

from collections import deque
from datetime import date
from typing import Literal

import msgspec


class Plan(msgspec.Struct, frozen=True):
    """One subscription; the default includes everything.

    `refused` kinds of request are answered 403, `absent` ones 404 as routes the vendor does not have (kinds are
    those of `routes`). `same_day` False never shows the current day. `delay_s` shows the market that late, with
    status DELAYED. `unknown_ticker` and `empty_results` choose among answers that have all been seen.

    Units: delay_s and minute_s in seconds; `minute_s` is how long the vendor's minute lasts, shorter in tests.
    """

    calls_per_minute: int | None = None
    minute_s: float = 60.0
    retry_after: bool = False
    history_years: int | None = None
    same_day: bool = True
    delay_s: int = 0
    refused: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    unknown_ticker: Literal["empty", "not_found"] = "empty"
    empty_results: Literal["absent", "list", "null"] = "absent"

    def oldest(self, today: date) -> date:
        """Return the first date the plan includes."""
        if self.history_years is None:
            return date.min
        year = today.year - self.history_years
        return date(year, 2, 28) if (today.month, today.day) == (2, 29) else today.replace(year=year)


BASIC = Plan(calls_per_minute=5, history_years=2, same_day=False)
STARTER = Plan(history_years=5, delay_s=15 * 60)
DEVELOPER = Plan(history_years=10, delay_s=15 * 60)
ADVANCED = Plan()


class CallMeter:
    """Counts calls in a sliding minute; refused calls do not count."""

    def __init__(self) -> None:
        self._calls: deque[float] = deque()

    def wait_s(self, plan: Plan, now_s: float) -> float:
        """Return 0 and count the call, or how long until one is allowed."""
        if plan.calls_per_minute is None:
            return 0
        while self._calls and self._calls[0] <= now_s - plan.minute_s:
            self._calls.popleft()
        if len(self._calls) < plan.calls_per_minute:
            self._calls.append(now_s)
            return 0
        return self._calls[0] + plan.minute_s - now_s
