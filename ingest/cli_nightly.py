"""`ingest nightly` and `ingest serve`: fetch what is missing and project it, once or every night."""

import asyncio
import datetime as dt
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import click

from ingest.night.night import Night, Project, run_night
from ingest.night.project_command import project_command, project_environ, run_project
from ingest.night.schedule import nightly_trigger, open_alarm
from ingest.night.scheduler_lock import scheduler_lock
from ingest.night.service import serve_nights
from ingest.night.stop import NightStop
from ingest.options import stoppable, symbols_option, utc_now, with_pool
from ingest.progress import show_progress
from ingest.report import RunReport
from ingest.settings import IngestSettings, time_of_day
from ingest.show import print_report
from ingest.universe import Universe
from sql.command import WarehouseCommand, json_option, print_json, ready_database, run
from sql.connect import Role, open_owner, open_pool


def _as_time(_ctx: click.Context, _param: click.Parameter, text: str | None) -> dt.time | None:
    try:
        return None if text is None else time_of_day(text)
    except ValueError as exc:
        raise click.BadParameter(f"{text!r} is no time from 00:00 to 23:59") from exc


@click.command(cls=WarehouseCommand)
@symbols_option
@click.option("--no-project", is_flag=True, help="Only fetch.")
@json_option
def nightly(symbols: Universe | None, no_project: bool, as_json: bool) -> None:
    """Fetch what the archive lacks of the last five years, then run `project`; safe to kill and to run again."""
    settings = IngestSettings.from_environ()
    universe = symbols or settings.universe
    stop = NightStop()
    command = [project_command(), *(["--json"] if as_json else [])]
    projecting = functools.partial(run_project, command, read_facts=as_json, environ=project_environ())
    job = functools.partial(
        run_night,
        settings=settings,
        universe=universe,
        now=utc_now,
        stop=stop,
        project=None if no_project else projecting,
        on_fetched=_keep_quiet if as_json else functools.partial(print_report, universe=universe),
        progress=show_progress,
    )
    night: Night = with_pool(lambda pool: stoppable(job(pool), stop))
    if as_json:
        print_json({"fetched": night.report, "projected": night.projected})
    night.require_success()


@click.command(cls=WarehouseCommand)
@click.option(
    "--at", metavar="HH:MM", callback=_as_time, help="When, on New York's clock. Default: NIGHTLY_AT, else 02:00."
)
def serve(at: dt.time | None) -> None:
    """Do what `ingest nightly` does now and then every night, until interrupted; heals what fails by itself."""
    settings = IngestSettings.from_environ()
    project = functools.partial(run_project, [project_command(), "--json"], read_facts=True, environ=project_environ())
    stop = NightStop()
    run(stoppable(_serve(settings, settings.nightly_at if at is None else at, project, stop), stop))


async def _serve(settings: IngestSettings, at: dt.time, project: Project, stop: NightStop) -> None:
    database = _Database()
    async with scheduler_lock(database.connect, stop.request), open_alarm(nightly_trigger(at)) as alarm:
        await serve_nights(lambda: _night(database, settings, project, stop), alarm, stop, utc_now)


async def _night(database: "_Database", settings: IngestSettings, project: Project, stop: NightStop) -> Night:
    async with database.open() as pool:
        return await run_night(
            pool,
            settings,
            universe=settings.universe,
            now=utc_now,
            stop=stop,
            project=project,
            progress=show_progress,
        )


def _keep_quiet(_report: RunReport) -> None:
    """Say nothing: `--json` prints one document, at the end."""


class _Database:
    """The database of a process that goes on for months: made ready anew, and the embedded one started again, each
    time that somebody needs it; by one at a time, because that server can be started by one at a time."""

    def __init__(self) -> None:
        self._getting_ready = asyncio.Lock()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[asyncpg.Pool]:
        async with open_pool(await self._url(), Role.INGEST) as pool:
            yield pool

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncpg.Connection]:
        async with open_owner(await self._url()) as connection:
            yield connection

    async def _url(self) -> str:
        async with self._getting_ready:
            return await ready_database()
