"""The `ingest` command: fetch what the archive lacks, or show what would be fetched."""

import asyncio
import datetime as dt
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg
import click
import msgspec

from ingest.backfill import plan_backfill, run_backfill
from ingest.errors import InvalidDates, InvalidSymbol, RunFailed, RunStopped, subject_of
from ingest.period import Period, asked_period
from ingest.plan import Plan
from ingest.progress import show_progress
from ingest.report import Ending, RunReport
from ingest.settings import IngestSettings
from ingest.stop import Stop
from ingest.universe import Universe, parse_universe
from sql.command import WarehouseGroup, json_option, print_json, print_table, ready_database, run
from sql.connect import Role, open_pool

T = TypeVar("T")
_SHOWN = 40
_SIGNALS = {number.name: number for number in (signal.SIGINT, signal.SIGTERM)}


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


_symbols = click.option(
    "--symbols",
    metavar="A,B",
    callback=_as_universe,
    help="Symbols, separated by commas (case matters), or `all` for the whole market. "
    "Default: UNIVERSE, else the symbols of ops/universe.txt.",
)
_from = click.option(
    "--from", "first", metavar="DATE", callback=_as_date, help="First date. Default: five years before the last."
)
_to = click.option(
    "--to",
    "last",
    metavar="DATE",
    callback=_as_date,
    help="Last date. Default, and at most: the last session that has settled.",
)


@click.group(cls=WarehouseGroup)
def ingest() -> None:
    """Fetch raw answers from the vendor into the archive.

    Reads POLYGON_API_KEY, POLYGON_BASE_URL, UNIVERSE and RATE_LIMIT_PER_MINUTE.
    """


@ingest.command()
@_symbols
@_from
@_to
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=8, show_default=True, help="Requests under way at once."
)
@json_option
def backfill(
    symbols: Universe | None, first: dt.date | None, last: dt.date | None, concurrency: int, as_json: bool
) -> None:
    """Fetch what the archive lacks of a period; safe to kill and to run again."""
    settings = IngestSettings.from_environ()
    universe = symbols or settings.universe
    period = _period(first, last)
    stop = Stop()
    report = _with_pool(lambda pool: _backfill(pool, settings, universe, period, concurrency, stop))
    if as_json:
        print_json(report)
    else:
        _print_report(report, universe)
    if report.stopped_by in _SIGNALS:
        raise RunStopped(report.stopped_by)
    if report.failures():
        raise RunFailed(report.failures())


@ingest.command()
@_symbols
@_from
@_to
@click.option("--concurrency", type=click.IntRange(1, 64), expose_value=False, help="As for backfill; changes no plan.")
@json_option
def plan(symbols: Universe | None, first: dt.date | None, last: dt.date | None, as_json: bool) -> None:
    """Show the requests that `ingest backfill` would make now, and make none; needs no key."""
    settings = IngestSettings.from_environ()
    universe = symbols or settings.universe
    period = _period(first, last)
    planned = _with_pool(lambda pool: plan_backfill(pool, universe, period, _now()))
    estimate_s = _at_least_s(len(planned.steps), settings.rate_limit_per_minute)
    if as_json:
        print_json(_plan_facts(planned, universe, period, estimate_s))
    else:
        _print_plan(planned, universe, period, estimate_s)


async def _backfill(
    pool: asyncpg.Pool, settings: IngestSettings, universe: Universe, period: Period, concurrency: int, stop: Stop
) -> RunReport:
    with _stopped_by_signals(stop):
        return await run_backfill(
            pool,
            settings,
            universe=universe,
            period=period,
            now=_now,
            concurrency=concurrency,
            stop=stop,
            progress=show_progress,
        )


@contextmanager
def _stopped_by_signals(stop: Stop) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM ask for a stop; a second one ends the process as usual."""
    loop = asyncio.get_running_loop()

    def heard(name: str) -> None:
        stop.request(name)
        give_back()

    def give_back() -> None:
        for number in _SIGNALS.values():
            loop.remove_signal_handler(number)

    for name, number in _SIGNALS.items():
        loop.add_signal_handler(number, heard, name)
    try:
        yield
    finally:
        give_back()


def _print_plan(planned: Plan, universe: Universe, period: Period, estimate_s: float | None) -> None:
    _print_beyond_plan(planned.beyond_plan)
    if not planned.steps:
        click.echo(_nothing_to_do(planned.sessions, universe, period))
        return
    rows = [
        (
            subject_of(step.request),
            step.request.endpoint.value,
            step.request.from_date,
            step.request.to_date,
            step.reason,
        )
        for step in planned.steps[:_SHOWN]
    ]
    print_table(f"plan for {period.first} to {period.last}", ("what", "endpoint", "from", "to", "why"), rows)
    if len(planned.steps) > _SHOWN:
        click.echo(f"and {len(planned.steps) - _SHOWN:,} more (--json has all)")
    duration = "no rate limit" if estimate_s is None else f"at least {_spoken(estimate_s)} at the rate limit"
    click.echo(f"{_counted(len(planned.steps), 'request')}, more where answers have pages; {duration}")


def _plan_facts(planned: Plan, universe: Universe, period: Period, estimate_s: float | None) -> dict[str, Any]:
    return {
        "universe": str(universe),
        "first": period.first,
        "last": period.last,
        "sessions": planned.sessions,
        "requests_total": len(planned.steps),
        "estimated_s": estimate_s,
        "already_have": planned.already_have,
        "beyond_plan": planned.beyond_plan,
        "requests": [msgspec.to_builtins(step.request) | {"reason": step.reason} for step in planned.steps],
    }


def _print_report(report: RunReport, universe: Universe) -> None:
    _print_beyond_plan(report.beyond_plan)
    if not report.planned:
        click.echo(_nothing_to_do(report.sessions, universe, Period(report.first, report.last)))
        return
    # Of a long run only what did not go well is shown.
    shown = [
        outcome
        for outcome in report.outcomes
        if len(report.outcomes) <= _SHOWN or outcome.ending is not Ending.ANSWERED
    ][:_SHOWN]
    if shown:
        columns = ("what", "endpoint", "ended", "rows", "first", "last", "why")
        rows = [
            (each.subject, each.endpoint, each.ending, each.row_count, each.first_session, each.last_session, each.why)
            for each in shown
        ]
        print_table(f"fetched for {report.first} to {report.last}", columns, rows)
    click.echo(
        f"{_counted(report.requests, 'request')}, {report.retries:,} of them asked again, {report.body_bytes:,} bytes "
        f"in {_spoken(report.elapsed_s)}; turns were held back for {_spoken(report.waited_s)}"
    )
    if report.left_to_ask:
        click.echo(f"left for the next run: {_counted(report.left_to_ask, 'request')}")


def _nothing_to_do(sessions: int, universe: Universe, period: Period) -> str:
    whom = "the whole market" if universe.symbols is None else _counted(len(universe.symbols), "symbol")
    what = f"{whom}, {_counted(sessions, 'session')} from {period.first} to {period.last}"
    return f"nothing to do: the archive has every answer for {what}"


def _print_beyond_plan(sessions: dict[str, int]) -> None:
    for name, count in sessions.items():
        click.echo(f"{name}: {_counted(count, 'session')} beyond what the key's plan gives; not asked for again")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _at_least_s(requests: int, per_minute: int) -> float | None:
    """Return how long the rate limit alone makes so many requests take, None where there is no limit."""
    if not per_minute:
        return None
    return 60.0 * (max(requests - 1, 0) // per_minute)


def _spoken(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return str(dt.timedelta(seconds=round(seconds)))


def _period(first: dt.date | None, last: dt.date | None) -> Period:
    try:
        return asked_period(first, last, _now())
    except InvalidDates as exc:
        raise click.UsageError(str(exc)) from exc


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _with_pool(job: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with open_pool(await ready_database(), Role.INGEST) as pool:
            return await job(pool)

    return run(connected())
