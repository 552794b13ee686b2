"""`--symbols` and `--from` of `project --rebuild`: which bars are to be rebuilt, where it is not all of them."""

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from project.options import session_date
from project.partial import Choice

Command = Callable[..., None]


def choice_options(command: Command) -> Command:
    """Add --symbols and --from to a command that has `from_scratch` and `rules_file`: one argument `choice`, None where
    neither is given.
    """

    @click.option("--symbols", metavar="A,B,…", help="With --rebuild: only bars of these symbols, by the live rules.")
    @click.option("--from", "first", type=session_date, help="With --rebuild: only bars from this date on.")
    @wraps(command)
    def with_choice(*args: Any, symbols: str | None, first: dt.date | None, **options: Any) -> None:
        choice = None
        if symbols is not None or first is not None:
            _require_rebuild("--symbols" if symbols is not None else "--from", options["from_scratch"])
            choice = Choice(None if symbols is None else _split(symbols), first or dt.date.min)
        command(*args, choice=choice, **options)

    return with_choice


def _require_rebuild(name: str, is_given: bool) -> None:
    if not is_given:
        raise click.UsageError(f"{name} goes with --rebuild")
    if click.get_current_context().get_parameter_source("rules_file") is ParameterSource.COMMANDLINE:
        raise click.UsageError(f"{name} and --rules exclude each other: all bars of a generation have the same rules")


def _split(symbols: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in symbols.split(",") if name.strip()))
    if not names:
        raise click.UsageError(f"--symbols is {symbols!r}: at least one symbol is needed, with commas between several")
    return names
