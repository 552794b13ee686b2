"""A small projection whose every row is known, written straight into the tables: the API only ever reads them.

SEVN has the one 7:1 split of 2014-06-09, under two of the vendor's ids; AAPL the same and its 4:1 of 2020 as well.
"""

import datetime as dt
import uuid
from collections.abc import Sequence

import asyncpg
import msgspec

from archive.calendar import calendar_version
from project.generation import SHAPE
from project.ruleset import DEFAULT_RULES, Ruleset, RuleUse, read_ruleset
from sql import ROOM
from sql.timescale import make_hypertable

NOW = dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)  # still the evening of the 21st in New York
TODAY = dt.date(2026, 11, 21)
KNOWN_FROM = dt.datetime(2026, 11, 20, 7, 0, tzinfo=dt.UTC)
GENERATION_ID = uuid.UUID("00000000-0000-0000-0000-00000000000a")
RULESET_HASH = "a1" * 32

# Bits of failed_rules.
HIGH_BRACKETS, LARGE_GAP, VOLUME_ANOMALY, CORPORATE_ACTION = 1, 2, 4, 8
RULES = (
    (0, "high_brackets", 0.5, "ohlcv"),
    (1, "large_gap", 0.2, None),
    (2, "volume_anomaly", 0.1, None),
    (3, "corporate_action", 0.05, None),
)


class KnownBar(msgspec.Struct, frozen=True):
    """A row of projection.bar; the fields stand in the order of its columns."""

    ticker: str
    session: dt.date
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float | None = 100.5
    trades: float | None = 1000.0
    gap: float | None = 0.0
    volume_ratio: float | None = 1.0
    failed_rules: int = 0
    quality_score: float = 1.0
    validated: bool = True
    archive_seq: int = 2
    known_from: dt.datetime = KNOWN_FROM


class KnownSplit(msgspec.Struct, frozen=True):
    """A split in projection.factor, but for its provenance."""

    ticker: str
    vendor_id: str
    ex_date: dt.date
    split_from: float
    split_to: float
    flags: tuple[str, ...] = ()

    @property
    def applied_on(self) -> dt.date | None:
        """The ex-date, but of one that stands for nothing."""
        return None if "duplicate" in self.flags else self.ex_date


def june(day: int) -> dt.date:
    """Return a date of June 2014."""
    return dt.date(2014, 6, day)


def _around_the_split(ticker: str) -> list[KnownBar]:
    return [
        KnownBar(ticker, june(5), 646.2, 649.37, 642.61, 647.35, 10850000.0, None, None, None, None),
        KnownBar(ticker, june(6), 649.9, 651.26, 644.47, 645.57, 12497800.5, gap=0.0199),
        KnownBar(
            ticker, june(9), 92.7, 93.88, 91.75, 93.7, 75415000.0, gap=0.02, failed_rules=CORPORATE_ACTION,
            quality_score=0.95,
        ),
        KnownBar(
            ticker, june(10), 105.0, 105.5, 93.57, 94.25, 62777000.0, gap=0.12, failed_rules=LARGE_GAP,
            quality_score=0.8, validated=False,
        ),
        KnownBar(
            ticker, june(11), 89.0, 90.0, 88.0, 89.5, 945681000.0, gap=-0.055, volume_ratio=12.0,
            failed_rules=HIGH_BRACKETS | VOLUME_ANOMALY, quality_score=0.4, validated=False,
        ),
    ]  # fmt: skip


BARS: Sequence[KnownBar] = (
    *_around_the_split("AAPL"),
    *_around_the_split("SEVN"),
    KnownBar("BCPC", june(5), 55.0, 56.0, 54.0, 55.5, 70000.0),
    KnownBar("BCpC", june(5), 25.0, 26.0, 24.0, 25.5, 800.0),
    KnownBar("SOON", june(5), 10.0, 11.0, 9.0, 10.5, 100.0),
)
SPLITS: Sequence[KnownSplit] = (
    KnownSplit("AAPL", "P-AAPL-7", june(9), 1.0, 7.0),
    KnownSplit("AAPL", "P-AAPL-4", dt.date(2020, 8, 31), 1.0, 4.0),
    KnownSplit("SEVN", "P-SEVN-7", june(9), 1.0, 7.0),
    KnownSplit("SEVN", "P-SEVN-7-again", june(9), 1.0, 7.0, ("duplicate",)),
    # Tomorrow in New York, though already today in UTC.
    KnownSplit("SOON", "P-SOON-2", TODAY + dt.timedelta(days=1), 1.0, 2.0),
)
# Known, and without bars: (ticker, rejections).
BARE = (("HALT", 0), ("JUNK", 3))
CHECKPOINT = 2
CALENDAR_VERSION = calendar_version()
# The whole calendar: five sessions that had bars, and the next two.
SESSIONS: Sequence[dt.date] = (*map(june, (5, 6, 9, 10, 11)), dt.date(2026, 11, 23), dt.date(2026, 11, 24))
_SHIPPED = {use.name: use for use in read_ruleset(DEFAULT_RULES).rules}


async def project(
    connection: asyncpg.Connection,
    *,
    schema: str = "projection",
    generation_id: uuid.UUID = GENERATION_ID,
    bars: Sequence[KnownBar] = BARS,
    splits: Sequence[KnownSplit] = SPLITS,
    rules: Sequence[tuple[int, str, float, str | None]] = RULES,
) -> None:
    """Make a whole generation in a new schema, which readers may read, as the projector would."""
    async with connection.transaction():
        await connection.execute(f"CREATE SCHEMA {schema}")
        await connection.execute(f"SET LOCAL search_path TO {schema}, public")
        await connection.execute((ROOM / "generation.sql").read_text())
        await make_hypertable(connection, "bar")
        await connection.execute(
            "INSERT INTO generation (generation_id, shape, ruleset_hash, calendar_version, checkpoint, content_hash,"
            " provenance_hash, built_at, caught_up_at)"
            " VALUES ($1, $5, $2, $6, $3, 'content', 'provenance', $4, $4)",
            generation_id,
            RULESET_HASH,
            CHECKPOINT,
            KNOWN_FROM,
            SHAPE,
            CALENDAR_VERSION,
        )
        await connection.execute(
            "INSERT INTO archive.ruleset (ruleset_hash, body) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            RULESET_HASH,
            _ruleset(rules).body,
        )
        await connection.copy_records_to_table("session", schema_name=schema, records=map(_session, SESSIONS))
        await connection.copy_records_to_table("rule", schema_name=schema, records=rules)
        records = [msgspec.structs.astuple(bar) for bar in bars]
        await connection.copy_records_to_table("bar", schema_name=schema, records=records)
        await connection.execute("ALTER TABLE bar ADD PRIMARY KEY (ticker, session)")
        weighed = [
            (
                *msgspec.structs.astuple(split),
                split.applied_on,
                "split",
                split.split_to / split.split_from,
                1,
                KNOWN_FROM,
            )
            for split in splits
        ]
        columns = [*KnownSplit.__struct_fields__, "applied_on", "kind", "volume_factor", "archive_seq", "known_from"]
        await connection.copy_records_to_table("factor", schema_name=schema, columns=columns, records=weighed)
        await connection.copy_records_to_table("symbol_status", schema_name=schema, records=_symbol_status(bars))
        await connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO warehouse_read")
        await connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO warehouse_read")


async def swap(connection: asyncpg.Connection) -> None:
    """Make the generation of projection_next live, and the live one projection_next, in one transaction."""
    async with connection.transaction():
        await connection.execute("ALTER SCHEMA projection RENAME TO projection_previous")
        await connection.execute("ALTER SCHEMA projection_next RENAME TO projection")
        await connection.execute("ALTER SCHEMA projection_previous RENAME TO projection_next")


def _ruleset(rules: Sequence[tuple[int, str, float, str | None]]) -> Ruleset:
    """Return the ruleset of which the rules are; one that this software has no code of is left out."""
    uses = (
        RuleUse(name, _SHIPPED[name].version, penalty, group, _SHIPPED[name].limits)
        for _, name, penalty, group in rules
        if name in _SHIPPED
    )
    return Ruleset(0.85, 20, (), tuple(uses))


def _session(day: dt.date) -> tuple[dt.date, dt.datetime, dt.datetime]:
    """Return a session of summer time with its open and its close."""
    opens = dt.datetime.combine(day, dt.time(13, 30), dt.UTC)
    return day, opens, opens + dt.timedelta(hours=6, minutes=30)


def _symbol_status(bars: Sequence[KnownBar]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [(ticker, None, None, 0, 0, 0, 0, 0, rejected, 2) for ticker, rejected in BARE]
    for ticker in sorted({bar.ticker for bar in bars}):
        mine = [bar for bar in bars if bar.ticker == ticker]
        rows.append(
            (
                ticker,
                mine[0].session,
                mine[-1].session,
                len(mine),
                sum(bar.validated for bar in mine),
                sum(bar.failed_rules & LARGE_GAP > 0 for bar in mine),
                sum(bar.failed_rules & VOLUME_ANOMALY > 0 for bar in mine),
                0,
                0,
                2,
            )
        )
    return rows
