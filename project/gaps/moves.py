"""Large moves: bars whose open or close is far from the close before, as traded, with the class of each.

A split or dividend explains a move if what is left of it is within the limit. Where the vendor lists none, two
patterns are named for a person to look at, no more:

- `split_suspected`: the open or the close is within 2 % of the previous close by a simple ratio (3:2, n:1 or 1:n), as
  many shares changed hands as usual once they are counted by that ratio (a third to three times the median), and the
  next close stays there.
- `spin_off_suspected`: it opened lower by up to 60 %, moved little (5 %) in the session, on no more than three times
  the usual volume, and the next close stays there. Bad news would come with a multiple of that volume.

It is pure: it knows no database.
"""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum

import msgspec

LIMIT = 0.10
_RATIOS = (1.5, 2.0, 2.5, *map(float, range(3, 11)), 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 100.0)
_TOLERANCE = 0.02
_USUAL_VOLUME = 3.0
_QUIET = 0.05
_DEEPEST_SPIN_OFF = -0.60


class MoveKind(StrEnum):
    """What a large move comes from."""

    SPLIT = "split"
    DIVIDEND = "dividend"
    SPLIT_SUSPECTED = "split_suspected"
    SPIN_OFF_SUSPECTED = "spin_off_suspected"
    UNEXPLAINED = "unexplained"


class Effect(msgspec.Struct, frozen=True):
    """A split or dividend that is effective in the session; prices before it are multiplied by `price_factor`."""

    kind: str
    ex_date: dt.date
    split_from: float | None
    split_to: float | None
    cash: float | None
    price_factor: float

    def __str__(self) -> str:
        if self.kind == "split":
            return f"split {self.split_to:g}:{self.split_from:g} of {self.ex_date}"
        return f"dividend {self.cash:g} of {self.ex_date}"


class Beside(msgspec.Struct, frozen=True):
    """A bar beside its neighbours. Units: prices USD per share as traded; `volume_ratio` is volume / usual volume."""

    ticker: str
    session: dt.date
    open: float
    close: float
    volume_ratio: float | None
    archive_seq: int
    previous_session: dt.date
    previous_close: float
    next_close: float | None


class Move(msgspec.Struct, frozen=True):
    """A large move: `open_move` and `close_move` are from the close before, as traded; `left` is the larger of the
    two once splits and dividends are undone."""

    ticker: str
    session: dt.date
    kind: MoveKind
    open_move: float
    close_move: float
    left: float
    previous_session: dt.date
    previous_close: float
    open: float
    close: float
    volume_ratio: float | None
    archive_seq: int
    why: str


def classify(bar: Beside, effects: Sequence[Effect], limit: float = LIMIT) -> Move:
    """Return a large move with its class."""
    expected = bar.previous_close
    for effect in effects:
        expected *= effect.price_factor
    moves = [bar.open / bar.previous_close - 1, bar.close / bar.previous_close - 1]
    left = max((bar.open / expected - 1, bar.close / expected - 1), key=abs) if expected > 0 else float("nan")
    kind, why = _kind(bar, effects, left, limit)
    return Move(
        ticker=bar.ticker,
        session=bar.session,
        kind=kind,
        open_move=moves[0],
        close_move=moves[1],
        left=left,
        previous_session=bar.previous_session,
        previous_close=bar.previous_close,
        open=bar.open,
        close=bar.close,
        volume_ratio=bar.volume_ratio,
        archive_seq=bar.archive_seq,
        why=why,
    )


def _kind(bar: Beside, effects: Sequence[Effect], left: float, limit: float) -> tuple[MoveKind, str]:
    if effects:
        named = ", ".join(map(str, effects))
        if abs(left) <= limit:
            is_split = any(effect.kind == "split" for effect in effects)
            return MoveKind.SPLIT if is_split else MoveKind.DIVIDEND, named
        return MoveKind.UNEXPLAINED, f"{left:+.1%} besides {named}"
    if not _stays(bar) or bar.volume_ratio is None:
        return MoveKind.UNEXPLAINED, ""
    ratio = _suspected_ratio(bar)
    if ratio is not None:
        return MoveKind.SPLIT_SUSPECTED, f"near {_spelt(ratio)}, volume {bar.volume_ratio:.1f} times the usual"
    if _is_like_a_spin_off(bar, limit):
        return MoveKind.SPIN_OFF_SUSPECTED, f"lower from the open on, volume {bar.volume_ratio:.1f} times the usual"
    return MoveKind.UNEXPLAINED, ""


def _stays(bar: Beside) -> bool:
    """Tell whether the next close is nearer to this one than to the one before; of the last bar nobody knows."""
    return bar.next_close is None or abs(bar.next_close - bar.close) < abs(bar.next_close - bar.previous_close)


def _suspected_ratio(bar: Beside) -> float | None:
    """Return how many new shares one old one may have become."""
    assert bar.volume_ratio is not None
    for price in (bar.open, bar.close):
        if price <= 0:
            continue
        shares = bar.previous_close / price
        near = min((ratio for one in _RATIOS for ratio in (one, 1 / one)), key=lambda ratio: abs(shares / ratio - 1))
        usual = bar.volume_ratio / near
        if abs(shares / near - 1) <= _TOLERANCE and 1 / _USUAL_VOLUME <= usual <= _USUAL_VOLUME:
            return near
    return None


def _is_like_a_spin_off(bar: Beside, limit: float) -> bool:
    assert bar.volume_ratio is not None
    fell = _DEEPEST_SPIN_OFF <= bar.open / bar.previous_close - 1 < -limit
    return fell and bar.volume_ratio <= _USUAL_VOLUME and abs(bar.close / bar.open - 1) <= _QUIET


def _spelt(ratio: float) -> str:
    new, old = (ratio, 1.0) if ratio > 1 else (1.0, 1 / ratio)
    while not (new.is_integer() and old.is_integer()):
        new, old = new * 2, old * 2
    return f"{new:g}:{old:g}"
