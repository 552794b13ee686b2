"""Verification (law 3): the live projection is what the archive says by its rules, row by row and hash by hash.

Three fingerprints must be one: what the generation says of itself, what its tables hold, and what comes of replaying
the archive to the same checkpoint. Where they are not, the first row that differs is named. Nothing is written.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import asyncpg
import msgspec
import numpy as np

from project import content
from project.bulk.replay import Progress, ReplayedArchive, no_progress, replay_archive
from project.compare.beside import Beside, parts_beside
from project.content import Fingerprint
from project.factors.circumstances import key_of
from project.generation import LIVE, Generation, live_generation
from project.judged import JudgedBars
from project.kinds import KINDS
from project.record import Record
from project.rejection import Rejection
from project.rows import VALUES, BarRows, Tickers
from project.steady import read_steadily
from project.unload import (
    Revisions,
    of_revisions,
    read_factors,
    read_rejections,
    read_revisions,
    read_versions,
)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_Columns = dict[str, Any]


class Hashes(msgspec.Struct, frozen=True):
    """A fingerprint as the generation writes it."""

    content: str
    provenance: str


class Difference(msgspec.Struct, frozen=True):
    """A row that is not what a replay makes it."""

    table: str
    row: str
    detail: str


class Verified(msgspec.Struct, frozen=True):
    """What was compared and what came of it; `differences` has the first differing row of each table."""

    checkpoint: int
    ruleset_hash: str
    calendar_version: str
    bars: int
    recorded: Hashes
    stored: Hashes
    replayed: Hashes
    differences: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        """Whether all three fingerprints are the same."""
        return self.recorded == self.stored == self.replayed

    @property
    def why(self) -> str:
        """What is wrong first, in one line."""
        if self.differences:
            first = self.differences[0]
            return f"{first.table} {first.row} {first.detail}"
        if self.stored == self.replayed:
            return f"the generation records {_short(self.recorded)}, while its tables hold {_short(self.stored)}"
        return f"the tables hold {_short(self.stored)}, a replay gives {_short(self.replayed)}"


async def verify(connection: asyncpg.Connection, *, progress: Progress = no_progress) -> Verified:
    """Return how the live projection compares with a replay of the archive up to its checkpoint.

    Raises: NothingProjected, OutdatedProjection, UndecodablePayload, GenerationChanging.
    """

    async def run() -> Verified:
        generation, ruleset = await live_generation(connection)
        async with replay_archive(connection, ruleset, generation.checkpoint, progress=progress) as replayed:
            return await _compare(connection, generation, replayed)

    return await read_steadily(connection, run)


async def _compare(connection: asyncpg.Connection, generation: Generation, replayed: ReplayedArchive) -> Verified:
    stored, again = Fingerprint(), Fingerprint()
    columns = {"bar": _First("bar"), "bar_revision": _First("bar_revision")}
    factors = _Rows("factor", key_of)
    bars = 0
    async for part in parts_beside(connection, replayed):
        revisions = await read_revisions(connection, LIVE, part.tickers.names)
        columns["bar"].compare(part.tickers, _bar_columns(part.live), _bar_columns(part.replayed))
        columns["bar_revision"].compare(part.tickers, _revision_columns(revisions), _revision_columns(_sorted(part)))
        factors.expect(part.factors)
        stored += content.of_bars(part.live, part.tickers) + of_revisions(revisions, part.tickers)
        again += part.fingerprint
        bars += len(part.live)
    rejections = _Rows("rejection", _rejection_key)
    rejections.expect(replayed.rejections)
    again += content.of_rejections(replayed.rejections)
    async for some_rejections in read_rejections(connection, LIVE):
        rejections.meet(some_rejections)
        stored += content.of_rejections(some_rejections)
    versions = {kind.table: _Rows(kind.table, _version_key) for kind in KINDS}
    for table, folded in replayed.records.items():
        versions[table].expect(folded.added)
        again += folded.fingerprint
    async for table, records in read_versions(connection, LIVE):
        versions[table].meet(records)
        stored += content.of_records(records)
    async for some_factors in read_factors(connection, LIVE):
        factors.meet(some_factors)
        stored += content.of_factors(some_factors)
    rows = (rejections, *versions.values(), factors)
    found = [*(each.first() for each in columns.values()), *(each.first() for each in rows)]
    return Verified(
        checkpoint=generation.checkpoint,
        ruleset_hash=generation.ruleset_hash,
        calendar_version=generation.calendar_version,
        bars=bars,
        recorded=_hashes(generation.fingerprint),
        stored=_hashes(stored),
        replayed=_hashes(again),
        differences=tuple(each for each in found if each is not None),
    )


class _First:
    """The first row in which two sets of columns differ, over all parts."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._found: Difference | None = None

    def first(self) -> Difference | None:
        return self._found

    def compare(self, tickers: Tickers, stored: _Columns, replayed: _Columns) -> None:
        """Walk along both, which are in the same order; where one has a row more, they differ there."""
        if self._found is not None:
            return
        shared = min(len(stored["ticker"]), len(replayed["ticker"]))
        differs = np.zeros(shared, np.bool_)
        for name, column in stored.items():
            differs |= _bits(column[:shared]) != _bits(replayed[name][:shared])
        place = int(np.argmax(differs)) if differs.any() else shared
        one, other = _row(stored, place), _row(replayed, place)
        if one is not None or other is not None:
            self._found = self._tell(tickers, one, other)

    def _tell(self, tickers: Tickers, stored: _Columns | None, replayed: _Columns | None) -> Difference:
        if stored is None or (replayed is not None and _key(replayed) < _key(stored)):
            assert replayed is not None
            return Difference(self._table, _name(tickers, replayed), "is missing in the table")
        if replayed is None or _key(stored) < _key(replayed):
            return Difference(self._table, _name(tickers, stored), "is in the table and in no replay")
        other = [name for name in stored if _bits(stored[name]) != _bits(replayed[name])]
        return Difference(
            self._table,
            _name(tickers, stored),
            "; ".join(
                f"has {name} {_plain(name, stored[name])}, replayed {_plain(name, replayed[name])}" for name in other
            ),
        )


class _Rows:
    """Rows of a table, told apart by a key, that a replay leads one to expect and the table may hold."""

    def __init__(self, table: str, key: Callable[[Any], tuple[object, ...]]) -> None:
        self._table, self._key = table, key
        self._expected: dict[tuple[object, ...], bytes] = {}
        self._wrong: dict[tuple[object, ...], str] = {}

    def expect(self, rows: Iterable[object]) -> None:
        self._expected |= {self._key(row): msgspec.json.encode(row) for row in rows}

    def meet(self, rows: Iterable[object]) -> None:
        for row in rows:
            expected = self._expected.pop(self._key(row), None)
            if expected is None:
                self._wrong[self._key(row)] = "is in the table and in no replay"
            elif (held := msgspec.json.encode(row)) != expected:
                self._wrong[self._key(row)] = f"has {_fields_that_differ(held, expected)}"

    def first(self) -> Difference | None:
        wrong = self._wrong | dict.fromkeys(self._expected, "is missing in the table")
        if not wrong:
            return None
        key = min(wrong, key=lambda key: tuple(map(str, key)))
        return Difference(self._table, " ".join(map(str, key)), wrong[key])


def _fields_that_differ(held: bytes, expected: bytes) -> str:
    one, other = msgspec.json.decode(held), msgspec.json.decode(expected)
    return "; ".join(
        f"{name} {value!r}, replayed {other[name]!r}"
        for name, value in one.items()
        if msgspec.json.encode(value) != msgspec.json.encode(other[name])
    )


def _bar_columns(judged: JudgedBars) -> _Columns:
    return _row_columns(judged.bars) | {
        "gap": judged.gap,
        "volume_ratio": judged.volume_ratio,
        "failed_rules": judged.failed_rules,
        "quality_score": judged.quality_score,
        "validated": judged.validated,
        "archive_seq": judged.bars.archive_seq,
    }


def _revision_columns(revisions: Revisions) -> _Columns:
    return _row_columns(revisions.old) | {
        "version": revisions.old.archive_seq,
        "known_to": revisions.known_to,
        "superseded_by": revisions.superseded_by,
    }


def _row_columns(bars: BarRows) -> _Columns:
    values = dict(zip(VALUES, bars.values, strict=True))
    return {"ticker": bars.ticker, "session": bars.day, **values, "known_from": bars.known_from}


def _sorted(part: Beside) -> Revisions:
    old = part.revised.old
    order = np.lexsort((old.archive_seq, old.day, old.ticker))
    return Revisions(old.take(order), part.revised.known_to[order], part.revised.superseded_by[order])


def _row(columns: _Columns, place: int) -> _Columns | None:
    if place >= len(columns["ticker"]):
        return None
    return {name: column[place] for name, column in columns.items()}


def _key(row: _Columns) -> tuple[int, ...]:
    return int(row["ticker"]), int(row["session"]), int(row.get("version", 0))


def _name(tickers: Tickers, row: _Columns) -> str:
    version = f" of payload {row['version']}" if "version" in row else ""
    return f"{tickers.names[row['ticker']]} {_EPOCH.date() + dt.timedelta(days=int(row['session']))}{version}"


def _plain(name: str, value: Any) -> str:
    if name.startswith("known_"):
        return (_EPOCH + dt.timedelta(microseconds=int(value))).isoformat()
    return "NULL" if value != value else repr(value.item())  # NaN stands for NULL


def _bits(column: Any) -> Any:
    """Return numbers as what tells −0.0 from 0.0, and no NaN from another."""
    if column.dtype != np.float64:
        return column
    return np.where(np.isnan(column), np.nan, column).view(np.int64)


def _rejection_key(row: Rejection) -> tuple[object, ...]:
    return row.archive_seq, row.row_index


def _version_key(record: Record) -> tuple[object, ...]:
    return *record.key, record.archive_seq


def _hashes(fingerprint: Fingerprint) -> Hashes:
    return Hashes(fingerprint.content_hash, fingerprint.provenance_hash)


def _short(hashes: Hashes) -> str:
    return f"content {hashes.content[:12]} and provenance {hashes.provenance[:12]}"
