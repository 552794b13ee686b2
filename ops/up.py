"""From nothing to a served warehouse: migrate, fetch what is missing, project it, show it, serve it.

Every step is the one of its own room; this file only says in which order.
"""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import click
import msgspec

from api.serve import serve
from api.settings import ApiSettings
from ingest.backfill import run_backfill
from ingest.errors import RunFailed
from ingest.one_market import made_up_market
from ingest.period import Period, asked_period
from ingest.progress import show_progress
from ingest.report import RunReport
from ingest.settings import IngestSettings, VendorKey
from ingest.universe import Universe, universe_of
from ops.errors import OtherMarket
from ops.market import KEY, Market, local_market
from ops.summary import print_summary
from project.progress import progress_bar
from project.rebuild import catch_up_or_build
from project.ruleset import Ruleset
from sql import load_queries
from sql.command import ready_database
from sql.connect import Role, open_pool

_QUERIES = load_queries("ops.sql")
_IS_EMPTY = _QUERIES["archive_is_empty"]
_VENDOR = "the vendor"


class Source(msgspec.Struct, frozen=True):
    """Where bars come from this time, and which are wanted; `server` is None for the real vendor."""

    settings: IngestSettings
    universe: Universe
    period: Period
    server: str | None


async def bring_up(
    settings: IngestSettings,
    wanted: Universe | None,
    api: ApiSettings,
    ruleset: Ruleset,
    folder: Path | None,
    *,
    serving: bool,
) -> RunReport:
    """Fetch, project and show; then serve until a signal, if asked to. Return what the fetching came to.

    `wanted` is the universe a person chose; None is the default one of the vendor, or all of a local market.
    """
    url = await ready_database()
    async with _source(settings, wanted, folder) as source:
        report = await _fetch(url, source)
    async with open_pool(url, Role.PROJECT) as pool:
        with progress_bar() as progress:
            replayed = await catch_up_or_build(pool, ruleset, _now, progress=progress)
    if replayed.generation.ruleset_hash != ruleset.hash:
        click.echo("The rules file was edited; `project --rebuild` applies it to what is here already.")
    async with open_pool(url, Role.READ) as pool:
        symbol = await print_summary(pool)
    if serving:
        if report.failures():
            click.echo(f"warning: {RunFailed(report.failures())}", err=True)
        base = f"http://{api.host}:{api.port}"
        click.echo(f"Serving at {base} (Ctrl-C ends it): open it in a browser; the API's routes: {base}/docs")
        click.echo(f"Try: curl '{base}/api/v1/historical/{symbol}?start={report.last - dt.timedelta(days=7)}'")
        await serve(url, api)
    return report


@asynccontextmanager
async def _source(settings: IngestSettings, wanted: Universe | None, folder: Path | None) -> AsyncIterator[Source]:
    if settings.key is not None and folder is None:
        click.echo(f"Fetching from {settings.base_url} with POLYGON_API_KEY.")
        yield Source(settings, settings.universe, asked_period(None, None, _now()), None)
        return
    async with local_market(folder) as market:
        if folder is None:
            click.echo("POLYGON_API_KEY is not set: fetching a synthetic market from a local fake vendor.")
        else:
            click.echo(f"Fetching the bars of {folder} from a local fake vendor.")
        yield _local_source(settings, wanted, market)


def _local_source(settings: IngestSettings, wanted: Universe | None, market: Market) -> Source:
    local = msgspec.structs.replace(settings, key=VendorKey(KEY), base_url=market.url, rate_limit_per_minute=0)
    return Source(
        local,
        wanted or universe_of(market.symbols),
        asked_period(market.first, market.last, _now()),
        market.server,
    )


async def _fetch(url: str, source: Source) -> RunReport:
    async with open_pool(url, Role.INGEST) as pool:
        await _require_one_market(pool, source.server)
        report = await run_backfill(
            pool,
            source.settings,
            universe=source.universe,
            period=source.period,
            now=_now,
            progress=show_progress,
        )
    if report.planned:
        click.echo(f"Fetched {report.requests:,} answers, {report.body_bytes:,} bytes, in {report.elapsed_s:.1f} s.")
    else:
        click.echo("Nothing to fetch: the archive has it all.")
    return report


async def _require_one_market(pool: asyncpg.Pool, wanted: str | None) -> None:
    """Refuse to put two markets into one archive.

    Raises: OtherMarket.
    """
    if await pool.fetchval(_IS_EMPTY):
        return
    held = await made_up_market(pool)
    if held != wanted:
        raise OtherMarket(held or _VENDOR, wanted or _VENDOR)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
