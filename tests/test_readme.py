"""The README names everything a person can meet: commands, routes, error codes, rules, reasons, dependencies."""

import re
import tomllib
from pathlib import Path

import pytest

from api.access.cli_keys import keys
from api.app import OPERATIONS
from api.errors import RefusedRequest
from archive.cli import archive
from ingest.cli import ingest
from ops.cli import ops
from project.cli import project
from project.factors.factor import Flag
from project.gaps.gaps import GapKind
from project.gaps.moves import MoveKind
from project.rejection import Reason
from project.rules import RULES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
# Stubs and the builder that the lock installs with; nobody chooses them.
NOT_CHOSEN = {"types-psutil", "types-pyyaml", "setuptools"}

WORDS = {
    "option": [name for parameter in project.params for name in parameter.opts],
    "command": [f"{group.name} {name}" for group in (archive, ingest, project, ops) for name in group.commands]
    + [f"api keys {name}" for name in keys.commands],
    "route": [*(operation.template for operation in OPERATIONS), "/metrics"],
    "code": [f"`{kind.code}`" for kind in RefusedRequest.__subclasses__()],
    "rule": [f"`{name}`" for name in RULES],
    "reason": [f"`{reason}…`" if reason.endswith("_") else f"`{reason}`" for reason in Reason],
    "flag": [f"`{flag}`" for flag in Flag],
    "class": [f"`{kind}`" for kind in (*GapKind, *MoveKind)],
    "package": sorted({re.split(r"[<>=\[]", package)[0] for package in PACKAGES} - NOT_CHOSEN),
}


@pytest.mark.parametrize(("kind", "word"), [(kind, word) for kind, words in WORDS.items() for word in words])
def test_the_readme_names_it(kind: str, word: str) -> None:
    assert word in README, f"README.md names no {kind} {word}"
