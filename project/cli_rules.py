"""`project rules`: every ruleset that was ever used, to look at, to compare, and to take up again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import click

from project.options import with_pool
from project.rules import RULES
from project.ruleset import read_ruleset, rules_path
from project.ruleset_text import differences, text_of
from project.rulesets import KnownRuleset, find_ruleset, known_rulesets
from sql.command import WarehouseCommand, WarehouseGroup, json_option, print_json, print_table
from sql.connect import Role

_HASH_HELP = "HASH is the beginning of a hash (4 digits or more), or one of live, previous and file."


def rules_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --rules to a command, which gets the path of the rules file as `rules_file`."""
    option = click.option(
        "--rules",
        "rules_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        default=rules_path,
        help="The rules file, in the place of RULES.",
    )
    return option(command)


@click.group(cls=WarehouseGroup)
def rules() -> None:
    """List, show and compare the rulesets that were ever used."""


@rules.command("list", cls=WarehouseCommand)
@rules_option
@json_option
def list_rulesets(rules_file: Path, as_json: bool) -> None:
    """List every ruleset that was ever used, the oldest first, and the rules file's."""
    known = _known(rules_file)
    if as_json:
        print_json([_facts(each) for each in known])
        return
    rows = [
        (
            each.hash[:12],
            each.recorded_at or "never used",
            len(each.ruleset.rules),
            ", ".join(each.roles) or None,
            each.runs_here,
        )
        for each in known
    ]
    print_table("rulesets", ("hash", "first used", "rules", "is", "runs here"), rows)


@rules.command("show", cls=WarehouseCommand, epilog=_HASH_HELP)
@click.argument("name", metavar="HASH")
@rules_option
@json_option
def show_ruleset(name: str, rules_file: Path, as_json: bool) -> None:
    """Print a ruleset as a rules file: edit it, and give it back with `project --rebuild --rules FILE`."""
    found = find_ruleset(_known(rules_file), name)
    if as_json:
        print_json(_facts(found))
    else:
        click.echo(text_of(found.ruleset), nl=False)


@rules.command("diff", cls=WarehouseCommand, epilog=_HASH_HELP)
@click.argument("before", metavar="HASH")
@click.argument("after", metavar="HASH")
@rules_option
@json_option
def diff_rulesets(before: str, after: str, rules_file: Path, as_json: bool) -> None:
    """Say how the second ruleset differs from the first."""
    known = _known(rules_file)
    one, other = find_ruleset(known, before), find_ruleset(known, after)
    found = differences(one.ruleset, other.ruleset)
    if as_json:
        print_json({"before": one.hash, "after": other.hash, "differences": found})
    elif not found:
        click.echo(f"{one.hash[:12]} and {other.hash[:12]} are the same ruleset")
    else:
        rows = [(each.rule or "(all)", each.what, each.before, each.after) for each in found]
        print_table("differences", ("rule", "what", one.hash[:12], other.hash[:12]), rows)


def _known(rules_file: Path) -> list[KnownRuleset]:
    ruleset = read_ruleset(rules_file)

    async def read(pool: asyncpg.Pool) -> list[KnownRuleset]:
        async with pool.acquire() as connection:
            return await known_rulesets(connection, ruleset)

    return with_pool(Role.READ, read)


def _facts(known: KnownRuleset) -> dict[str, Any]:
    """Return a ruleset as facts, each rule with what it means where its code is here."""
    used = [
        {
            "name": use.name,
            "version": use.version,
            "penalty": use.penalty,
            "group": use.group,
            "limits": use.limits,
            "source": RULES[use.name].source if use.name in RULES else None,
        }
        for use in known.ruleset.rules
    ]
    return {
        "hash": known.hash,
        "recorded_at": known.recorded_at,
        "is": known.roles,
        "runs_here": known.runs_here,
        "validated_from": known.ruleset.validated_from,
        "volume_window": known.ruleset.volume_window,
        "test_tickers": known.ruleset.test_tickers,
        "rules": used,
    }
