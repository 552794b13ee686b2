"""What is true of a synthetic market, so that whoever looks for faults can be held to finding all and only these.

Kinds, in the words of the project's rules: high_brackets, low_brackets, prices_positive, volume_not_negative,
move_bounded, large_gap, volume_anomaly, corporate_action; rows that cannot be bars: missing_field, null_field,
non_session, duplicate_row; sessions without a row: hole, halt; and split_volume, where raw share volume leaves
(0.1, 10) times the median of the 20 sessions before by a split alone, so that only a rule that does not undo
splits flags it. It must not know how anything is published.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime

import msgspec

from tests.fake_polygon.corporate import Span
from tests.fake_polygon.flaws import BROKEN_BY, FlawedRows
from tests.fake_polygon.market import MarketDividend, MarketSplit
from tests.fake_polygon.script import TRAILING, Episode, Script


class Answer(msgspec.Struct, frozen=True, order=True):
    """One thing that is true of one ticker on one date."""

    ticker: str
    session: date
    kind: str


class Restatement(msgspec.Struct, frozen=True):
    """A bar that was first published with other values; the final ones are served from `published_at` on.

    Units: USD/share, shares.
    """

    ticker: str
    session: date
    published_at: datetime
    first_close: float
    first_volume: float
    close: float
    volume: float


class Answers(msgspec.Struct, frozen=True):
    """Everything that is true of one synthetic market, in the order of its symbols and sessions."""

    facts: tuple[Answer, ...]
    restatements: tuple[Restatement, ...]
    splits: tuple[MarketSplit, ...]
    dividends: tuple[MarketDividend, ...]
    test_tickers: frozenset[str]

    def of(self, *kinds: str) -> frozenset[tuple[str, date]]:
        """Return the (ticker, date) pairs of which any of these kinds is true."""
        return frozenset((fact.ticker, fact.session) for fact in self.facts if fact.kind in kinds)


def episode_answers(
    ticker: str, script: Script, sessions: Sequence[date], span: Span, flawed: Sequence[FlawedRows]
) -> Iterator[Answer]:
    """Yield what a ticker's episodes make true within the sessions that have passed."""
    for rows in flawed:
        for kind in BROKEN_BY[rows.kind]:
            yield Answer(ticker, rows.session, kind)
    for episode in script.episodes:
        for kind, at in _effects(episode):
            if span.first <= at < min(span.end, span.today):
                yield Answer(ticker, sessions[at], kind)


def _effects(episode: Episode) -> Iterator[tuple[str, int]]:
    at = episode.at
    match episode.kind:
        case "gap":
            yield "large_gap", at
        case "volume_spike" | "volume_drought":
            yield "volume_anomaly", at
        case "hole":
            yield "hole", at
        case "halt":
            yield from (("halt", at + n) for n in range(episode.span))
        case _ if episode.overwhelms_volume:
            # Half of a trailing window must have the new shares before its median has moved.
            yield from (("split_volume", at + n) for n in range(TRAILING // 2))
