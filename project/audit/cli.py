"""The `audit` command: raw against cleaned, of a session, of one bar or of the whole archive; it shows and decides
nothing.
"""

import datetime as dt
from collections import Counter

import asyncpg
import click

from project.audit.archive import WholeAudit, audit_all
from project.audit.bar import BarAudit, Said, audit_bar
from project.audit.session import Audit, audit_session
from project.options import with_pool
from project.progress import progress_bar
from sql.command import WarehouseCommand, json_option, print_json, print_table
from sql.connect import Role

_SHOWN_OF_A_KIND = 20


@click.command(cls=WarehouseCommand)
@click.argument("date", type=click.DateTime(formats=["%Y-%m-%d"]), metavar="DATE", required=False)
@click.argument("symbol", required=False)
@click.option("--all", "whole", is_flag=True, help="Reconcile the whole archive with the live tables.")
@json_option
def audit(date: dt.datetime | None, symbol: str | None, whole: bool, as_json: bool) -> None:
    """Set the raw rows of DATE against the cleaned bars; with SYMBOL, tell the whole story of that bar; with --all,
    reconcile every payload. Exit 1, naming the first difference, where they do not add up.
    """
    if whole:
        if date is not None:
            raise click.UsageError("--all audits every date; leave DATE out")
        _print_whole(with_pool(Role.READ, _audit_all), as_json=as_json)
    elif date is None:
        raise click.MissingParameter(param_type="argument", param_hint="'DATE'")
    elif symbol is None:
        _print_session(with_pool(Role.READ, lambda pool: _audit(pool, date.date())), as_json=as_json)
    else:
        _print_bar(with_pool(Role.READ, lambda pool: _audit_bar(pool, date.date(), symbol)), as_json=as_json)


async def _audit(pool: asyncpg.Pool, session: dt.date) -> Audit:
    async with pool.acquire() as connection:
        return await audit_session(connection, session)


async def _audit_bar(pool: asyncpg.Pool, session: dt.date, symbol: str) -> BarAudit:
    async with pool.acquire() as connection:
        return await audit_bar(connection, session, symbol)


async def _audit_all(pool: asyncpg.Pool) -> WholeAudit:
    async with pool.acquire() as connection:
        with progress_bar() as bar:
            return await audit_all(connection, progress=bar)


def _print_session(found: Audit, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_table(f"audit {found.session}", ("fact", "rows"), _facts(found))
    _print_differences(found)
    _print_checked(found.checked)


def _facts(found: Audit) -> list[tuple[str, object]]:
    return [
        ("payloads that may speak of it" if found.is_session else "payloads (no session on this date)", found.payloads),
        ("raw rows", found.raw_rows),
        ("= current bars", found.current),
        ("+ superseded", found.superseded),
        ("    restated since", found.revised),
        ("    repeated what was known", found.repeated),
        ("+ rejected", found.rejected),
        ("validated bars", found.validated),
        ("tickers without a bar", found.missing),
    ]


def _print_differences(found: Audit) -> None:
    if not found.differences:
        return
    seen: Counter[str] = Counter()
    rows = []
    for row in found.differences:
        seen[row.kind] += 1
        if seen[row.kind] <= _SHOWN_OF_A_KIND:
            rows.append((row.ticker, row.kind, row.detail, None if row.archive_seq is None else str(row.archive_seq)))
    print_table("raw against cleaned", ("ticker", "what", "why", "payload"), rows)
    more = [f"{count - _SHOWN_OF_A_KIND:,} {kind}" for kind, count in seen.items() if count > _SHOWN_OF_A_KIND]
    if more:
        click.echo(f"and {', '.join(more)} more (--json has all)")


def _print_checked(checked: tuple[str, ...]) -> None:
    click.echo("checked:")
    for each in checked:
        click.echo(f"  {each}")


def _print_bar(found: BarAudit, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_table(f"audit {found.audit.session} {found.audit.ticker}", ("fact", "rows"), _facts(found.audit))
    if found.said:
        rows = [
            (str(row.archive_seq), str(row.row_index), row.fetched_at, row.endpoint, _outcome(row), row.raw)
            for row in found.said
        ]
        print_table("what was said", ("payload", "row", "fetched at", "endpoint", "became", "as sent"), rows)
    if found.silent:
        click.echo(f"asked for it and answered without it: payload {', '.join(map(str, found.silent))}\n")
    _print_cleaned(found)
    _print_rest(found)
    _print_checked(found.audit.checked)


def _outcome(row: Said) -> str:
    match row.outcome:
        case "superseded":
            return f"superseded by {row.by}"
        case "repeated":
            return f"repeats {row.by}"
        case "rejected":
            return f"rejected: {', '.join(row.reasons)}"
        case _:
            return row.outcome


def _print_cleaned(found: BarAudit) -> None:
    if found.bar is None:
        click.echo("no bar\n")
        return
    bar = found.bar
    facts = [(name, _plain(value)) for name, value in bar.values.items()]
    facts += [
        ("known from", f"{bar.known_from:%Y-%m-%d %H:%M:%S}, payload {bar.archive_seq}"),
        ("score", _plain(bar.quality_score)),
        ("validated", "yes" if bar.validated else "no"),
    ]
    print_table("the bar", ("fact", "value"), facts)
    rows = [
        (
            row.rule,
            "passed" if row.passed else "failed",
            _plain(row.measure),
            ", ".join(f"{name} {_plain(value)}" for name, value in row.limits.items()),
            _plain(row.penalty),
        )
        for row in found.verdicts
    ]
    print_table(f"rules {found.ruleset_hash[:12]}", ("rule", "verdict", "measure", "limits", "penalty"), rows)


def _print_rest(found: BarAudit) -> None:
    if found.revisions:
        rows = [
            (*(_plain(value) for value in row.values.values()), row.known_from, row.known_to, str(row.superseded_by))
            for row in found.revisions
        ]
        columns = (*found.revisions[0].values, "believed from", "until", "restated by")
        print_table("believed before", columns, rows)
    if found.actions:
        rows = [
            (
                row.kind,
                f"{_plain(row.cash)}"
                if row.kind == "dividend"
                else f"{_plain(row.split_from)} → {_plain(row.split_to)}",
                row.ex_date,
                row.applied_on,
                ", ".join(row.flags) or None,
                str(row.archive_seq),
            )
            for row in found.actions
        ]
        print_table("corporate actions", ("what", "how much", "ex-date", "applied on", "flags", "payload"), rows)
    if found.overrides:
        rows = [
            (row.verdict, row.because, row.decided_by, row.decided_at, str(row.archive_seq), row.known_to)
            for row in found.overrides
        ]
        print_table("overrides", ("verdict", "because", "by", "at", "payload", "revoked at"), rows)


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.10g}"


def _print_whole(found: WholeAudit, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows = [
        ("no date" if year.year is None else str(year.year), *(getattr(year, name) for name in _COUNTS))
        for year in [*found.years, found.total]
    ]
    rows[-1] = ("all", *rows[-1][1:])
    columns = ("year", "raw rows", "= current", "+ superseded", "+ rejected", "restated", "repeated")
    print_table(f"audit of {found.payloads:,} payloads", columns, rows)
    if found.rejected_records:
        click.echo(f"rejected rows of splits, dividends and listings, counted apart: {found.rejected_records:,}")
    for payload in found.skipped:
        click.echo(f"payload {payload} counts as holding no rows, by a person's decision")
    if found.waiting:
        click.echo(f"not projected yet and not audited: {found.waiting:,} payloads")
    _print_checked(found.checked)


_COUNTS = ("raw_rows", "current", "superseded", "rejected", "revised", "repeated")
