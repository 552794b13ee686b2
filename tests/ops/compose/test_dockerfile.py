"""ops/Dockerfile, as far as it can be tried without Docker: what it copies is there, and what it leaves runs."""

import re
import tomllib
from fnmatch import fnmatch
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ops.compose.runtime_lock import locked_for, runtime_roots
from tests.ops.compose.composed import ROOT

Instruction = tuple[str, str]

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["flatfiles"]
LOCK = (ROOT / "requirements.lock").read_text()


def instructions() -> list[list[Instruction]]:
    """Return the instructions of each stage, with continued lines joined."""
    text = re.sub(
        r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", (ROOT / "ops" / "Dockerfile").read_text(), flags=re.MULTILINE)
    )
    stages: list[list[Instruction]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest))
    return stages


def test_it_is_of_instructions_that_docker_knows() -> None:
    known = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "CMD"}
    assert {word for stage in instructions() for word, _ in stage} <= known


def test_both_stages_are_of_one_base_that_is_pinned() -> None:
    bases = [rest.partition(" ")[0] for stage in instructions() for word, rest in stage if word == "FROM"]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", bases[0])


def test_what_is_copied_is_there_and_reaches_the_builder() -> None:
    for source in _copied():
        assert (ROOT / source).exists(), source
        assert not _ignored(source), source


def test_every_package_of_the_product_is_copied() -> None:
    folders = {source.rstrip("/") for source in _copied() if source.endswith("/")}
    assert {name.partition(".")[0] for name in PROJECT["tool"]["setuptools"]["packages"]} == folders
    for name in ("readme", "license-files"):
        value = PROJECT["project"][name]
        assert set(value if isinstance(value, list) else [value]) <= set(_copied())


@pytest.mark.parametrize(
    "path", [".env", ".git/config", ".venv/bin/python", "tests/conftest.py", "ops/.env", "key.txt"]
)
def test_secrets_and_what_is_not_the_product_stay_outside(path: str) -> None:
    assert _ignored(path)


def test_it_runs_as_somebody_without_rights_and_cannot_install_anything() -> None:
    final = instructions()[-1]
    assert [rest for word, rest in final if word == "USER"] == ["10001:10001"]
    assert [word for word, _ in final][-2:] == ["USER", "CMD"]
    runs = " ".join(rest for word, rest in final if word == "RUN")
    assert re.search(r"pip uninstall --yes .*\bpip\b", runs)
    assert not re.search(r"\bapt|\binstall (?!-d)", runs)


def test_whatever_comes_from_outside_is_checked_against_the_lock() -> None:
    installs = re.findall(r"\bpip (?:--python \S+ )?(?:install|wheel) [^&]*", " && ".join(_runs()))
    assert len(installs) == 4
    for install in installs:
        assert "--require-hashes" in install or "--no-index" in install, install
    assert not re.search(r"https?:|index-url", (ROOT / "ops" / "Dockerfile").read_text())


def test_the_lock_of_the_image_has_what_the_product_needs_and_nothing_of_its_tests() -> None:
    names = _names(locked_for(runtime_roots(PROJECT["project"]), LOCK))
    needed = _needed({canonicalize_name(Requirement(each).name) for each in ASKED})
    assert needed <= names
    assert not names & {"pytest", "mypy", "ruff", "fastapi", "sqlalchemy", "schemathesis", "polars", "setuptools"}
    # Beside those, only what another version of Python would need.
    assert len(names - needed) <= 2, names - needed


def test_every_entry_keeps_its_hashes() -> None:
    lock = locked_for({"starlette"}, LOCK)
    assert _names(lock) >= {"starlette", "anyio", "idna"}
    for entry in re.split(r"^(?=\w)", lock, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in entry
        assert entry in LOCK


def _runs() -> list[str]:
    return [rest for stage in instructions() for word, rest in stage if word == "RUN"]


def _copied() -> list[str]:
    copies = [rest.split() for stage in instructions() for word, rest in stage if word == "COPY"]
    return [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]


def _ignored(path: str) -> bool:
    """Tell whether .dockerignore keeps a path from the builder: its last line that names it or its folder says."""
    ignored = False
    parts = Path(path).parts
    above = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        anywhere, pattern = "**/" in line, line.removeprefix("!").removeprefix("**/")
        if any(fnmatch(Path(each).name if anywhere else each, pattern) for each in above):
            ignored = not line.startswith("!")
    return ignored


def _needed(names: set[str]) -> set[str]:
    """Return what packages need, by what they themselves say, on this machine."""
    found: set[str] = set()
    waiting = {*names}
    while waiting:
        name = waiting.pop()
        found.add(name)
        for requirement in map(Requirement, requires(name) or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting |= {canonicalize_name(requirement.name)} - found
    return found


def _names(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
