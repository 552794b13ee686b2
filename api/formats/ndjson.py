"""NDJSON: a row an object, an object a line."""

import msgspec

from api.formats.outline import Outline
from api.formats.table import Rows, structs_of

_ENCODER = msgspec.json.Encoder()


class NdjsonWriter:
    """Writes the rows alone."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline

    def start(self) -> bytes:
        """Return nothing: there is no header."""
        return b""

    def write(self, rows: Rows) -> bytes:
        """Return rows as lines."""
        return _ENCODER.encode_lines(structs_of(rows, self._outline.kind, self._outline.names))

    def finish(self) -> bytes:
        """Return nothing."""
        return b""
