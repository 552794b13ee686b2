"""The audit of everything: every payload of the archive against the live tables, in memory for a part at a time.

Two passes over the archive. The first counts the rows of each payload by itself and sees that each became a bar or a
rejection; the second replays the archive as a rebuild would, writes nothing, and compares every bar, revision,
rejection and record with what the tables hold. Between them they account for every raw row, by payload and by year.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping

import asyncpg
import msgspec
import numpy as np

from archive.calendar import exchange_calendar
from archive.read import archive_head, read_payloads
from project.audit.evidence import require_all_rows
from project.audit.raw_rows import holds_bars
from project.audit.session import require_same_rejections
from project.batch import Batch
from project.bulk.replay import FoldedPart, Progress, ReplayedArchive, no_progress, replay_archive
from project.compare.table_diff import Departure, first_departure, rows_of_judged, rows_of_revisions, session_of, told
from project.decide.skip import WHOLE_PAYLOAD, read_skips
from project.errors import AuditFailed
from project.factors.circumstances import key_of
from project.factors.factor import Factor
from project.generation import LIVE, live_generation
from project.rejection import Rejection
from project.rows import Ints, Tickers, join
from project.ruleset import Ruleset
from project.steady import read_steadily
from project.unload import read_factors, read_part, read_rejections, read_revisions, read_tickers, read_versions

CHECKED = (
    "every row of every payload is a bar or a rejection",
    "raw rows = current + superseded + rejected, for every payload and every year",
    "every bar with its verdict, revision, rejection, record and factor in the tables is the one that a replay gives",
)

_Finding = tuple[dt.date, str, str]
_Key = tuple[object, ...]


class Account(msgspec.Struct, frozen=True):
    """What became of the raw rows of a year: raw_rows = current + superseded + rejected, superseded = revised +
    repeated. `year` is None for rows without a date, and in the total.
    """

    year: int | None
    raw_rows: int
    current: int
    superseded: int
    revised: int
    repeated: int
    rejected: int


class WholeAudit(msgspec.Struct, frozen=True):
    """The whole archive, raw against cleaned.

    `waiting` payloads are not projected yet; `skipped` hold no rows by a person's decision; `rejected_records` are
    rows of splits, dividends and listings.
    """

    payloads: int
    waiting: int
    checkpoint: int
    years: list[Account]
    total: Account
    rejected_records: int
    skipped: list[int]
    checked: tuple[str, ...] = CHECKED


async def audit_all(connection: asyncpg.Connection, *, progress: Progress = no_progress) -> WholeAudit:
    """Return the accounts of the whole archive, which add up.

    Raises: AuditFailed naming the first session or payload for which the tables do not hold what the payloads say;
    NothingProjected.
    """
    return await read_steadily(connection, lambda: reconcile_all(connection, progress))


async def reconcile_all(connection: asyncpg.Connection, progress: Progress = no_progress) -> WholeAudit:
    """Return the accounts of the whole archive as one transaction sees them, which the caller holds.

    Raises: as `audit_all`.
    """
    generation, ruleset = await live_generation(connection)
    checkpoint = generation.checkpoint
    counted = await _count(connection, ruleset, checkpoint, progress)
    async with replay_archive(
        connection, ruleset, checkpoint, progress=lambda done, total: progress(total + done, 2 * total)
    ) as replayed:
        if replayed.raw_rows != sum(counted.accepted.values()):
            why = f"{sum(counted.accepted.values()):,} rows are bars, but {replayed.raw_rows:,} were replayed"
            raise AuditFailed(None, why, checkpoint)
        await _compare_rejections(connection, replayed.rejections)
        await _compare_records(connection, replayed)
        await _compare_bars(connection, replayed, ruleset, counted)
    years = counted.years()
    return WholeAudit(
        payloads=counted.payloads,
        waiting=await archive_head(connection) - checkpoint,
        checkpoint=checkpoint,
        years=years,
        total=_total(years),
        rejected_records=counted.rejected_records,
        skipped=counted.skipped,
    )


class _Counted:
    """Rows by payload and year: accepted and rejected as they are read, current and revised as they are folded."""

    def __init__(self) -> None:
        self.payloads = 0
        self.accepted: dict[tuple[int, int | None], int] = defaultdict(int)
        self.rejected: dict[tuple[int, int | None], int] = defaultdict(int)
        self.current: dict[tuple[int, int | None], int] = defaultdict(int)
        self.revised: dict[tuple[int, int | None], int] = defaultdict(int)
        self.rejected_records = 0
        self.skipped: list[int] = []

    def take(self, batch: Batch) -> None:
        """Count what a payload has left in a batch."""
        rows = join(batch.bars)
        _add(self.accepted, rows.archive_seq, rows.day)
        for row in batch.rejections:
            self.rejected[row.archive_seq, None if row.session is None else row.session.year] += 1

    def years(self) -> list[Account]:
        """Return the accounts of all years, rows without a date last.

        Raises: AuditFailed naming the payload of which more rows stand than were read.
        """
        accounts: dict[int | None, Ints] = defaultdict(lambda: np.zeros(4, np.int64))
        for key in sorted({*self.accepted, *self.rejected, *self.current, *self.revised}, key=_payload_then_year):
            counts = [each.get(key, 0) for each in (self.accepted, self.rejected, self.current, self.revised)]
            accepted, _, current, revised = counts
            if accepted < current + revised:
                why = f"{accepted:,} rows of {key[1]} are bars, but {current:,} are current and {revised:,} restated"
                raise AuditFailed(None, why, key[0])
            accounts[key[1]] += counts
        return [_account(year, accounts[year]) for year in sorted(accounts, key=_undated_last)]


def _payload_then_year(key: tuple[int, int | None]) -> tuple[int, tuple[bool, int]]:
    return key[0], _undated_last(key[1])


def _undated_last(year: int | None) -> tuple[bool, int]:
    return year is None, year or 0


def _account(year: int | None, counts: Ints) -> Account:
    accepted, rejected, current, revised = counts.tolist()
    superseded = accepted - current
    return Account(year, accepted + rejected, current, superseded, revised, superseded - revised, rejected)


def _total(years: list[Account]) -> Account:
    names = Account.__struct_fields__[1:]
    return Account(None, *(sum(getattr(year, name) for year in years) for name in names))


def _add(counts: dict[tuple[int, int | None], int], seqs: Ints, days: Ints) -> None:
    years = days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    keys, found = np.unique(seqs * 10_000 + years, return_counts=True)
    for key, count in zip(keys.tolist(), found.tolist(), strict=True):
        counts[divmod(key, 10_000)] += count


async def _count(connection: asyncpg.Connection, ruleset: Ruleset, upto: int, progress: Progress) -> _Counted:
    """Read each payload by itself and count its rows.

    Raises: AuditFailed for a payload whose rows were not all made bars or rejections.
    """
    counted = _Counted()
    skips = await read_skips(connection)
    calendar = exchange_calendar()
    async for payload in read_payloads(connection, 0, upto):
        batch = Batch(calendar, ruleset, skips)
        batch.add(payload)
        counted.payloads += 1
        progress(counted.payloads, 2 * upto)
        if any(row.row_index == WHOLE_PAYLOAD for row in batch.rejections):
            counted.skipped.append(payload.archive_seq)
        elif holds_bars(payload):
            require_all_rows(payload, sum(map(len, batch.bars)), batch.rejections, None)
            counted.take(batch)
        else:
            counted.rejected_records += len(batch.rejections)
    return counted


async def _compare_rejections(connection: asyncpg.Connection, rejections: list[Rejection]) -> None:
    table = [row async for rows in read_rejections(connection, LIVE) for row in rows]
    require_same_rejections(None, rejections, table)


async def _compare_records(connection: asyncpg.Connection, replayed: ReplayedArchive) -> None:
    """Compare every version of every record.

    Raises: AuditFailed naming the payload of the first that is not the same.
    """
    due: dict[_Key, object] = {
        (record.archive_seq, table, *record.key): record
        for table, folded in replayed.records.items()
        for record in folded.changed
    }
    found: dict[_Key, object] = {}
    async for table, records in read_versions(connection, LIVE):
        found |= {(record.archive_seq, table, *record.key): record for record in records}
    _require_same(due, found)


async def _compare_factors(connection: asyncpg.Connection, weighed: list[Factor]) -> None:
    """Compare every factor.

    Raises: AuditFailed naming the payload that stated the first that is not the same.
    """
    found = [factor async for factors in read_factors(connection, LIVE) for factor in factors]
    _require_same(_by_key(weighed), _by_key(found))


def _by_key(factors: list[Factor]) -> dict[_Key, object]:
    return {(factor.archive_seq, "factor", *key_of(factor)): factor for factor in factors}


def _require_same(due: Mapping[_Key, object], found: Mapping[_Key, object]) -> None:
    for key in sorted(due.keys() | found.keys(), key=lambda key: (key[0], str(key))):
        if due.get(key) != found.get(key):
            ours, theirs = due.get(key, "nothing"), found.get(key, "nothing")
            raise AuditFailed(None, f"{theirs} in {key[1]}, by the archive there is {ours}", int(str(key[0])))


async def _compare_bars(
    connection: asyncpg.Connection, replayed: ReplayedArchive, ruleset: Ruleset, counted: _Counted
) -> None:
    """Compare every bar and revision, a part of the tickers at a time, and count what stands.

    Raises: AuditFailed naming the earliest session that is not the same.
    """
    unknown = set(await read_tickers(connection, LIVE))
    findings: list[_Finding] = []
    weighed: list[Factor] = []
    async for part in replayed.parts():
        folded = part.bars
        _add(counted.current, folded.bars.bars.archive_seq, folded.bars.bars.day)
        _add(counted.revised, folded.revised.archive_seq, folded.revised.day)
        weighed += folded.weighed.written
        findings += await _findings(connection, replayed.tickers, part, ruleset)
        unknown -= {replayed.tickers.names[code] for code in part.codes.tolist()}
    for ticker in sorted(unknown):
        bars = (await read_part(connection, LIVE, [ticker])).bars
        old = (await read_revisions(connection, LIVE, [ticker])).old
        day = min([*bars.day.tolist(), *old.day.tolist()])
        session = dt.date(1970, 1, 1) + dt.timedelta(days=day)
        findings.append((session, ticker, f"{ticker}: bars in the table, by the archive there are none"))
    if findings:
        session, _, why = min(findings)
        raise AuditFailed(session, why)
    await _compare_factors(connection, weighed)


async def _findings(
    connection: asyncpg.Connection, tickers: Tickers, part: FoldedPart, ruleset: Ruleset
) -> Iterable[_Finding]:
    """Return the first bar and the first revision of a part that are not the same."""
    names = [tickers.names[code] for code in part.codes.tolist()]
    own = Tickers(names)
    places = np.zeros(len(tickers), np.int64)
    places[part.codes] = np.arange(len(names))
    same = np.arange(len(names))
    folded = part.bars
    bars = await read_part(connection, LIVE, names)
    revisions = await read_revisions(connection, LIVE, names)
    departures = {
        "bar": first_departure(rows_of_judged(folded.bars, places), rows_of_judged(bars, same)),
        "bar_revision": first_departure(
            rows_of_revisions(folded.revised, folded.known_to, folded.superseded_by, places),
            rows_of_revisions(revisions.old, revisions.known_to, revisions.superseded_by, same),
        ),
    }

    def finding(table: str, departure: Departure) -> _Finding:
        return (
            session_of(departure),
            names[int(departure.key["rank"])],
            told(departure, table, own, same, ruleset),
        )

    return [finding(table, departure) for table, departure in departures.items() if departure is not None]
