"""Imports point one way: sql <- archive <- {ingest, project} <- api, with ops at the edge; a machine checks it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each room may import, of the rooms below it.
MAY_IMPORT = {
    "sql": set(),
    "archive": {"sql"},
    "ingest": {"sql", "archive"},
    "project": {"sql", "archive"},
    "api": {"sql", "archive", "project"},
    "ops": {"sql", "archive", "ingest", "project", "api"},
}
ROOMS = {*MAY_IMPORT, "tests"}

# Why an arrow points the way it does; the first one that names both rooms (or the importer, or the imported) is told.
REASONS = {
    ("ingest", "project"): "the archive is their only meeting point, so that fetching never depends on cleaning",
    ("project", "ingest"): "the archive is their only meeting point, so that a rebuild never needs a vendor",
    ("api", "ingest"): "who reads must not be able to fetch, or hold the vendor's key",
    ("", "tests"): "the product must run where its tests are not installed",
    ("", "ops"): "ops is the edge: it may call every room, so no room can depend on it without a circle",
    ("sql", ""): "the database room is under everything and knows no payload, no bar and no vendor",
    ("archive", ""): "what was archived must never depend on how it is fetched or read today",
    ("", ""): "arrows point down: sql <- archive <- {ingest, project} <- api <- ops",
}


def broken_arrows(room: str, source: str, name: str) -> list[str]:
    """Return a message for each import in a module of `room` that points the wrong way."""
    broken = []
    for line, imported in _imports(ast.parse(source), room):
        if imported in ROOMS and imported != room and imported not in MAY_IMPORT[room]:
            broken.append(f"{name}:{line}: {room} imports {imported}; {_reason(room, imported)}")
    return broken


def _imports(tree: ast.AST, room: str) -> list[tuple[int, str]]:
    """Return line and top-level package of every import, those inside functions and TYPE_CHECKING too."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name.partition(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, room if node.level else (node.module or "").partition(".")[0]))
    return found


def _reason(room: str, imported: str) -> str:
    keys = ((room, imported), ("", imported), (room, ""), ("", ""))
    return next(REASONS[key] for key in keys if key in REASONS)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_of_a_room_point_down_only(room: str) -> None:
    modules = sorted((ROOT / room).rglob("*.py"))
    assert modules, f"there is no code in {room}/"
    broken = [
        message
        for module in modules
        for message in broken_arrows(room, module.read_text(), str(module.relative_to(ROOT)))
    ]
    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("sql", "import archive.payload"),
        ("archive", "from project.decode import decode_bars"),
        ("ingest", "from project import rules"),
        ("project", "def f():\n    import ingest.fetch as fetch"),
        ("api", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ingest.plan import Plan"),
        ("api", "from ops import demo"),
        ("ops", "import os, tests.fake_polygon"),
    ],
    ids=lambda value: value if value in ROOMS else "",
)
def test_a_broken_arrow_is_found_wherever_it_hides(room: str, source: str) -> None:
    assert len(broken_arrows(room, source, "made_up.py")) == 1


def test_an_arrow_that_points_down_is_no_complaint() -> None:
    source = "import os\nfrom sql import load_queries\nfrom . import decode\nfrom archive.payload import Payload\n"
    assert broken_arrows("project", source, "made_up.py") == []


def test_the_complaint_names_the_line_the_arrow_and_its_reason() -> None:
    [message] = broken_arrows("api", "import os\nfrom ingest.fetch import fetch", "api/made_up.py")
    assert message.startswith("api/made_up.py:2: api imports ingest; ")
    assert "vendor's key" in message


def test_every_room_with_code_is_checked() -> None:
    """A new top-level package would otherwise be free to import what it likes."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == ROOMS
