"""Parquet: a row group a part, and the footer that tells where they are."""

import pyarrow as pa
from pyarrow import parquet

from api.formats.columnar import TEXTS, batch_of, described_schema_of
from api.formats.outbox import Outbox
from api.formats.outline import Outline
from api.formats.table import Rows


class ParquetWriter:
    """Writes the rows, and the facts of the envelope into the schema's metadata."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._outbox = Outbox()
        schema = described_schema_of(outline)
        self._writer = parquet.ParquetWriter(
            pa.PythonFile(self._outbox, mode="w"),
            schema,
            compression="zstd",
            # Numbers hardly repeat: a dictionary of them takes three times as long and is larger.
            use_dictionary=[name for field in schema for name in _texts(field)],
        )

    def start(self) -> bytes:
        """Return the magic number."""
        return self._outbox.take()

    def write(self, rows: Rows) -> bytes:
        """Return rows as a row group."""
        self._writer.write_batch(batch_of(rows, self._outline.kind, self._outline.names))
        return self._outbox.take()

    def finish(self) -> bytes:
        """Return the footer."""
        self._writer.close()
        return self._outbox.take()


def _texts(field: pa.Field) -> list[str]:
    """Return the path of a column's text in Parquet, if it is one of texts."""
    if field.type == TEXTS:
        return [f"{field.name}.list.element"]
    return [field.name] if field.type == pa.string() else []
