"""The database room: connect (or start the embedded server), migrate, and the named queries.

Every other room reads its SQL from here, by name; no room builds a statement from strings. This room knows no
payload, no bar and no vendor.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

ROOM = Path(__file__).parent
_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


class DuplicateQuery(Exception):
    """Two queries of one file carry the same name; `name` and `path` say which."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(f"query {name!r} stands twice in {path.name}")
        self.name, self.path = name, path


def load_queries(file_name: str) -> Mapping[str, str]:
    """Return the named queries of a file of this room, by name.

    A module looks its queries up when it is imported, so a missing name (KeyError) fails at start-up.

    Raises: DuplicateQuery when a name stands twice.
    """
    path = ROOM / file_name
    parts = _NAME.split(path.read_text())
    queries: dict[str, str] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        if name in queries:
            raise DuplicateQuery(name, path)
        queries[name] = text.strip()
    return MappingProxyType(queries)
