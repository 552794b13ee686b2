"""What several `ingest` commands share: their options, the signals they listen to, and the way to the database."""

import asyncio
import datetime as dt
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg
import click

from ingest.errors import InvalidDates, InvalidSymbol, RunFailed, RunStopped
from ingest.period import Period, asked_period
from ingest.report import RunReport
from ingest.show import print_report
from ingest.stop import Stop
from ingest.universe import Universe, parse_universe
from sql.command import print_json, ready_database, run
from sql.connect import Role, open_pool

T = TypeVar("T")
SIGNALS = {number.name: number for number in (signal.SIGINT, signal.SIGTERM)}


def _as_universe(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Universe | None:
    try:
        return None if text is None else parse_universe(text)
    except InvalidSymbol as exc:
        raise click.BadParameter(str(exc)) from exc


def _as_date(_ctx: click.Context, _param: click.Parameter, text: str | None) -> dt.date | None:
    try:
        return None if text is None else dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError as exc:
        raise click.BadParameter(f"{text!r} is no date of the form YYYY-MM-DD") from exc


symbols_option = click.option(
    "--symbols",
    metavar="A,B",
    callback=_as_universe,
    help="Symbols, separated by commas (case matters), or `all` for the whole market. "
    "Default: UNIVERSE, else the symbols of ops/universe.txt.",
)
from_option = click.option(
    "--from", "first", metavar="DATE", callback=_as_date, help="First date. Default: five years before the last."
)
to_option = click.option(
    "--to",
    "last",
    metavar="DATE",
    callback=_as_date,
    help="Last date. Default, and at most: the last session that has settled.",
)

reference_option = click.option(
    "--reference", is_flag=True, help="Also tickers, their events and holidays, where older than 30 days."
)
retry_option = click.option(
    "--retry-refused", is_flag=True, help="Ask again for what the vendor said the key's plan does not include."
)


def period_of(first: dt.date | None, last: dt.date | None) -> Period:
    """Return the period that --from and --to name; a wrong one is a usage error."""
    try:
        return asked_period(first, last, utc_now())
    except InvalidDates as exc:
        raise click.UsageError(str(exc)) from exc


def utc_now() -> dt.datetime:
    """Return this instant; the one place where a command of this room looks at the clock."""
    return dt.datetime.now(dt.UTC)


def with_pool(job: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    """Run a job with a pool of connections to a database that is up and migrated, and return what it returns."""

    async def connected() -> T:
        async with open_pool(await ready_database(), Role.INGEST) as pool:
            return await job(pool)

    return run(connected())


@contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM ask for a stop; a second one ends the process as usual."""
    loop = asyncio.get_running_loop()

    def heard(name: str) -> None:
        stop.request(name)
        give_back()

    def give_back() -> None:
        for number in SIGNALS.values():
            loop.remove_signal_handler(number)

    for name, number in SIGNALS.items():
        loop.add_signal_handler(number, heard, name)
    try:
        yield
    finally:
        give_back()


async def stoppable(job: Coroutine[Any, Any, T], stop: Stop) -> T:
    """Return what a job returns, with `stop` asked for by the first SIGINT or SIGTERM."""
    with stopped_by_signals(stop):
        return await job


def end_with(report: RunReport, universe: Universe, *, as_json: bool) -> None:
    """Print what a run did, and raise what kept it from doing all of its job.

    Raises: RunStopped, RunFailed.
    """
    if as_json:
        print_json(report)
    else:
        print_report(report, universe)
    if report.stopped_by in SIGNALS:
        raise RunStopped(report.stopped_by)
    if report.failures():
        raise RunFailed(report.failures())
