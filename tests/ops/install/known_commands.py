"""The product's command lines, checked against click: a command, its options and its arguments must exist."""

import importlib
import tomllib
from collections.abc import Sequence
from pathlib import Path

import click

_SCRIPTS = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]["scripts"]


def check_command(words: Sequence[str]) -> None:
    """Fail unless click reads a command line of ours to its end; nothing is run."""
    module, _, name = _SCRIPTS[words[0]].partition(":")
    command: click.Command = getattr(importlib.import_module(module), name)
    parent, rest = click.Context(command, info_name=words[0]), list(words[1:])
    while isinstance(command, click.Group) and rest:
        found = command.get_command(parent, rest.pop(0))
        assert found is not None, words
        command = found
    command.make_context(command.name, rest, parent=parent)
