"""The spot check: closes of ours beside those of a second source, told apart by how far they differ.

Which symbols are looked at, how two closes compare, and what it all amounts to. It knows no database, no file, no
network and no clock.

A difference is |ours / theirs − 1|, computed exactly in the decimal digits that both were written in. It is within
0.2 %, or 0.2 to 1 %, 1 to 5 %, or above 5 %; a difference on an edge belongs to the band that the edge ends, so 0.2 %
sharp is within 0.2 %. A close of theirs that is no positive number cannot be compared.
"""

import datetime as dt
import math
import sys
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from hashlib import sha256

import msgspec

_NAMED = 30
_WORST = 10


class Band(StrEnum):
    """How far a close of ours is from theirs."""

    WITHIN_0_2 = "within_0_2_percent"
    TO_1 = "from_0_2_to_1_percent"
    TO_5 = "from_1_to_5_percent"
    ABOVE_5 = "above_5_percent"


_EDGES = ((Fraction(2, 1000), Band.WITHIN_0_2), (Fraction(1, 100), Band.TO_1), (Fraction(5, 100), Band.TO_5))
_FAR = (Band.TO_5, Band.ABOVE_5)


class OurClose(msgspec.Struct, frozen=True):
    """A close of the projection. Units: USD per share, of the day or of today as the second source has it."""

    close: float
    validated: bool


class Deviation(msgspec.Struct, frozen=True):
    """Two closes of one bar. `percent` is ours / theirs − 1 in percent, positive where ours is higher."""

    symbol: str
    session: dt.date
    ours: float
    theirs: float
    percent: float
    band: Band
    validated: bool


class SymbolCheck(msgspec.Struct, frozen=True):
    """What came of one symbol, which the second source calls `asked_as`.

    `they_lack` and `we_lack` are the dates only one side has a close for, `not_comparable` those on which theirs is no
    positive number. `why` says why the second source gave nothing; then nothing else is known.
    """

    symbol: str
    asked_as: str
    compared: int = 0
    they_lack: tuple[dt.date, ...] = ()
    we_lack: tuple[dt.date, ...] = ()
    not_comparable: tuple[dt.date, ...] = ()
    why: str | None = None


class Asked(msgspec.Struct, frozen=True):
    """What a spot check is about: the ledger's row for its start.

    `as_of` is the date in whose shares closes are compared, None for as traded. `candidates` symbols have validated
    bars in the period; for `nameless` of them the second source has no name that we know, `named_nameless` are the
    first of those. `symbols` were drawn from the rest.
    """

    source: str
    first: dt.date
    last: dt.date
    as_of: dt.date | None
    sample: int
    seed: int
    worst_percent: float
    candidates: int
    nameless: int
    named_nameless: tuple[str, ...]
    symbols: tuple[str, ...]


class SpotCheck(msgspec.Struct, frozen=True):
    """What a spot check found. `far_percent` of the closes compared differ by more than 1 %; None without any.

    Shape: `bands` has every band; `worst` the ten largest differences, largest first.
    """

    run_id: uuid.UUID
    asked: Asked
    compared: int
    bands: dict[Band, int]
    far_percent: float | None
    passed: bool
    they_lack: int
    we_lack: int
    not_comparable: int
    worst: tuple[Deviation, ...]
    symbols: tuple[SymbolCheck, ...]

    def failures(self) -> dict[str, str]:
        """Return the symbols that the second source gave nothing for, and why."""
        return {check.symbol: check.why for check in self.symbols if check.why is not None}


def draw_sample(symbols: Iterable[str], size: int, seed: int) -> list[str]:
    """Return `size` symbols (or all, where there are fewer) in order, drawn by a seed.

    Whether a symbol is drawn before another depends on the seed and these two alone, on every machine and whatever
    else is there to be drawn.
    """
    by_lot = sorted(symbols, key=lambda symbol: sha256(f"{seed} {symbol}".encode()).digest())
    return sorted(by_lot[:size])


def first_named(symbols: Sequence[str]) -> tuple[str, ...]:
    """Return as many symbols as are named where there may be thousands."""
    return tuple(symbols[:_NAMED])


def difference(ours: float, theirs: float) -> Fraction | None:
    """Return ours / theirs − 1, exact in the shortest decimals of both; None where that means nothing."""
    if not math.isfinite(ours) or not math.isfinite(theirs) or theirs <= 0:
        return None
    return Fraction(repr(ours)) / Fraction(repr(theirs)) - 1


def band_of(apart: Fraction) -> Band:
    """Return the band of a difference; one on an edge belongs to the band that ends there."""
    return next((band for edge, band in _EDGES if abs(apart) <= edge), Band.ABOVE_5)


def compare(
    symbol: str, asked_as: str, ours: Mapping[dt.date, OurClose], theirs: Mapping[dt.date, float]
) -> tuple[SymbolCheck, list[Deviation]]:
    """Return what comes of setting all closes of one symbol side by side, both over the same period."""
    deviations: list[Deviation] = []
    not_comparable: list[dt.date] = []
    for session in sorted(ours.keys() & theirs.keys()):
        our, their = ours[session], theirs[session]
        apart = difference(our.close, their)
        if apart is None:
            not_comparable.append(session)
            continue
        deviations.append(Deviation(symbol, session, our.close, their, _percent(apart), band_of(apart), our.validated))
    check = SymbolCheck(
        symbol,
        asked_as,
        compared=len(deviations),
        they_lack=tuple(sorted(ours.keys() - theirs.keys())),
        we_lack=tuple(sorted(theirs.keys() - ours.keys())),
        not_comparable=tuple(not_comparable),
    )
    return check, deviations


def _percent(apart: Fraction) -> float:
    return float(min(apart * 100, Fraction(sys.float_info.max)))


def is_within(far: int, compared: int, worst_percent: float) -> bool:
    """Tell whether `far` of `compared` closes are at most `worst_percent` of them."""
    return far * 100 <= Fraction(repr(worst_percent)) * compared


def conclude(
    run_id: uuid.UUID, asked: Asked, checks: Sequence[SymbolCheck], deviations: Sequence[Deviation]
) -> SpotCheck:
    """Return what all symbols amount to. It passes if few enough closes differ by more than 1 %, of at least one."""
    counts = Counter(deviation.band for deviation in deviations)
    compared, far = len(deviations), sum(counts[band] for band in _FAR)
    apart = sorted(deviations, key=lambda each: (-abs(each.percent), each.symbol, each.session))
    return SpotCheck(
        run_id=run_id,
        asked=asked,
        compared=compared,
        bands={band: counts[band] for band in Band},
        far_percent=100 * far / compared if compared else None,
        passed=compared > 0 and is_within(far, compared, asked.worst_percent),
        they_lack=sum(len(check.they_lack) for check in checks),
        we_lack=sum(len(check.we_lack) for check in checks),
        not_comparable=sum(len(check.not_comparable) for check in checks),
        worst=tuple(each for each in apart[:_WORST] if each.percent != 0),
        symbols=tuple(checks),
    )
