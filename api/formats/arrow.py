"""Arrow: an IPC stream of record batches, a batch a part."""

from pyarrow import ipc

from api.formats.columnar import batch_of, described_schema_of
from api.formats.outbox import Outbox
from api.formats.outline import Outline
from api.formats.table import Rows

_OPTIONS = ipc.IpcWriteOptions(compression="zstd")


class ArrowWriter:
    """Writes the rows, and the facts of the envelope into the schema's metadata."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._outbox = Outbox()
        self._schema = described_schema_of(outline)
        self._writer = ipc.new_stream(self._outbox, self._schema, options=_OPTIONS)

    def start(self) -> bytes:
        """Return the schema."""
        return self._outbox.take()

    def write(self, rows: Rows) -> bytes:
        """Return rows as a batch."""
        batch = batch_of(rows, self._outline.kind, self._outline.names)
        self._writer.write_batch(batch.replace_schema_metadata(self._schema.metadata))
        return self._outbox.take()

    def finish(self) -> bytes:
        """Return the end of the stream."""
        self._writer.close()
        return self._outbox.take()
