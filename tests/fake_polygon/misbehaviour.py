"""Faults on demand: what the vendor is to do wrong with its next requests, and which requests those are.

A trouble applies to the next `times` requests that match; asked-for troubles come before random ones, in the order
they were asked for. `path` is a part of the request's path, or a predicate on it. It must not know how a fault is
carried out: `transport` breaks what is sent, the vendor (see `Ask.twisted`) what is said.
"""

import random
from collections.abc import Callable, Sequence

import msgspec

PathMatch = str | Callable[[str], bool] | None

_PAGED = frozenset({"range", "splits", "dividends", "stocks_splits", "stocks_dividends", "tickers"})
# Faults in what is said, and the kinds of request that can be answered with them.
TWISTS: dict[str, frozenset[str]] = {
    "foreign_next_url": _PAGED,
    "wrong_symbol": frozenset({"range", "prev", "open_close"}),
    "out_of_range": frozenset({"range", "grouped"}),
    "silently_truncate": frozenset({"range", "grouped"}),
    "shorten": frozenset({"range"}),
    "stray_symbol": frozenset({"range"}),
    "delayed": frozenset({"range", "grouped", "prev", "open_close"}),
}
BREAKS = ("fail", "not_yet", "hang", "slow", "truncate", "cut_json", "html", "reset", "garble_gzip")
# The other two of the three meanings of 403: a client that believes them will not ask again by itself.
REFUSALS = ("beyond_plan", "not_entitled")
# With these the vendor does not even look at the request: they happen in front of it.
UNANSWERED = frozenset({"fail", "not_yet", "hang", "html", "reset", "garble_gzip", *REFUSALS})
# What random faults are drawn from unless told otherwise: everything that ends by itself and at once.
CHAOS = (*(kind for kind in BREAKS if kind not in ("hang", "slow")), *TWISTS)
# Of these a client that looks at what it gets can find out each: none leaves out rows between others, or every row.
DETECTABLE = (*BREAKS, *(kind for kind in TWISTS if kind != "silently_truncate"))
_CHAOS_STATUSES = (429, 500, 502, 503, 504)


class Trouble(msgspec.Struct, frozen=True):
    """One fault and what it needs: `at` is the part of the body that is sent, or says which rows are left out (see
    `shorten_next`); `status` is that of a failure or a page."""

    kind: str
    status: int = 200
    retry_after: str | None = None
    body: bytes | None = None
    at: float = 0.5
    bytes_per_second: int = 0
    host: str = ""

    def applies_to(self, kind: str) -> bool:
        """Whether a request of that kind can be answered with this fault."""
        return self.kind not in TWISTS or kind in TWISTS[self.kind]


class _Asked(msgspec.Struct):
    trouble: Trouble
    times: int
    path: PathMatch

    def matches(self, kind: str, path: str) -> bool:
        fits = self.path is None or (self.path in path if isinstance(self.path, str) else self.path(path))
        return self.times > 0 and fits and self.trouble.applies_to(kind)


class Misbehaviour:
    """The faults that were asked for; every method takes effect with the next matching request."""

    def __init__(self) -> None:
        self._asked: list[_Asked] = []
        self._random: random.Random | None = None
        self._rate = 0.0
        self._kinds: Sequence[str] = CHAOS

    def fail_next(
        self,
        status: int,
        times: int = 1,
        retry_after: float | str | None = None,
        body: bytes | str | None = None,
        path: PathMatch = None,
    ) -> None:
        """Answer with a status, and the vendor's own body for it unless one is given."""
        header = None if retry_after is None else str(retry_after)
        sent = body.encode() if isinstance(body, str) else body
        self._ask(Trouble("fail", status=status, retry_after=header, body=sent), times, path)

    def forbid_next(self, why: str, times: int = 1, path: PathMatch = None) -> None:
        """Refuse with 403 and the message of one of its meanings: `not_yet`, `beyond_plan` or `not_entitled`."""
        self._ask(Trouble(why), times, path)

    def hang_next(self, times: int = 1, path: PathMatch = None) -> None:
        """Never answer, until the server is closed."""
        self._ask(Trouble("hang"), times, path)

    def slow_next(self, bytes_per_second: int, times: int = 1, path: PathMatch = None) -> None:
        """Send the body that slowly, whole in the end."""
        self._ask(Trouble("slow", bytes_per_second=bytes_per_second), times, path)

    def truncate_next(self, times: int = 1, at: float = 0.5, path: PathMatch = None) -> None:
        """Promise the whole body in Content-Length, send a part of it and close the connection."""
        self._ask(Trouble("truncate", at=at), times, path)

    def cut_json_next(self, times: int = 1, at: float = 0.5, path: PathMatch = None) -> None:
        """Answer 200 with a correct Content-Length and JSON that stops in the middle."""
        self._ask(Trouble("cut_json", at=at), times, path)

    def html_next(self, status: int = 200, times: int = 1, path: PathMatch = None) -> None:
        """Answer with a web page instead of JSON."""
        self._ask(Trouble("html", status=status), times, path)

    def reset_next(self, times: int = 1, path: PathMatch = None) -> None:
        """Reset the TCP connection instead of answering."""
        self._ask(Trouble("reset"), times, path)

    def garble_gzip_next(self, times: int = 1, path: PathMatch = None) -> None:
        """Answer with Content-Encoding gzip and a stream that breaks in the middle."""
        self._ask(Trouble("garble_gzip"), times, path)

    def foreign_next_url(self, host: str, times: int = 1, path: PathMatch = None) -> None:
        """Answer with a next_url, on another host, whether or not there is a next page."""
        self._ask(Trouble("foreign_next_url", host=host), times, path)

    def wrong_symbol_next(self, times: int = 1, path: PathMatch = None) -> None:
        """Answer with another symbol's bars, under that symbol's name."""
        self._ask(Trouble("wrong_symbol"), times, path)

    def out_of_range_next(self, times: int = 1, path: PathMatch = None) -> None:
        """Answer a range with a row from ten days before it as well, a date with the session before it."""
        self._ask(Trouble("out_of_range"), times, path)

    def silently_truncate_next(self, times: int = 1, path: PathMatch = None) -> None:
        """Leave out the older half of a range, or half of the market, and say OK."""
        self._ask(Trouble("silently_truncate"), times, path)

    def shorten_next(self, times: int = 1, at: float = 0.25, path: PathMatch = None) -> None:
        """Leave out the oldest rows of a range and say OK, or with `at` from 0.5 on the newest; never all of them.

        `at` counts twice: of 2n rows, 0.25 leaves out the oldest half, 0.75 the newest.
        """
        self._ask(Trouble("shorten", at=at), times, path)

    def stray_symbol_next(self, times: int = 1, path: PathMatch = None) -> None:
        """Answer a range with a row of another symbol, under its own name, as well."""
        self._ask(Trouble("stray_symbol"), times, path)

    def delayed_next(self, times: int = 1, path: PathMatch = None) -> None:
        """Answer with status DELAYED and good data."""
        self._ask(Trouble("delayed"), times, path)

    def random_faults(self, seed: int, rate: float, kinds: Sequence[str] = CHAOS) -> None:
        """Let each request go wrong with probability `rate`, in a way drawn from `kinds`; rate 0 ends it.

        The same seed and the same order of requests give the same faults.
        """
        self._random, self._rate, self._kinds = random.Random(seed), rate, kinds

    def behave(self) -> None:
        """Forget every fault that was asked for, random ones too."""
        self._asked.clear()
        self._rate = 0.0

    def _ask(self, trouble: Trouble, times: int, path: PathMatch) -> None:
        self._asked.append(_Asked(trouble, times, path))

    def _trouble_for(self, kind: str, path: str) -> Trouble | None:
        """Return the fault of this request, if it is to have one, and count it."""
        for asked in self._asked:
            if asked.matches(kind, path):
                asked.times -= 1
                return asked.trouble
        return self._drawn(kind)

    def _drawn(self, kind: str) -> Trouble | None:
        if self._random is None or self._random.random() >= self._rate:
            return None
        fitting = [each for each in self._kinds if Trouble(each).applies_to(kind)]
        if not fitting:
            return None
        status = self._random.choice(_CHAOS_STATUSES)
        drawn, at = self._random.choice(fitting), self._random.random()
        speed = round(400 * 125**at)  # a slow-loris, up to a bad line
        return Trouble(
            drawn, status=status if drawn == "fail" else 200, at=at, bytes_per_second=speed, host="elsewhere.invalid"
        )
