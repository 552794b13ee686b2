"""Plans and runs as tables for a person; it decides nothing."""

import datetime as dt
from collections import defaultdict

import click

from ingest.errors import subject_of
from ingest.period import Period
from ingest.plan import Plan
from ingest.report import Ending, RunReport, StepOutcome
from ingest.universe import Universe
from sql.command import print_table

_SHOWN = 40
_NAMED = 5


def print_plan(planned: Plan, universe: Universe, period: Period, estimate_s: float | None) -> None:
    """Print what a run would ask for, and how long the rate limit alone would make it take."""
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
    duration = "no rate limit" if estimate_s is None else f"at least {spoken(estimate_s)} at the rate limit"
    more = "more where answers have pages or leave dates out"
    click.echo(f"{counted(len(planned.steps), 'request')}, {more}; {duration}")


def print_report(report: RunReport, universe: Universe) -> None:
    """Print what a run did."""
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
            (
                each.subject,
                each.endpoint,
                each.ending,
                each.row_count,
                each.first_session,
                each.last_session,
                _why(each),
            )
            for each in shown
        ]
        print_table(f"fetched for {report.first} to {report.last}", columns, rows)
    click.echo(
        f"{counted(report.requests, 'request')}, {report.retries:,} of them asked again, {report.body_bytes:,} bytes "
        f"in {spoken(report.elapsed_s)}; turns were held back for {spoken(report.waited_s)}"
    )
    if report.left_to_ask:
        click.echo(f"left for the next run: {counted(report.left_to_ask, 'request')}")


def _why(outcome: StepOutcome) -> str | None:
    if not outcome.left_out:
        return outcome.why
    return f"{counted(outcome.left_out, 'session')} asked for left out before or after these"


def _nothing_to_do(sessions: int, universe: Universe, period: Period) -> str:
    whom = "the whole market" if universe.symbols is None else counted(len(universe.symbols), "symbol")
    what = f"{whom}, {counted(sessions, 'session')} from {period.first} to {period.last}"
    return f"nothing to do: the archive has every answer for {what}"


def _print_beyond_plan(sessions: dict[str, int]) -> None:
    alike = defaultdict(list)
    for name, count in sessions.items():
        alike[count].append(name)
    for count, names in alike.items():
        whom = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
        click.echo(f"{whom}: {counted(count, 'session')} beyond what the key's plan gives; not asked for again")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 session`, `2 sessions`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def spoken(seconds: float) -> str:
    """Return a duration as a person says it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return str(dt.timedelta(seconds=round(seconds)))
