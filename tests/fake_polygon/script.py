"""What befalls one ticker: at most one episode per slot of 64 sessions, and a regular dividend in between.

The slots are why the answers are exact. An episode starts 24 to 39 sessions into its slot and all its effects
end within it: every trailing window of 20 sessions that an episode touches is otherwise quiet, and no two
episodes meet. The script is drawn slot after slot, so a longer market has the same beginning. It must not know
prices or dates: it counts in session indices.
"""

import random

import msgspec

from tests.fake_polygon.cast import Cue, Role

SLOT = 64
EARLIEST = 24
TRAILING = 20  # sessions of the trailing median that the volume answers are stated for

# How often each kind is met in an eventful slot of a ticker without an opening of its own.
KINDS: dict[str, int] = {
    "split": 3,
    "gap": 4,
    "volume_spike": 3,
    "volume_drought": 2,
    "halt": 2,
    "hole": 3,
    "missing_field": 1,
    "null_field": 1,
    "non_session_row": 1,
    "duplicate_row": 1,
    "high_below_close": 1,
    "low_above_open": 1,
    "zero_price": 1,
    "negative_volume": 1,
    "extreme_move": 1,
    "special_dividend": 0,
    "split_moved": 0,
    "split_cancelled": 0,
}
# Up to four for one, raw share volume stays within ten times its trailing median by itself.
_ORDINARY_RATIOS = ((1, 2), (1, 3), (1, 4), (2, 3), (2, 1), (4, 1))


class Episode(msgspec.Struct, frozen=True):
    """One thing that happens at session index `at`, with what its kind needs.

    `jump` is the ratio of the open to the previous close of a gap; the rest as in `cast.Cue`.
    """

    kind: str
    at: int
    split_from: int = 1
    split_to: int = 1
    turnover: float = 1.0
    span: int = 1
    jump: float = 1.0

    @property
    def splits(self) -> bool:
        """Whether shares are really exchanged."""
        return self.kind in ("split", "split_moved")

    @property
    def overwhelms_volume(self) -> bool:
        """Whether raw share volume leaves (0.1, 10) times its trailing median by the split alone."""
        ratio = self.split_to / self.split_from * self.turnover
        return self.splits and not 0.1 < ratio < 10


class Script(msgspec.Struct, frozen=True):
    """One ticker's draws: its profile, its episodes in order and the session indices of its regular dividends.

    Units: start_price USD/share; base_volume shares per session; swing scales the size of daily moves.
    """

    start_price: float
    base_volume: float
    swing: float
    episodes: tuple[Episode, ...]
    dividends_at: tuple[int, ...]


def write_script(draw: random.Random, role: Role, sessions: int) -> Script:
    """Return what befalls a ticker in its first `sessions` sessions."""
    start_price = draw.uniform(60, 400)
    base_volume = 10 ** draw.uniform(5.3, 7.6)
    swing = draw.uniform(0.6, 1.2)
    pays = draw.random() < 0.6
    teller = _Teller(draw, role)
    episodes: list[Episode] = []
    dividends: list[int] = []
    for slot in range(-(-sessions // SLOT)):
        episode = teller.slot(slot)
        if episode is not None:
            episodes.append(episode)
        dividends.append(slot * SLOT + 46 + draw.randrange(12))
    return Script(
        start_price=role.start_price or start_price,
        base_volume=base_volume,
        swing=swing,
        episodes=tuple(e for e in episodes if e.at < sessions),
        dividends_at=tuple(d for d in dividends if d < sessions) if _pays(role, pays) else (),
    )


def _pays(role: Role, drawn: bool) -> bool:
    return drawn if role.dividends is None else role.dividends


class _Teller:
    """Draws one slot after the other; remembers what keeps prices in a believable range."""

    def __init__(self, draw: random.Random, role: Role) -> None:
        self._draw = draw
        self._role = role
        self._rising = draw.random() < 0.5
        self._shares = 1.0  # how many shares one share of the start has become

    def slot(self, slot: int) -> Episode | None:
        at = slot * SLOT + EARLIEST + self._draw.randrange(16)
        eventful = self._draw.random() < self._role.rate
        kind = self._draw.choices(list(KINDS), list(KINDS.values()))[0]
        size, span = self._draw.random(), 2 + self._draw.randrange(5)
        ratio = self._ratio()
        if slot < len(self._role.opening):
            cue = self._role.opening[slot]
        elif eventful and at >= self._role.shown_from + EARLIEST:
            cue = Cue(kind, ratio, span=span if kind == "halt" else 1)
        else:
            return None
        return self._episode(cue, at, size)

    def _ratio(self) -> tuple[int, int]:
        fitting = [r for r in _ORDINARY_RATIOS if 0.4 <= self._shares * r[1] / r[0] <= 5]
        return self._draw.choice(fitting or [(1, 2)])

    def _episode(self, cue: Cue, at: int, size: float) -> Episode:
        split_from, split_to = cue.ratio or (1, 1)
        jump = 1.0
        if cue.kind == "gap":
            jump = 1.13 + 0.2 * size if self._rising else 0.87 - 0.15 * size
            self._rising = not self._rising
        episode = Episode(cue.kind, at, split_from, split_to, cue.turnover, cue.span, jump)
        if episode.splits:
            self._shares *= split_to / split_from
        return episode
