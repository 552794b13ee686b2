"""The parts of a backup besides the archive, from the database into files: projection, ledger, keys of the API."""

import io
import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast

import asyncpg
import msgspec
import zstandard

from archive.durable import Fingerprint, Wrapping, new_file, write_file
from archive.portable import Ledger
from ops.backup.folder import usable
from ops.backup.manifest import KEYS_FILE, LEDGER_FILE, PROJECTION, ProjectionPart, StoredFile, StoredKey
from project.errors import NothingProjected
from project.generation import read_generation
from project.portable import dump_generation
from project.steady import read_steadily
from sql import load_queries

_KEYS = load_queries("backup.sql")["all_keys"]
_BARS = load_queries("drill.sql")["count_bars"]
_LEVEL = 9

log = logging.getLogger("ops")


async def describe_projection(pool: asyncpg.Pool) -> ProjectionPart | None:
    """Return what is live, without files; None where nothing is projected."""
    async with pool.acquire() as connection:

        async def describe() -> ProjectionPart | None:
            generation = await read_generation(connection)
            return None if generation is None else ProjectionPart(generation, await connection.fetchval(_BARS), None)

        return await read_steadily(connection, describe)


async def store_projection(pool: asyncpg.Pool, home: Path, wrapping: Wrapping) -> ProjectionPart | None:
    """Dump the live generation into the folder of a backup; return None where nothing is projected."""
    stored: dict[str, StoredFile] = {}

    def create(name: str) -> BinaryIO:
        file = f"{PROJECTION}/{name}{wrapping.suffix}"

        def keep(written: Fingerprint) -> None:
            stored[name] = StoredFile(file, written.file_bytes, written.sha256)
            log.info("ops.table_stored", extra={"file": file, "file_bytes": written.file_bytes})

        return cast(BinaryIO, _Kept(home / file, wrapping, keep))

    with usable(home):
        (home / PROJECTION).mkdir()
    try:
        async with pool.acquire() as connection:
            dump = await dump_generation(connection, create)
    except NothingProjected:
        with usable(home):
            (home / PROJECTION).rmdir()
        return None
    files = tuple(stored[table.file] for table in dump.tables)
    return ProjectionPart(dump.generation, dump.bars, files, dump.tables)


def store_ledger(home: Path, ledger: Ledger, wrapping: Wrapping) -> StoredFile:
    """Write what the archive keeps besides payloads into the folder of a backup."""
    return _store(home, LEDGER_FILE, msgspec.json.encode(ledger), wrapping)


async def store_keys(pool: asyncpg.Pool, home: Path, wrapping: Wrapping) -> StoredFile:
    """Write the keys of the API, which are hashes, into the folder of a backup."""
    keys = [StoredKey(*row) for row in await pool.fetch(_KEYS)]
    return _store(home, KEYS_FILE, msgspec.json.encode(keys), wrapping)


def _store(home: Path, name: str, data: bytes, wrapping: Wrapping) -> StoredFile:
    name += wrapping.suffix
    packed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(data)
    written = write_file(home / name, packed, wrapping)
    return StoredFile(name, written.file_bytes, written.sha256)


class _Kept(io.RawIOBase):
    """A file to write; closing it makes it durable and tells `keep` what it is."""

    def __init__(self, path: Path, wrapping: Wrapping, keep: Callable[[Fingerprint], None]) -> None:
        self._making = ExitStack()
        self._new = self._making.enter_context(new_file(path, wrapping))
        self._keep = keep

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._new.file.write(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._making.close()
            self._keep(self._new.written)
