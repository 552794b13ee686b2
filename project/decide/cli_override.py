"""`project override` and `project overrides`: a person overrules what the rules say of a bar, and sees who did."""

import datetime as dt

import asyncpg
import click

from project.decide.cli_decide import because_option, by_option, who, with_both_pools
from project.decide.decide import BarVerdict, Decided, OverrideListed, decide_on_bar, list_overrides
from project.decide.decisions import Decision, Verb
from project.options import session_date, utc_now, with_pool
from sql.command import WarehouseCommand, json_option, print_json, print_table
from sql.connect import Role

_BARS_VERBS = (Verb.ACCEPT, Verb.REJECT, Verb.REVOKE)


@click.command(cls=WarehouseCommand)
@click.argument("symbol")
@click.argument("date", type=session_date, metavar="DATE")
@click.option("--accept", is_flag=True, help="The bar is good, whatever the rules say.")
@click.option("--reject", is_flag=True, help="The bar is not good, whatever the rules say.")
@click.option("--revoke", is_flag=True, help="Let the rules decide again.")
@because_option(required=True)
@by_option
@json_option
def override(
    symbol: str, date: dt.date, accept: bool, reject: bool, revoke: bool, because: str, by: str | None, as_json: bool
) -> None:
    """Overrule what the rules say of the bar of SYMBOL on DATE, and project it at once.

    The decision is archived like an answer of the vendor: it is replayed by every rebuild, and nothing deletes it. It
    holds for the bar whatever values the vendor restates it to, until it is revoked.
    """
    chosen = [verb for verb, given in zip(_BARS_VERBS, (accept, reject, revoke), strict=True) if given]
    if len(chosen) != 1:
        raise click.UsageError("give one of --accept, --reject and --revoke")
    decision = Decision(chosen[0], symbol, date, None, because.strip(), who(by), utc_now())

    async def decide(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> Decided:
        return await decide_on_bar(ingest_pool, project_pool, decision, utc_now)

    decided = with_both_pools(decide)
    if as_json:
        print_json(decided)
    else:
        _print_decided(decided)


@click.command(cls=WarehouseCommand)
@click.argument("symbol", required=False)
@click.option("--all", "ended", is_flag=True, help="Also those that were revoked or replaced.")
@json_option
def overrides(symbol: str | None, ended: bool, as_json: bool) -> None:
    """List the bars on which a person overruled the rules, of all symbols or of SYMBOL."""
    found = with_pool(Role.READ, lambda pool: list_overrides(pool, symbol, ended=ended))
    if as_json:
        print_json(found)
    elif not found:
        click.echo("no override" if symbol is None else f"no override of {symbol}")
    else:
        _print_overrides(found, ended)


def _print_decided(decided: Decided) -> None:
    bar = f"{decided.ticker} {decided.session}"
    if decided.archive_seq is None:
        said = decided.before
        click.echo(f"nothing to do: {bar} is overridden so already, by {said.decided_by}: {said.because}")
        return
    before, after = _facts(decided.before), _facts(decided.after)
    rows = [(name, was, now) for (name, was), (_, now) in zip(before, after, strict=True)]
    print_table(f"{bar}: decision archived as payload {decided.archive_seq:,}", ("", "before", "after"), rows)


def _facts(verdict: BarVerdict) -> list[tuple[str, object]]:
    return [
        ("validated", verdict.validated),
        ("quality score", f"{verdict.quality_score:.4g}"),
        ("failed rules", ", ".join(verdict.failed_rules) or None),
        ("override", None if verdict.override is None else f"{verdict.override} by {verdict.decided_by}"),
        ("because", verdict.because),
    ]


def _print_overrides(found: list[OverrideListed], ended: bool) -> None:
    columns = ["symbol", "session", "verdict", "validated", "score", "restated since"]
    columns += ["by", "decided (UTC)", "payload", *(["ended (UTC)", "by payload"] if ended else []), "because"]
    print_table("overrides", columns, [_line(row, ended) for row in found])


def _line(row: OverrideListed, ended: bool) -> list[object]:
    score = None if row.quality_score is None else f"{row.quality_score:.4g}"
    bar: list[object] = [row.ticker, row.session, row.verdict, row.validated, score, row.restated_since]
    end = [row.ended_at, None if row.ended_by is None else str(row.ended_by)] if ended else []
    return [*bar, row.decided_by, row.decided_at, str(row.archive_seq), *end, row.because]
