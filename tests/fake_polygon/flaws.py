"""Rows that the vendor publishes wrongly: what each kind of flaw makes of a good bar, and which rules that breaks.

The rules are those of the project's design (§4), read literally: a flaw is named for everything it breaks. It must
not know how such rows are sent or stored.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from tests.fake_polygon.market import ABSENT, NULL, BarRow
from tests.fake_polygon.script import Episode
from tests.fake_polygon.walk import PRICE_TICKS, VOLUME_TICKS, Walk

# What is true of the session of a flawed row, in the words of `answers.Answer.kind`.
BROKEN_BY: dict[str, tuple[str, ...]] = {
    "high_below_close": ("high_brackets",),
    "low_above_open": ("low_brackets",),
    "zero_price": ("prices_positive",),
    "negative_volume": ("volume_not_negative", "volume_anomaly"),
    "extreme_move": ("move_bounded", "large_gap"),
    "missing_field": ("missing_field",),
    "null_field": ("null_field",),
    "non_session_row": ("non_session",),
    "duplicate_row": ("duplicate_row",),
}


class FlawedRows(msgspec.Struct, frozen=True):
    """All rows published for one ticker on one date, in place of the natural ones."""

    session: date
    kind: str
    rows: tuple[BarRow, ...]


def flawed_rows(episode: Episode, walk: Walk, sessions: Sequence[date]) -> FlawedRows | None:
    """Return what is published instead of the natural bar, or None where the episode is no flaw of a row."""
    if episode.kind not in BROKEN_BY:
        return None
    if episode.kind == "non_session_row":
        return _ghost(episode, walk, sessions)
    session = sessions[episode.at]
    bar = natural_row(walk, episode.at, session)
    return FlawedRows(session, episode.kind, _spoiled(episode, bar))


def natural_row(walk: Walk, at: int, session: date) -> BarRow:
    """Return the walk's bar at an index as a row of that date."""
    prices = (walk.open[at], walk.high[at], walk.low[at], walk.close[at])
    vwap, trades = int(walk.vwap[at]), int(walk.trades[at])
    opened, high, low, close = (int(ticks) / PRICE_TICKS for ticks in prices)
    volume = int(walk.volume[at]) / VOLUME_TICKS
    sent_vwap = vwap / PRICE_TICKS if vwap else ABSENT
    return BarRow(session, opened, high, low, close, volume, sent_vwap, float(trades) if trades else ABSENT)


def _spoiled(episode: Episode, bar: BarRow) -> tuple[BarRow, ...]:
    match episode.kind:
        case "high_below_close":
            return (bar._replace(high=bar.low),)
        case "low_above_open":
            return (bar._replace(low=bar.high),)
        case "zero_price":
            return (bar._replace(low=0.0),)
        case "negative_volume":
            return (bar._replace(volume=-bar.volume),)
        case "extreme_move":
            tiny = round(bar.close / 7.5, 2)
            return (bar._replace(open=tiny, low=tiny),)
        case "missing_field":
            return (_without(bar, episode.at, ABSENT),)
        case "null_field":
            return (_without(bar, episode.at, NULL),)
        case _:
            return (bar, bar)


def _without(bar: BarRow, at: int, marker: float) -> BarRow:
    """Return the row with the marker in place of one of its required numbers, another one each time."""
    numbers = list(bar[1:])
    numbers[at % 5] = marker
    return BarRow(bar.session, *numbers)


def _ghost(episode: Episode, walk: Walk, sessions: Sequence[date]) -> FlawedRows | None:
    """The week's last bar once more, dated on the Saturday after it."""
    day = sessions[episode.at]
    saturday = day + timedelta(days=5 - day.weekday())
    at = episode.at
    while at + 1 < len(sessions) and sessions[at + 1] < saturday:
        at += 1
    return FlawedRows(saturday, episode.kind, (natural_row(walk, at, saturday),))
