"""Named queries: SQL stands in .sql files, each query once and under a name that some module looks up."""

import importlib
import re
from pathlib import Path

import pytest

from sql import ROOM, DuplicateQuery, load_queries

ROOT = ROOM.parent
ROOMS = ("sql", "archive", "ingest", "project", "api", "ops")
# generation.sql is no list of queries: it is run whole.
FILES = sorted(path.name for path in ROOM.glob("*.sql") if path.name != "generation.sql")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py") if path.name != "__main__.py")


def test_a_file_gives_its_queries_by_name_with_their_comments(tmp_path: Path) -> None:
    path = tmp_path / "made_up.sql"
    path.write_text("-- Of nobody.\n\n-- name: one\n-- $1 nothing\nSELECT 1\n\n-- name: two\nSELECT 2\n")
    assert dict(load_queries(str(path))) == {"one": "-- $1 nothing\nSELECT 1", "two": "SELECT 2"}


def test_a_name_that_stands_twice_is_refused_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "made_up.sql"
    path.write_text("-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n")
    with pytest.raises(DuplicateQuery, match=r"'one' stands twice in made_up\.sql") as caught:
        load_queries(str(path))
    assert (caught.value.name, caught.value.path) == ("one", path)


def test_a_missing_name_fails_when_it_is_looked_up() -> None:
    with pytest.raises(KeyError, match="no_such_query"):
        load_queries("archive.sql")["no_such_query"]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_finds_the_queries_it_names(module: Path) -> None:
    """Queries are looked up at import, so importing is the test."""
    dotted = ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    importlib.import_module(dotted)


@pytest.mark.parametrize("file_name", FILES)
def test_every_query_is_used(file_name: str) -> None:
    texts = [text for path in MODULES if f'load_queries("{file_name}")' in (text := path.read_text())]
    looked_up = {name for text in texts for name in re.findall(r'\["(\w+)"\]', text)}
    assert set(load_queries(file_name)) - looked_up == set()


@pytest.mark.parametrize("file_name", FILES)
def test_every_query_names_its_columns(file_name: str) -> None:
    starred = [name for name, text in load_queries(file_name).items() if re.search(r"SELECT\s+\*", text)]
    assert starred == []
