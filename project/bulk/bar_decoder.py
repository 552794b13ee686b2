"""One worker's part of an archive: payloads of bars in, runs of a spool and all that is not rows out.

A payload of bars says what it says whatever was decoded before it, so any worker may decode any of them. The worker is
a thread or a process; this file does not know which.
"""

from collections.abc import Iterable

import msgspec

from archive.payload import Payload
from project.batch import Batch
from project.bulk.spool import Run, write_run
from project.rejection import Rejection
from project.rows import join

_RUN_ROWS = 1 << 17


class Decoded(msgspec.Struct, frozen=True):
    """What a worker made of its payloads; tickers in `runs` have their places in `tickers` as numbers."""

    tickers: list[str]
    runs: list[Run]
    rejections: list[Rejection]
    spoken: dict[str, int]


class BarDecoder:
    """Decodes payloads of bars into a file. `batch` is its own and holds nothing yet."""

    def __init__(self, batch: Batch, file_descriptor: int) -> None:
        self._batch = batch
        self._file_descriptor = file_descriptor
        self._runs: list[Run] = []

    def decode(self, payloads: Iterable[Payload]) -> None:
        """Decode some more payloads.

        Raises: UndecodablePayload, SpoolFull, and what `payloads` raises.
        """
        for payload in payloads:
            self._batch.add(payload)
            if sum(map(len, self._batch.bars)) >= _RUN_ROWS:
                self._write()

    def finish(self) -> Decoded:
        """Return what came of all.

        Raises: SpoolFull.
        """
        self._write()
        return Decoded(self._batch.tickers.names, self._runs, self._batch.rejections, self._batch.spoken)

    def _write(self) -> None:
        rows = join(self._batch.bars)
        self._batch.bars.clear()
        if len(rows):
            offset = self._runs[-1].end if self._runs else 0
            self._runs.append(write_run(self._file_descriptor, offset, rows, self._batch.tickers))
