"""What a writer of a format knows before the first row, and what it does."""

from typing import Protocol

import msgspec
from msgspec import Struct

from api.formats.table import Rows


class Outline(Struct, frozen=True):
    """An answer without its rows: their struct and the columns wanted, and the envelope with the field they go into."""

    kind: type[Struct]
    names: tuple[str, ...]
    envelope: Struct
    field: str

    def facts(self) -> bytes:
        """Return what the envelope says beside the rows, as JSON."""
        names = self.envelope.__struct_fields__
        return msgspec.json.encode({name: getattr(self.envelope, name) for name in names if name != self.field})


class Writer(Protocol):
    """Writes one answer: what comes before its rows, the rows in one or more parts, and what comes after."""

    def start(self) -> bytes:
        """Return what comes before the first row."""

    def write(self, rows: Rows) -> bytes:
        """Return some rows, which may be none."""

    def finish(self) -> bytes:
        """Return what comes after the last row."""
