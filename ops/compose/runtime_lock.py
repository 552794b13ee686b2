"""The part of requirements.lock that the product needs to run, with its hashes: what ops/Dockerfile installs.

The lock says of every package by which ones it came in ("via"), so nothing is resolved anew and nothing is looked up.
Run before anything is installed, it needs Python only: `python runtime_lock.py [PACKAGE]...` prints the lines of the
named packages and all that they need, without names those of the product and of its optional parts, but not of `dev`.
"""

import re
import sys
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

_US = "market-data-warehouse"
_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?:.*\n)(?:[ #].*\n)*", re.MULTILINE)
_VIA = re.compile(r"^    # via +(?P<one>\S.*)$|^    #   (?P<many>\S.*)$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def runtime_roots(project: Mapping[str, Any]) -> set[str]:
    """Return the names of the packages that the `project` table of pyproject.toml asks for, but not those for `dev`."""
    wanted = list(project["dependencies"])
    for extra, packages in project["optional-dependencies"].items():
        if extra != "dev":
            wanted += packages
    return {_normal(name) for each in wanted for name in _NAME.findall(each)[:1]}


def locked_for(roots: Collection[str], lock: str) -> str:
    """Return the entries of a lock, as they stand, of the packages `roots` and of all that they brought in."""
    entries = [(_normal(match["name"]), match[0]) for match in _ENTRY.finditer(lock)]
    needed = {name for name, _ in entries} & set(roots)
    while more := {name for name, text in entries if name not in needed and needed & _brought_by(text)}:
        needed |= more
    return "".join(text for name, text in entries if name in needed)


def _brought_by(entry: str) -> set[str]:
    found = (match["one"] or match["many"] for match in _VIA.finditer(entry))
    return {_normal(each.split()[0].partition("[")[0]) for each in found} - {_US}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    asked = set(map(_normal, sys.argv[1:]))
    roots = asked or runtime_roots(tomllib.loads(Path("pyproject.toml").read_text())["project"])
    sys.stdout.write(locked_for(roots, Path("requirements.lock").read_text()))
