"""What a rebuild changes, on the command line: --dry-run, the change budget, and the report as a person reads it."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click
import msgspec

from project.compare.budget import DEFAULT_MAX_CHANGE
from project.compare.changes import Changes, Counts, Sample
from project.compare.dry_run import DryRun
from project.errors import ChangeBudgetExceeded
from sql.command import print_json, print_table

Command = Callable[..., None]

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_COUNTS = (
    "bars before",
    "after",
    "gained",
    "lost",
    "newly validated",
    "no longer validated",
    "rejudged",
    "restated",
    "changed",
)


class ChangesAsked(msgspec.Struct, frozen=True):
    """What the command line says of changes: only to show them, or how large a share (None: any) may go live."""

    dry_run: bool
    max_change: float | None


class _Share(click.ParamType[float]):
    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        percent = _PERCENT.fullmatch(str(value).strip())
        if percent is None or float(percent[1]) > 100:
            self.fail(f"{value!r} is no share; it must be from 0% to 100%, with the percent sign", param, ctx)
        return float(percent[1]) / 100


def change_options(command: Command) -> Command:
    """Add --dry-run, --max-change and --yes to a command that has `from_scratch`: one argument `changes`."""

    @click.option("--dry-run", is_flag=True, help="With --rebuild: only say what would change; write nothing.")
    @click.option(
        "--max-change",
        type=_Share(),
        metavar="PERCENT",
        help=f"With --rebuild: how many live bars may change status before it stops ({DEFAULT_MAX_CHANGE:.0%}).",
    )
    @click.option("--yes", is_flag=True, help="With --rebuild: go live however many bars change.")
    @wraps(command)
    def with_changes(*args: Any, dry_run: bool, max_change: float | None, yes: bool, **options: Any) -> None:
        given = [("--dry-run", dry_run), ("--max-change", max_change is not None), ("--yes", yes)]
        chosen = [name for name, is_given in given if is_given]
        if chosen and not options["from_scratch"]:
            raise click.UsageError(f"{chosen[0]} goes with --rebuild")
        if len(chosen) > 1:
            raise click.UsageError(f"{chosen[0]} and {chosen[1]} exclude each other")
        most = DEFAULT_MAX_CHANGE if max_change is None else max_change
        command(*args, changes=ChangesAsked(dry_run, None if yes else most), **options)

    return with_changes


@contextmanager
def report_when_refused(as_json: bool) -> Iterator[None]:
    """Print what a rebuild inside would change where that is more than it may."""
    try:
        yield
    except ChangeBudgetExceeded as exc:
        if as_json:
            print_json({"changes": exc.changes})
        else:
            print_changes("the rebuild would change", exc.changes)
        raise


def change_facts(changes: Changes | None) -> dict[str, object]:
    """Return what a rebuild adds to its facts where it was set beside what was live."""
    if changes is None:
        return {}
    return {"bars_changed": changes.counts.changed, "bars_changed_status": changes.counts.status_changed}


def print_dry_run(found: DryRun, as_json: bool) -> None:
    """Print what a rebuild would change."""
    if as_json:
        print_json(found)
        return
    behind = found.archive_head - found.checkpoint
    facts: list[tuple[str, object]] = [("payloads replayed", found.checkpoint)]
    if behind:
        facts.append(("payloads that the live projection lacks, and so were left out", behind))
    if found.calendar_before != found.calendar_after:
        facts.append(("calendar", f"{found.calendar_before} → {found.calendar_after}"))
    print_changes("a rebuild would change", found.changes, facts)


def print_changes(title: str, changes: Changes, facts: Sequence[tuple[str, object]] = ()) -> None:
    """Print the report on what changes; years in which nothing does are left out."""
    rules = f"{changes.ruleset_before[:12]} → {changes.ruleset_after[:12]}"
    counted = [
        ("ruleset", rules),
        *facts,
        *zip(_COUNTS, msgspec.structs.astuple(changes.counts), strict=True),
        ("share of live bars that change status or are lost", f"{100 * changes.changed_share:.3g}%"),
    ]
    print_table(title, ("fact", "value"), [(name, _plain(value)) for name, value in counted])
    if changes.counts.changed == 0:
        return
    rule_columns = ("rule", "fails", "will fail", "newly", "no longer validated", "no longer", "newly validated")
    moved = [(name, *msgspec.structs.astuple(rule)) for name, rule in changes.by_rule.items()]
    print_table("by rule", rule_columns, moved)
    symbols = _lines(changes.by_symbol.items())
    if changes.other_symbols:
        symbols.append((f"and {changes.other_symbols:,} more", *msgspec.structs.astuple(changes.others)))
    print_table("by symbol", ("symbol", *_COUNTS), symbols)
    years = ((str(year), counts) for year, counts in changes.by_year.items() if counts.changed)
    print_table("by year", ("year", *_COUNTS), _lines(years))
    columns = ("symbol", "session", "change", "score", "rules before", "rules after", "gap", "volume ratio")
    print_table("samples", columns, [_sample(sample) for sample in changes.samples])


def _lines(counts: Iterable[tuple[str, Counts]]) -> list[tuple[object, ...]]:
    return [(name, *msgspec.structs.astuple(each)) for name, each in counts]


def _plain(value: object) -> object:
    return f"{value:,}" if isinstance(value, int) else value


def _sample(sample: Sample) -> tuple[object, ...]:
    restated = f" ({', '.join(sample.restated)})" if sample.restated else ""
    return (
        sample.ticker,
        str(sample.session),
        sample.kind.replace("_", " ") + restated,
        f"{_measure(sample.score_before, '.2f')} → {_measure(sample.score_after, '.2f')}",
        _rules(sample.rules_before),
        _rules(sample.rules_after),
        _measure(sample.gap, "+.1%"),
        _measure(sample.volume_ratio, ".2f"),
    )


def _rules(rules: tuple[str, ...] | None) -> str | None:
    return None if rules is None else ", ".join(rules) or "none"


def _measure(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
