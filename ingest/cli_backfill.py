"""`ingest backfill` and `ingest plan`: fetch what the archive lacks, or show what would be fetched."""

import datetime as dt
import functools
from typing import Any

import click
import msgspec

from ingest.backfill import plan_backfill, run_backfill
from ingest.coverage import LONG_AGO
from ingest.options import (
    end_with,
    from_option,
    period_of,
    reference_option,
    retry_option,
    stoppable,
    symbols_option,
    to_option,
    utc_now,
    with_pool,
)
from ingest.period import Period
from ingest.plan import Plan
from ingest.progress import show_progress
from ingest.settings import IngestSettings
from ingest.show import print_plan
from ingest.stop import Stop
from ingest.universe import Universe
from sql.command import WarehouseCommand, json_option, print_json


@click.command(cls=WarehouseCommand)
@symbols_option
@from_option
@to_option
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=8, show_default=True, help="Requests under way at once."
)
@reference_option
@retry_option
@json_option
def backfill(
    symbols: Universe | None,
    first: dt.date | None,
    last: dt.date | None,
    concurrency: int,
    reference: bool,
    retry_refused: bool,
    as_json: bool,
) -> None:
    """Fetch what the archive lacks of a period; safe to kill and to run again."""
    settings = IngestSettings.from_environ()
    universe = symbols or settings.universe
    period = period_of(first, last)
    stop = Stop()
    job = functools.partial(
        run_backfill,
        settings=settings,
        universe=universe,
        period=period,
        now=utc_now,
        reference=reference,
        retry_refused=retry_refused,
        concurrency=concurrency,
        stop=stop,
        progress=show_progress,
    )
    report = with_pool(lambda pool: stoppable(job(pool), stop))
    end_with(report, universe, as_json=as_json)


@click.command(cls=WarehouseCommand)
@symbols_option
@from_option
@to_option
@click.option("--concurrency", type=click.IntRange(1, 64), expose_value=False, help="As for backfill; changes no plan.")
@reference_option
@retry_option
@json_option
def plan(
    symbols: Universe | None,
    first: dt.date | None,
    last: dt.date | None,
    reference: bool,
    retry_refused: bool,
    as_json: bool,
) -> None:
    """Show the requests that `ingest backfill` would make now, and make none; needs no key."""
    settings = IngestSettings.from_environ()
    universe = symbols or settings.universe
    period = period_of(first, last)
    now = utc_now()
    job = functools.partial(
        plan_backfill,
        universe=universe,
        period=period,
        now=now,
        vendor_plan=settings.vendor_plan,
        refusals_since=now if retry_refused else LONG_AGO,
        reference=reference,
    )
    planned = with_pool(job)
    estimate_s = _at_least_s(len(planned.steps), settings.rate_limit_per_minute)
    if as_json:
        print_json(_plan_facts(planned, universe, period, estimate_s))
    else:
        print_plan(planned, universe, period, estimate_s)


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


def _at_least_s(requests: int, per_minute: int) -> float | None:
    """Return how long the rate limit alone makes so many requests take, None where there is no limit."""
    if not per_minute:
        return None
    return 60.0 * (max(requests - 1, 0) // per_minute)
