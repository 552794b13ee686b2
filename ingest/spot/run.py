"""A spot check from the sample to the ledger: read our closes, archive what the second source says, compare.

It takes no lock of ingest and nothing waits for it; a second source that fails costs its symbol an entry in the
report and nothing else.
"""

import datetime as dt
import logging
from collections.abc import Callable

import asyncpg
import msgspec

from archive.append import Archiver, open_archiver
from archive.calendar import NEW_YORK
from archive.chain import seal_archive
from archive.runs import finish_run, start_run
from ingest.errors import NothingCompared
from ingest.period import Period
from ingest.spot.check import (
    Asked,
    Deviation,
    OurClose,
    SpotCheck,
    SymbolCheck,
    compare,
    conclude,
    draw_sample,
    first_named,
)
from ingest.spot.csv_bars import read_closes as closes_of_csv
from ingest.spot.projected import read_closes, read_one_generation, read_period, read_symbols
from ingest.spot.second_source import NoSecondOpinion, SecondSource

KIND = "spot_check"
_LOG = logging.getLogger("ingest")
_SESSIONS = 30

Closes = dict[str, dict[dt.date, OurClose]]


class Wish(msgspec.Struct, frozen=True):
    """What a person wants checked. No `first`: the last 30 sessions; no `last`: up to the newest; no `seed`: today's.

    Units: worst_percent of the closes compared may differ by more than 1 %.
    """

    sample: int = 15
    first: dt.date | None = None
    last: dt.date | None = None
    seed: int | None = None
    worst_percent: float = 1.0


async def run_spot_check(
    ingest_pool: asyncpg.Pool,
    read_pool: asyncpg.Pool,
    source: SecondSource,
    wish: Wish,
    now: Callable[[], dt.datetime],
) -> SpotCheck:
    """Compare a sample of projected closes with a second source's and return what was found, passed or not.

    Raises: NothingProjected; ProjectionChanging; NothingCompared when there is no symbol to ask for.
    """
    today = now().astimezone(NEW_YORK).date()

    async def read(connection: asyncpg.Connection) -> tuple[Asked, Closes]:
        asked = await _ask(connection, source, wish, today)
        return asked, await read_closes(connection, list(asked.symbols), Period(asked.first, asked.last), asked.as_of)

    async with read_pool.acquire() as connection:
        asked, ours = await read_one_generation(connection, read)
    run_id = await start_run(ingest_pool, KIND, asked, now())
    async with open_archiver(ingest_pool, run_id) as archiver:
        checks, deviations = await _compare_all(archiver, source, asked, ours, now)
    check = conclude(run_id, asked, checks, deviations)
    await finish_run(ingest_pool, run_id, KIND, check, now())
    await seal_archive(ingest_pool, now())
    return check


async def _ask(connection: asyncpg.Connection, source: SecondSource, wish: Wish, today: dt.date) -> Asked:
    period = await read_period(connection, wish.first, wish.last, _SESSIONS)
    candidates = await read_symbols(connection, period)
    nameless = [symbol for symbol in candidates if source.name_of(symbol) is None]
    seed = int(f"{today:%Y%m%d}") if wish.seed is None else wish.seed
    symbols = draw_sample(set(candidates).difference(nameless), wish.sample, seed)
    if not candidates:
        raise NothingCompared(f"the projection has no validated bar from {period.first} to {period.last}")
    if not symbols:
        raise NothingCompared(f"{source.source} has none of {', '.join(first_named(nameless))}")
    return Asked(
        source=source.source,
        first=period.first,
        last=period.last,
        as_of=today if source.split_adjusted else None,
        sample=wish.sample,
        seed=seed,
        worst_percent=wish.worst_percent,
        candidates=len(candidates),
        nameless=len(nameless),
        named_nameless=first_named(nameless),
        symbols=tuple(symbols),
    )


async def _compare_all(
    archiver: Archiver, source: SecondSource, asked: Asked, ours: Closes, now: Callable[[], dt.datetime]
) -> tuple[list[SymbolCheck], list[Deviation]]:
    checks: list[SymbolCheck] = []
    deviations: list[Deviation] = []
    gave_up: NoSecondOpinion | None = None
    for symbol in asked.symbols:
        asked_as = source.name_of(symbol) or symbol
        try:
            # A source that sends everybody away is not asked again.
            if gave_up is not None:
                raise gave_up
            theirs = await _theirs(archiver, source, symbol, Period(asked.first, asked.last), now)
        except NoSecondOpinion as exc:
            gave_up = exc if exc.for_good else None
            _LOG.info("ingest.no_second_opinion", extra={"subject": symbol, "why": exc.why})
            checks.append(SymbolCheck(symbol, asked_as, why=exc.why))
            continue
        check, apart = compare(symbol, asked_as, ours[symbol], theirs)
        checks.append(check)
        deviations += apart
    return checks, deviations


async def _theirs(
    archiver: Archiver, source: SecondSource, symbol: str, period: Period, now: Callable[[], dt.datetime]
) -> dict[dt.date, float]:
    """Return the closes of a period as the second source has them; its answer is archived before anything reads it."""
    response = await source.fetch(symbol, period, now)
    await archiver.append(response)
    closes = closes_of_csv(response.body)
    within = {date: close for date, close in closes.items() if period.first <= date <= period.last}
    if not within:
        raise NoSecondOpinion(f"no close from {period.first} to {period.last}")
    return within
