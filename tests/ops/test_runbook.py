"""The runbook says nothing that the software does not: its commands exist, its error lines are ours, its links lead
somewhere, and every error that a person must act on has its entry. It does not know whether the advice is good.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import archive
import ops
import project
import sql
from api.cli import api
from archive.cli import archive as archive_command
from ingest.cli import ingest
from ops.cli import ops as ops_command
from project.audit.cli import audit
from project.cli import project as project_command
from sql.errors import Misuse, WarehouseError

Message = tuple[str, ...]

_ROOT = Path(__file__).parents[2]
_ROOMS = ("api", "archive", "ingest", "ops", "project", "sql")
_TEXT = (_ROOT / "ops" / "RUNBOOK.md").read_text()
_OURS = {"api": api, "archive": archive_command, "audit": audit, "ingest": ingest, "ops": ops_command}
_OURS["project"] = project_command
_OTHERS = """. [ age apt-get cd chown cp createdb curl df do done dropdb du echo export for free git grep head install
journalctl ls mkdir mount mv pg_archivecleanup pg_basebackup pg_checksums pg_verifybackup ps psql rm set sh sha256sum
sort ss systemctl tail tar touch venv zstd"""
_FEWEST_FIXED = 11
_FEWEST_OF_CLASS = 6
_NEEDS_NOBODY = {
    "AmbiguousRun": "the next command is given with more digits",
    "InvalidRunId": "the next command is given with another id",
    "KeyFileExists": "nothing was done",
    "NotHealthy": "its message is all values; see Logins",
    "NotTold": "its message is all values; see An alert was not told",
    "MarketNotServed": "only ./ops/up with a local market",
    "ScrubStopped": "who stopped it knows, and the next night scrubs",
    "RefusedDecision": "nothing was done, and its message says why",
    "UnknownPayload": "the next command is given with another number",
    "UnknownSymbol": "the next command is given with another symbol",
    "UnknownRun": "the next command is given with another id",
}


def _fences(*kinds: str) -> Iterator[str]:
    for kind, body in re.findall(r"^```(\w+)\n(.*?)^```$", _TEXT, flags=re.MULTILINE | re.DOTALL):
        if kind in kinds:
            yield body


def _command_lines() -> list[str]:
    shown = [line[2:] for body in _fences("console") for line in body.splitlines() if line.startswith("$ ")]
    return shown + [line for body in _fences("sh") for line in body.splitlines() if line]


def _symptoms() -> list[str]:
    return [line for body in _fences("text") for line in body.splitlines()]


def _simple_commands(line: str) -> Iterator[list[str]]:
    """Yield the commands of a line of shell, without assignments, redirections and what runs them as another user."""
    lexer = shlex.shlex(re.sub(r"\$\([^()]*\)", "", line), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    command: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|&;"):
            if command := _bare(command):
                yield command
            command = []
        else:
            command.append(word)


def _bare(words: list[str]) -> list[str]:
    while words and (words[0] in {"sudo", "do"} or re.match(r"[A-Z_]+=", words[0])):
        words = words[1:]
    if words[:1] == ["-u"]:
        words = words[2:]
    return words[: words.index(">")] if ">" in words else words


def _unknown_part(words: list[str]) -> str | None:
    """Return the first subcommand or option of a command line of ours that does not exist."""
    command: click.Command = _OURS[words[0]]
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    for word in words[1:]:
        if word.startswith("--"):
            if word.partition("=")[0] not in options | {"--help"}:
                return f"{command.name} {word}"
        elif isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
            options |= {name for param in command.params for name in param.opts}
        elif isinstance(command, click.Group) and not command.invoke_without_command:
            return f"{command.name} {word}"
    return None


def _messages(code: ast.AST, fewest: int = _FEWEST_FIXED) -> Iterator[Message]:
    """Yield the texts in a piece of code of so many letters, each as what stands between its formatted values."""
    within = {id(piece) for part in ast.walk(code) if isinstance(part, ast.JoinedStr) for piece in part.values}
    for part in ast.walk(code):
        pieces = part.values if isinstance(part, ast.JoinedStr) else [part] if id(part) not in within else []
        fixed = [str(each.value) for each in pieces if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        if sum(map(len, fixed)) >= fewest:
            yield tuple(fixed)


def _says(line: str, message: Message) -> bool:
    place = 0
    for piece in message:
        found = line.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return True


@pytest.fixture(scope="module")
def ours() -> set[Message]:
    """Return every text in the source of the rooms."""
    files = [path for room in _ROOMS for path in (_ROOT / room).rglob("*.py")]
    return {message for path in files for message in _messages(ast.parse(path.read_text()))}


def _error_classes() -> list[type[WarehouseError]]:
    """Return the errors of these rooms that have a message of their own and are no misuse of a command line."""
    for room in (archive, ops, project, sql):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)
    found: list[type[WarehouseError]] = []
    waiting = [WarehouseError]
    while waiting:
        for child in waiting.pop().__subclasses__():
            waiting.append(child)
            if child.__module__.split(".")[0] in {"archive", "ops", "project", "sql"} and child not in found:
                found.append(child)
    return [each for each in found if "__init__" in vars(each) and not issubclass(each, Misuse)]


def test_every_command_exists() -> None:
    """A command line names commands and options that exist."""
    for line in _command_lines():
        for words in _simple_commands(line):
            name = words[0].rpartition("/")[2]
            if name in _OURS:
                assert _unknown_part([name, *words[1:]]) is None, line
            else:
                assert name in _OTHERS.split(), line


def test_every_symptom_is_a_line_of_ours(ours: set[Message]) -> None:
    """What an error line says, but for its values, stands in our source."""
    assert [line for line in _symptoms() if not any(_says(line, message) for message in ours)] == []


def test_the_contents_lead_somewhere() -> None:
    """Every link within the runbook leads to a heading, and every heading is in the contents."""
    headings = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#{2,} (.*)$", _TEXT, flags=re.MULTILINE)
    }
    links = set(re.findall(r"\]\(#([^)]*)\)", _TEXT))
    contents = set(re.findall(r"\]\(#([^)]*)\)", _TEXT.partition("## Contents")[2].partition("\n## ")[0]))
    assert links <= headings
    assert headings - {"contents"} <= contents


def test_every_error_that_a_person_must_act_on_has_an_entry() -> None:
    """Each error with a message of its own is quoted as a symptom, or needs nobody."""
    symptoms = _symptoms()
    missing = []
    for error in _error_classes():
        messages = list(
            _messages(ast.parse(textwrap.dedent(inspect.getsource(vars(error)["__init__"]))), _FEWEST_OF_CLASS)
        )
        told = any(_says(symptom, message) for message in messages for symptom in symptoms)
        if not told and error.__name__ not in _NEEDS_NOBODY:
            missing.append(error.__qualname__)
    assert not missing
