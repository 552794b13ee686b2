"""What a projection says, as two hashes: equal rows give equal hashes, in whatever order and batches they came.

`content` covers what is believed of prices: bars with their verdicts, splits, dividends and overrides. Two archives
that hold the same answers about them agree in it. `provenance` covers every row with the payload it came from,
revisions, rejections and ticker lists too: a rebuild and a catch-up of the same archive agree in both.

Each is the sum of one 128-bit hash for each row, its two halves each modulo 2^64, so a catch-up adds what it writes,
subtracts what it replaces, and reads nothing else. They tell projections apart; they are no defence against a forger
(the archive's SHA-256 is).
"""

import datetime as dt
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from project.judged import JudgedBars
from project.rejection import Rejection
from project.rows import BarRows, Ints, Tickers

_Lane = npt.NDArray[np.uint64]
_Column = npt.NDArray[Any]
_MULTIPLIERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_SHIFT = np.uint64(29)
_AT_ONCE = 8192  # rows whose lanes stay in the processor's cache while they are mixed
_HALF = (1 << 64) - 1


class Fingerprint(msgspec.Struct, frozen=True):
    """The two hashes of a set of rows, each a number below 2^128."""

    content: int = 0
    provenance: int = 0

    def __add__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(_add(self.content, other.content), _add(self.provenance, other.provenance))

    def __sub__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(_subtract(self.content, other.content), _subtract(self.provenance, other.provenance))

    @property
    def content_hash(self) -> str:
        """The content hash as 32 hexadecimal digits."""
        return f"{self.content:032x}"

    @property
    def provenance_hash(self) -> str:
        """The provenance hash as 32 hexadecimal digits."""
        return f"{self.provenance:032x}"

    @classmethod
    def parse(cls, content_hash: str, provenance_hash: str) -> "Fingerprint":
        """Return the fingerprint that two texts of 32 digits stand for."""
        return cls(int(content_hash, 16), int(provenance_hash, 16))


def of_bars(judged: JudgedBars, tickers: Tickers) -> Fingerprint:
    """Return the fingerprint of rows of the bar table."""
    believed = [
        *_value_columns(judged.bars, tickers),
        judged.gap,
        judged.volume_ratio,
        judged.failed_rules,
        judged.quality_score,
        judged.validated,
    ]
    return _fingerprint("bar", believed, _origin_columns(judged.bars))


def of_revisions(old: BarRows, known_to: Ints, superseded_by: Ints, tickers: Tickers) -> Fingerprint:
    """Return the fingerprint of rows of the bar_revision table: provenance only."""
    origin = [*_origin_columns(old), known_to, superseded_by]
    return _history(_fingerprint("bar_revision", _value_columns(old, tickers), origin))


def of_rejections(rejections: Iterable[Rejection]) -> Fingerprint:
    """Return the fingerprint of rows of the rejection table: provenance only."""
    total = Fingerprint()
    for rejection in rejections:
        total += Fingerprint(0, _digest("rejection", rejection))
    return total


class Versioned(Protocol):
    """A record as the hash sees it (project/record.py)."""

    MOVES_PRICES: ClassVar[bool]

    @property
    def known_to(self) -> dt.datetime | None:
        """Until when it was believed, None while it is."""

    @property
    def fact(self) -> tuple[object, ...]:
        """What it states."""


def of_records(records: Iterable[Versioned]) -> Fingerprint:
    """Return the fingerprint of versions of records: provenance only of what is not believed now or moves no price."""
    total = Fingerprint()
    for record in records:
        table = type(record).__name__
        believed = _digest(table, record.fact) if record.known_to is None and record.MOVES_PRICES else 0
        total += Fingerprint(believed, _digest(table, record))
    return total


def of_factors(factors: Iterable[object]) -> Fingerprint:
    """Return the fingerprint of rows of the factor table, which follow from records and bars: provenance only."""
    total = Fingerprint()
    for factor in factors:
        total += Fingerprint(0, _digest("factor", factor))
    return total


def _history(fingerprint: Fingerprint) -> Fingerprint:
    return Fingerprint(0, fingerprint.provenance)


def _value_columns(bars: BarRows, tickers: Tickers) -> list[_Column]:
    names = np.frombuffer(b"".join(map(_name_digest, tickers.names)), "<u8").reshape(-1, 2)[bars.ticker]
    return [names[:, 0], names[:, 1], bars.day, *bars.values]


@lru_cache(maxsize=65_536)
def _name_digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


def _origin_columns(bars: BarRows) -> list[_Column]:
    return [bars.archive_seq, bars.known_from]


def _bits(column: _Column) -> _Lane:
    if column.dtype == np.float64:
        # NaN stands for NULL and has one bit pattern here.
        return np.where(np.isnan(column), np.nan, column).view(np.uint64)
    return column.astype(np.uint64) if column.dtype == np.bool_ else column.view(np.uint64)


def _fingerprint(table: str, believed: list[_Column], origin: list[_Column]) -> Fingerprint:
    total = Fingerprint()
    for start in range(0, len(believed[0]), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        total += _fingerprint_of_some(table, *([_bits(column[some]) for column in part] for part in (believed, origin)))
    return total


def _fingerprint_of_some(table: str, believed: list[_Lane], origin: list[_Lane]) -> Fingerprint:
    content = provenance = 0
    seeds = np.frombuffer(hashlib.blake2b(table.encode(), digest_size=16).digest(), "<u8")
    for seed, multiplier in zip(seeds, _MULTIPLIERS, strict=True):
        lane = _mix(np.full(len(believed[0]), seed), believed, multiplier)
        content = (content << 64) + _sum(lane * multiplier)
        provenance = (provenance << 64) + _sum(_mix(lane, origin, multiplier) * multiplier)
    return Fingerprint(content, provenance)


def _mix(lane: _Lane, columns: list[_Lane], multiplier: np.uint64) -> _Lane:
    """Fold columns into one number a row, in place; after each, a multiplication and a shift spread its bits."""
    for column in columns:
        lane ^= column
        lane *= multiplier
        lane ^= lane >> _SHIFT
    return lane


def _sum(lane: _Lane) -> int:
    return int(lane.sum(dtype=np.uint64))


def _add(one: int, other: int) -> int:
    return (((one >> 64) + (other >> 64) & _HALF) << 64) + (one + other & _HALF)


def _subtract(one: int, other: int) -> int:
    return (((one >> 64) - (other >> 64) & _HALF) << 64) + (one - other & _HALF)


def _digest(table: str, record: object) -> int:
    digest = hashlib.blake2b(table.encode(), digest_size=16)
    digest.update(msgspec.json.encode(record))
    return int.from_bytes(digest.digest(), "little")
