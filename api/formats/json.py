"""JSON: the envelope with its rows in place, each an object; or, for a whole answer, each column an array."""

import msgspec

from api.formats.outline import Outline
from api.formats.table import Rows, python_values_of, structs_of

_ENCODER = msgspec.json.Encoder()
# No JSON has this byte in it, so it marks the place of the rows.
_PLACE = b"\x00"


def whole_json(outline: Outline, rows: Rows) -> bytes:
    """Return what JsonRowsWriter writes of a whole answer, a sixth sooner."""
    listed = structs_of(rows, outline.kind, outline.names)
    return _ENCODER.encode(msgspec.structs.replace(outline.envelope, **{outline.field: listed}))


class JsonRowsWriter:
    """Writes the rows as an array of objects."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._head, self._tail = _around(outline)
        self._is_first = True

    def start(self) -> bytes:
        """Return the envelope up to the first row."""
        return self._head + b"["

    def write(self, rows: Rows) -> bytes:
        """Return rows as objects."""
        if not len(rows):
            return b""
        comma = b"" if self._is_first else b","
        self._is_first = False
        return comma + _ENCODER.encode(structs_of(rows, self._outline.kind, self._outline.names))[1:-1]

    def finish(self) -> bytes:
        """Return the envelope after the last row."""
        return b"]" + self._tail


class JsonColumnsWriter:
    """Writes the rows, which must come at once, as an object of arrays."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._head, self._tail = _around(outline)

    def start(self) -> bytes:
        """Return the envelope up to the columns."""
        return self._head

    def write(self, rows: Rows) -> bytes:
        """Return the columns."""
        return _ENCODER.encode({name: python_values_of(rows, name) for name in self._outline.names})

    def finish(self) -> bytes:
        """Return the envelope after the columns."""
        return self._tail


def _around(outline: Outline) -> tuple[bytes, bytes]:
    envelope = msgspec.structs.replace(outline.envelope, **{outline.field: msgspec.Raw(_PLACE)})
    head, _, tail = _ENCODER.encode(envelope).partition(_PLACE)
    return head, tail
