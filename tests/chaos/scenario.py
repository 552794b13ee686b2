"""What befalls a warehouse, drawn from a seed: the market, the runs that are meant to fail, and how each is cut off.

The same seed is the same story, but for the instants at which processes happen to be where they are killed. Places
are few, so that what an undisturbed run makes of each need be found out once. It must not know how anything is run.
"""

import datetime as dt
import random
from collections.abc import Mapping
from functools import cache
from math import ceil
from typing import Literal

import msgspec

from tests.fake_polygon import SyntheticMarket
from tests.fake_polygon.misbehaviour import DETECTABLE, REFUSALS
from tests.fake_polygon.sessions import sessions_between

PLACES = 16
_YEARS_LATER = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
# In the market from its first session on; IPOX comes and DLST goes within the longer periods.
_SYMBOLS = ("AAPL", "MSFT", "HLTD", "SPY", "NFLX", "QQQ", "IWM", "AMZN", "FRAC")
_PAIRS = (("BCPC", "BCpC"), ("TPC", "TpC"))
_LISTED_PART_OF_THE_TIME = ("IPOX", "DLST")
# Announced, and later revised or withdrawn: what is believed of them depends on when the vendor was asked.
_REVISED = ("MOVD", "CNCL")
# Times of day, UTC, and the days after the session: it is open, it has closed and still moves, the night run's time.
_TIMES = ((0, dt.time(17)), (0, dt.time(23)), *((1, dt.time(6, 30)),) * 3)

EmptyResults = Literal["absent", "list", "null"]
_EMPTY_RESULTS: tuple[EmptyResults, ...] = ("absent", "list", "null")


class Goal(msgspec.Struct, frozen=True):
    """What a run is asked to make whole: some symbols, or the whole market where there are none, of a period."""

    symbols: tuple[str, ...]
    first: dt.date
    last: dt.date

    @property
    def universe(self) -> str:
        """The goal's symbols as a command line names them."""
        return ",".join(self.symbols) or "all"


class Place(msgspec.Struct, frozen=True):
    """A market, what is wanted of it, and how the vendor pages and says nothing.

    `nights` is for stories that take their time: each run has an instant of its own, the last one `ends_at`, and the
    market and the vendor are what they were then. Else everything takes place at once, years later.
    """

    number: int
    market: SyntheticMarket
    goal: Goal
    nights: bool
    ends_at: dt.datetime
    page_rows: Mapping[str, int]
    empty_results: EmptyResults

    def bars(self) -> frozenset[tuple[str, dt.date]]:
        """Return the ticker and session of every bar of the market: rows that can be none are left out."""
        no_bars = self.market.answers.of("missing_field", "null_field", "non_session")
        return frozenset(
            (symbol, session)
            for symbol in self.goal.symbols
            for session in self._dates(symbol, self.goal)
            if (symbol, session) not in no_bars
        )

    @property
    def list_pages(self) -> int:
        """How many pages the longest list has."""
        return max(1, ceil(len(self.market.dividends(self.ends_at)) / self.page_rows.get("stocks_dividends", 5_000)))

    def cost(self, goal: Goal, *, reference: bool = False) -> int:
        """Return how many requests a goal may take in an empty archive.

        Two lists; each session, or each symbol and what is before and after an answer that leaves out the ends of the
        period. With `reference`: holidays, and for each symbol its entries among active and delisted ones, and its
        renames.
        """
        sessions = sessions_between(goal.first, goal.last)
        lists = 1 + self.list_pages + reference * (3 + 3 * len(goal.symbols))
        if not goal.symbols:
            return lists + len(sessions)
        answered = [self._dates(symbol, goal) for symbol in goal.symbols]
        ends = sum((sessions[0] not in dates) + (sessions[-1] not in dates) for dates in answered if dates)
        return lists + ends + len(answered) * ceil(len(sessions) / self.page_rows.get("range", 50_000))

    def _dates(self, symbol: str, goal: Goal) -> list[dt.date]:
        """Return the dates within a goal's period of which the vendor has a row of a symbol."""
        dates = self.market.bars(symbol, self.ends_at).sessions.tolist()
        return [date for date in dates if goal.first <= date <= goal.last]


class Moment(msgspec.Struct, frozen=True):
    """When a run is killed: so long after so many events of a kind, counted from its start.

    `start`: at once. `requests`: that many have reached the vendor. `archived`: that many payloads are in the archive.
    `body`: that request's answer is on its way. `finished`: its result is in the ledger, and it is about to seal.
    `never`: it may end by itself.
    """

    kind: str
    after: int
    delay_s: float


class Stage(msgspec.Struct, frozen=True):
    """One run among faults: what it is to do, how badly the vendor behaves, and when it is killed.

    `at` is its instant in a place of nights. `hasty` runs give the vendor up soon, others are the command line as it
    is. `rate` is the part of requests that go wrong in a way of `kinds`; `storm` is how many in a row are refused with
    429, from the `storm_at`th on. `project` says what the projector does afterwards: nothing, its job, or be killed.
    """

    seed: int
    goal: Goal
    at: dt.datetime | None
    hasty: bool
    reference: bool
    concurrency: int
    rate: float
    kinds: tuple[str, ...]
    storm: int
    storm_at: int
    moment: Moment
    project: str
    project_killed_after_s: float


class Story(msgspec.Struct, frozen=True):
    """What befalls a place before the one clean run; that is told to ask again what was `refused` for good."""

    place: Place
    stages: tuple[Stage, ...]
    refused: bool


@cache
def place_of(number: int) -> Place:
    """Return one of the few places."""
    draw = random.Random(f"place {number}")
    nights = number % 4 == 3
    first = dt.date(2023, draw.randint(3, 12), 1)
    long = draw.random() < 0.7
    last = first + dt.timedelta(days=draw.randint(180, 360) if long else draw.randint(20, 50))
    symbols = [*draw.sample(_SYMBOLS, draw.randint(2, 6)), *draw.choice(_PAIRS)]
    if long:
        symbols += draw.sample(_LISTED_PART_OF_THE_TIME, draw.randint(0, 2))
    if not nights:
        symbols += draw.sample(_REVISED, draw.randint(0, 2))
    draw.shuffle(symbols)
    # It began before the goal does, so that a vendor who speaks of the day before has something to say.
    market = SyntheticMarket(number, symbols, first - dt.timedelta(days=14), last=last)
    return Place(
        number=number,
        market=market,
        goal=Goal(tuple(symbols), sessions_between(first, last)[0], market.last),
        nights=nights,
        ends_at=_the_night_of(market, draw.choice((2, 3, 6, 32))) if nights else _YEARS_LATER,
        page_rows={"range": draw.choice((30, 60, 100)), "stocks_dividends": 2} if draw.random() < 0.5 else {},
        empty_results=draw.choice(_EMPTY_RESULTS),
    )


def story_of(seed: int) -> Story:
    """Return the story of a seed, which takes place in place `seed % PLACES`."""
    draw = random.Random(f"chaos {seed}")
    place = place_of(seed % PLACES)
    refused = draw.random() < 0.3
    instants = sorted(_instant(draw, place) for _ in range(draw.randint(2, 4)))
    return Story(place, tuple(_stage(draw, place, at, refused) for at in instants), refused)


def _the_night_of(market: SyntheticMarket, sessions_later: int) -> dt.datetime:
    """Return the time of a night run so many sessions after the last one: all restatements it can show are out."""
    later = sessions_between(market.last, market.last + dt.timedelta(days=60))[sessions_later]
    return dt.datetime.combine(later + dt.timedelta(days=1), dt.time(6, 30), dt.UTC)


def _instant(draw: random.Random, place: Place) -> dt.datetime:
    """Return an instant on or after a session of which a bar will be restated on the next day, if there is any."""
    goal = place.goal
    restated = {each.session for each in place.market.answers.restatements if goal.first <= each.session <= goal.last}
    days_later, time = draw.choice(_TIMES)
    day = draw.choice(sorted(restated) or sessions_between(goal.first, goal.last))
    return dt.datetime.combine(day + dt.timedelta(days=days_later), time, dt.UTC)


def _stage(draw: random.Random, place: Place, at: dt.datetime, refused: bool) -> Stage:
    hasty = place.nights or draw.random() < 0.5
    goal = _part_of(draw, place.goal) if draw.random() < 0.6 else place.goal
    if place.nights:
        goal = msgspec.structs.replace(goal, first=min(goal.first, at.date()), last=min(goal.last, at.date()))
    asked = len(goal.symbols) or len(sessions_between(goal.first, goal.last))
    left_out = set() if hasty else {"hang"}  # somebody in no hurry would wait for half a minute
    if "range" in place.page_rows:
        left_out.add("out_of_range")  # what is out of a page's dates may be within what was asked for
    kinds = [*(kind for kind in DETECTABLE if kind not in left_out), *(REFUSALS if refused else ())]
    moments = ("start", "requests", "requests", "archived", "archived", "body", "finished", "never")
    return Stage(
        seed=draw.getrandbits(32),
        goal=goal,
        at=at if place.nights else None,
        hasty=hasty,
        reference=not hasty and draw.random() < 0.2,
        concurrency=draw.choice((1, 2, 3, 8)),
        rate=draw.choice((0.0, 0.1, 0.3, 0.5)),
        kinds=tuple(draw.sample(kinds, draw.randint(1, 5))),
        storm=draw.choice((0, 0, 0, 5, 20)),
        storm_at=draw.randint(1, asked + 2),
        moment=Moment(draw.choice(moments), draw.randint(1, asked + 2), draw.random() * draw.choice((0.0, 0.02, 0.2))),
        project=draw.choice(("nothing", "nothing", "runs", "killed")),
        project_killed_after_s=draw.random() * 0.3,
    )


def _part_of(draw: random.Random, whole: Goal) -> Goal:
    """Return a smaller goal, so that the next run finds new symbols, a longer period, or another way to ask."""
    sessions = sessions_between(whole.first, whole.last)
    first, last = sorted(draw.sample(sessions, 2))
    symbols = draw.sample(whole.symbols, draw.randint(1, len(whole.symbols)))
    return Goal(
        symbols=() if draw.random() < 0.25 else tuple(symbols),
        first=draw.choice((whole.first, first)),
        last=draw.choice((whole.last, last)),
    )
