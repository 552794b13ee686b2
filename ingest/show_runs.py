"""The run ledger as tables for a person, whatever a run left there; it decides nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from archive.runs import Run
from ingest.ledger import RunSummary, State
from ingest.report import Ending
from ingest.show import counted, spoken
from sql.command import print_table

_SHOWN = 40
_NAMED = 10
_SHORT_ID = 8
# The ledger is JSON whose keys have no order: these come first, in this one.
_FACTS = ("universe", "first", "last", "sessions", "planned", "requests", "retries", "body_bytes", "waited_s")
_COLUMNS = ("subject", "endpoint", "ending", "row_count", "pages", "first_session", "last_session", "why")
_WELL = (None, Ending.ANSWERED, Ending.EMPTY)
_LABELS = {"unknown": "no bar anywhere of", "beyond_plan": "beyond the key's plan", "waited_s": "turns held back (s)"}

Row = Mapping[str, Any]


def print_runs(runs: Sequence[RunSummary], kind: str | None) -> None:
    """Print runs, a line each."""
    if not runs:
        click.echo("no run yet" if kind is None else f"no run of kind {kind!r} yet")
        return
    columns = ("id", "kind", "started (UTC)", "took", "ended", "planned", "requests", "bytes", "retries", "waits")
    rows = [
        (
            run.run_id.hex[:_SHORT_ID],
            run.kind,
            run.started_at,
            _duration(run.took_s),
            ended(run),
            run.planned,
            run.requests,
            run.body_bytes,
            run.retries,
            _duration(run.waited_s),
        )
        for run in runs
    ]
    print_table("runs", columns, rows)


def print_run(run: Run, summary: RunSummary) -> None:
    """Print one run: its facts, its plan, and how each part of it ended."""
    facts = {
        "id": run.run_id,
        "kind": run.kind,
        "started (UTC)": run.started_at,
        "finished (UTC)": run.finished_at,
        "took": _duration(summary.took_s),
        "ended": ended(summary),
    }
    left = {name: value for name, value in {**run.plan, **(run.result or {})}.items() if name != "run_id"}
    tables = {name: value for name, value in left.items() if _is_table(value)}
    for name in _ordered(left.keys() - tables.keys(), _FACTS):
        facts[_label(name)] = _cell(left[name])
    # A plan's requests are a list, a result's are their number: both are shown.
    planned = run.plan.get("requests")
    if isinstance(planned, list):
        tables["planned"] = [{"request": target} for target in planned]
        if planned is left["requests"]:
            facts[_label("requests")] = len(planned)
    print_table(f"run {run.run_id.hex[:_SHORT_ID]}", ("fact", "value"), list(facts.items()))
    for name in _ordered(tables, ("planned",)):
        _print_beginning(_label(name), tables[name])


def ended(run: RunSummary) -> str:
    """Return how a run ended in the words of a list of runs."""
    match run.state:
        case State.FAILED:
            return f"{run.failed:,} failed"
        case State.STOPPED:
            return f"stopped by {run.stopped_by}"
        case _:
            return run.state.value


def _print_beginning(title: str, rows: Sequence[Row]) -> None:
    """Print the beginning of a long table, and of the rest what did not go well."""
    columns = _ordered({name for row in rows for name in row}, _COLUMNS)
    shown = [[_cell(row.get(name)) for name in columns] for row in rows[:_SHOWN]]
    print_table(title, [_label(name) for name in columns], shown)
    if len(rows) > _SHOWN:
        click.echo(f"and {len(rows) - _SHOWN:,} more (--json has all)")
        _print_not_well([row for row in rows[_SHOWN:] if row.get("ending") not in _WELL])


def _print_not_well(rows: Sequence[Row]) -> None:
    """Print what did not go well, those together that ended alike."""
    alike: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        alike.setdefault((str(row["ending"]), str(row.get("why"))), []).append(str(row.get("subject")))
    shown = list(alike.items())[:_SHOWN]
    if shown:
        print_table(
            "did not go well, of those",
            ("ending", "how many", "why", "which"),
            [(ending, len(subjects), why, _some(subjects, _NAMED)) for (ending, why), subjects in shown],
        )
    if len(alike) > len(shown):
        click.echo(f"and {counted(len(alike) - len(shown), 'other reason')} (--json has all)")


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) and row for row in value)


def _cell(value: object) -> object:
    """Return a value as it fits into one cell; of a long list or mapping only the beginning does."""
    match value:
        case dict():
            return _some([f"{name} {each}" for name, each in value.items()], _SHOWN) or None
        case list():
            return _some([str(each) for each in value], _SHOWN) or None
        case _:
            return value


def _some(texts: Sequence[str], at_most: int) -> str:
    rest = len(texts) - at_most
    return ", ".join(texts[:at_most]) + (f" and {rest:,} more" if rest > 0 else "")


def _ordered(names: Iterable[str], first: Sequence[str]) -> list[str]:
    left = set(names)
    return [name for name in first if name in left] + sorted(left.difference(first))


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))


def _duration(seconds: float | None) -> str | None:
    return None if seconds is None else spoken(seconds)
