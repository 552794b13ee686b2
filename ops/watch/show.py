"""Checks as lines for a person: how it stands, what was found, the bound it is held to, and what to do."""

from collections.abc import Sequence

import click

from api.watch.check import Check

_LEVELS = {"ok": "ok", "warn": "warn", "failed": "FAILED"}


def print_checks(checks: Sequence[Check]) -> None:
    """Print a line for each check, and one below it where there is something to do."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        bound = "" if check.bound is None or check.status == "ok" else f" (bound: {_spoken(check.bound)})"
        click.echo(f"{_LEVELS[check.status]:<6}  {check.name:<{width}}  {check.message}{bound}")
        if check.todo is not None and check.status != "ok":
            click.echo(f"{'':<6}  {'':<{width}}  -> {check.todo}")


def _spoken(bound: str | float) -> str:
    return bound if isinstance(bound, str) else f"{bound:g}"
