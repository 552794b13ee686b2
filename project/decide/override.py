"""The override: a person's verdict on one bar, which stands whatever the rules say of it.

It speaks of a (ticker, session), not of values: when the vendor restates the bar, the override goes on holding. Score
and failed rules stay as the rules have them; only `validated` is overruled.
"""

import datetime as dt
from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec
import numpy as np

from project.judged import JudgedBars
from project.record import Record
from project.rows import Bools, Ints, Tickers

_EPOCH = dt.date(1970, 1, 1)
_DAY_BITS = 24


class Override(Record, frozen=True):
    """What a person decided of a bar: `verdict` is its `validated` from there on, until it is revoked."""

    KEY: ClassVar = ("ticker", "session")

    ticker: str
    session: dt.date
    verdict: Literal["accept", "reject"]
    because: str
    decided_by: str
    decided_at: dt.datetime

    @property
    def judged_from(self) -> dt.date | None:
        """The session it speaks of."""
        return self.session


class Overrides(msgspec.Struct, frozen=True):
    """Overrides as columns, in ascending order of `keys`, which are made of ticker number and day."""

    keys: Ints
    accepted: Bools


NO_OVERRIDES = Overrides(np.empty(0, np.int64), np.empty(0, np.bool_))


def overrides_of(records: Sequence[Override], tickers: Tickers) -> Overrides:
    """Return believed overrides as columns; tickers that are new get a number."""
    codes = tickers.codes([record.ticker for record in records])
    days = np.fromiter(((record.session - _EPOCH).days for record in records), np.int64, len(records))
    accepted = np.fromiter((record.verdict == "accept" for record in records), np.bool_, len(records))
    keys = _keys(codes, days)
    order = np.argsort(keys)
    return Overrides(keys[order], accepted[order])


def overrule(judged: JudgedBars, overrides: Overrides) -> JudgedBars:
    """Return the bars with the verdicts of persons in the place of the rules' where there are any."""
    if len(overrides.keys) == 0:
        return judged
    keys = _keys(judged.bars.ticker, judged.bars.day)
    places = np.minimum(np.searchsorted(overrides.keys, keys), len(overrides.keys) - 1)
    decided = overrides.keys[places] == keys
    validated = np.where(decided, overrides.accepted[places], judged.validated)
    return msgspec.structs.replace(judged, validated=validated)


def _keys(codes: Ints, days: Ints) -> Ints:
    return np.asarray((codes << _DAY_BITS) + days)
