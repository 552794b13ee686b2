"""One ticker's natural series: a bounded random walk whose moves never look like a fault by themselves.

Bounds: overnight moves stay below 2 %, a day's below 5 %, so two days with a hole between them stay below 10 %;
any two volumes of one ticker are within a factor of 8. Everything is drawn row by row and padded to whole
blocks, so a longer walk begins with the same bits. It must not know dates, flaws or who asks.

Units: prices in ticks of 1e-4 USD, volume in millionths of a share, both integers, so that dividing gives exactly
the double that the printed decimal parses to.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from tests.fake_polygon.script import Script

Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]

PRICE_TICKS = 10_000
VOLUME_TICKS = 1_000_000
_CENT = 100
_BLOCK = 512
_REACH = 0.9  # the walk is folded back at exp(±0.9) of its start
_DRAWS = 19


class Walk(msgspec.Struct, frozen=True, eq=False):
    """A ticker's bars on every session of the grid, before flaws. vwap and trades are 0 where they are left out.

    `first_close` and `first_volume` are what was published first where `restated` is set.
    """

    present: _Bools
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    vwap: Ints
    trades: Ints
    restated: _Bools
    first_close: Ints
    first_volume: Ints


class _Course(msgspec.Struct, eq=False):
    """How a script bends the walk, per session."""

    still: _Bools  # no trade, no move
    overnight: _Floats  # 0 where a gap replaces the natural overnight move
    level: _Floats  # log of the price level that gaps and special dividends leave behind
    shares: _Floats  # shares that one share of the start has become
    turnover: _Floats  # further factor on share volume
    calm: _Floats  # exponent on the volume noise
    present: _Bools


def padded(sessions: int) -> int:
    """Return how many sessions are walked for a market of that many: whole blocks, with room for announcements."""
    return -(-(sessions + 64) // _BLOCK) * _BLOCK


def walk(script: Script, draw: np.random.Generator, sessions: int, fractional_from: int) -> Walk:
    """Return the natural series of a ticker; volumes have six decimals from index `fractional_from` on."""
    u = draw.random((sessions, _DRAWS))
    course = _course(script, sessions)
    opened, closed = _prices(script, u, course)
    top, bottom = np.maximum(opened, closed), np.minimum(opened, closed)
    finer = np.where(u[:, 17] < 0.15, np.floor(u[:, 17] * 600), 0).astype(np.int64)  # 241.8201
    high = top + _CENT + (top * u[:, 9] * 0.01).astype(np.int64) // _CENT * _CENT + finer
    low = bottom - _CENT - (bottom * u[:, 10] * 0.01).astype(np.int64) // _CENT * _CENT - finer
    vwap = low + ((high - low) * (0.25 + 0.5 * u[:, 11])).astype(np.int64)
    shares = _shares(script, u, course)
    trades = np.maximum(1, (shares / (80 + 200 * u[:, 12])).astype(np.int64))
    plain = u[:, 13] < 0.004
    vwap[plain], trades[plain] = 0, 0
    micros = np.where(u[:, 15] < 0.91, u[:, 16] * VOLUME_TICKS, 0).astype(np.int64)
    micros[:fractional_from] = 0
    first_close, first_volume = _first_published(u, high, low, closed, shares)
    return Walk(
        present=course.present,
        open=opened,
        high=high,
        low=low,
        close=closed,
        volume=shares * VOLUME_TICKS + micros,
        vwap=vwap,
        trades=trades,
        restated=(u[:, 14] < 0.03) & course.present,
        first_close=first_close,
        first_volume=first_volume,
    )


def _bell(u: _Floats) -> _Floats:
    """Three uniforms make a bell between -3 and 3 with variance 1: bounded, and exact on every machine."""
    total: _Floats = (u[:, 0] + u[:, 1] + u[:, 2] - 1.5) * 2
    return total


def _fold(path: _Floats) -> _Floats:
    """Reflect the path at ±_REACH, so that no step grows and no price runs away."""
    folded: _Floats = _REACH - np.abs((path + _REACH) % (4 * _REACH) - 2 * _REACH)
    return folded


def _prices(script: Script, u: _Floats, course: _Course) -> tuple[Ints, Ints]:
    moves = np.empty(2 * len(u))
    moves[0::2] = _bell(u[:, 0:3]) * 0.005 * script.swing * course.overnight
    moves[1::2] = _bell(u[:, 3:6]) * 0.013 * script.swing
    moves[0::2][course.still] = 0
    moves[1::2][course.still] = 0
    path = np.exp(_fold(np.cumsum(moves)) + np.repeat(course.level, 2))
    price = path * script.start_price / np.repeat(course.shares, 2)
    ticks = np.rint(price * 100).astype(np.int64) * _CENT
    return ticks[0::2], ticks[1::2]


def _shares(script: Script, u: _Floats, course: _Course) -> Ints:
    noise = np.exp(_bell(u[:, 6:9]) * 0.34 * course.calm)
    whole: Ints = (script.base_volume * course.shares * course.turnover * noise).astype(np.int64) + 1
    return whole


def _first_published(u: _Floats, high: Ints, low: Ints, close: Ints, shares: Ints) -> tuple[Ints, Ints]:
    """A third of the restated bars had another close too; all had less volume."""
    moved = close + np.rint((u[:, 18] - 0.5) * 0.004 * close / _CENT).astype(np.int64) * _CENT
    first_close = np.where(u[:, 14] < 0.01, np.clip(moved, low, high), close)
    first_volume = (shares * (0.999 - 0.03 * u[:, 18])).astype(np.int64) * VOLUME_TICKS
    return first_close, first_volume


def _course(script: Script, n: int) -> _Course:
    course = _Course(
        still=np.zeros(n, bool),
        overnight=np.ones(n),
        level=np.zeros(n),
        shares=np.ones(n),
        turnover=np.ones(n),
        calm=np.ones(n),
        present=np.ones(n, bool),
    )
    for episode in script.episodes:
        at, end = episode.at, episode.at + episode.span
        match episode.kind:
            case "gap":
                course.overnight[at] = 0
                course.level[at:] += np.log(episode.jump)
            case "special_dividend":
                course.level[at:] += np.log(0.85)
            case "split" | "split_moved":
                course.shares[at:] *= episode.split_to / episode.split_from
                course.turnover[at:] *= episode.turnover
                strong = max(episode.split_from, episode.split_to) >= 8
                course.calm[max(0, at - 22) : at + 22] = 0.05 if strong else 0.35
            case "volume_spike":
                course.turnover[at] *= 40
            case "volume_drought":
                course.turnover[at] *= 0.02
            case "halt":
                course.still[at:end] = True
                course.present[at:end] = False
            case "hole":
                course.present[at] = False
            case _:
                pass  # a flaw of the published row, or only of an announcement: see `flaws` and `corporate`
    return course
