"""The archive as files, to carry elsewhere or to keep: segments of payloads, a ledger, and a manifest of them.

A segment is a tar with two members a payload: what it is (JSON) and its body (one zstd frame); `tar` and `zstd` alone
can read it. The manifest names every segment with its SHA-256 and the chain hash it ends in. A second export into the
same folder adds what is new and rewrites no segment. Segments may be encrypted (a `Wrapping`); a backup keeps its
manifest and ledger in files of its own and shares the segments with other backups.
"""

import datetime as dt
import io
import tarfile
import uuid
from collections.abc import AsyncIterator, Generator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TypeVar

import asyncpg
import msgspec

from archive.chain import GENESIS, chain_hash
from archive.compression import Packed, unpack
from archive.durable import PLAIN, Wrapping, fingerprint, new_file, write_file
from archive.errors import DamagedPayload, DifferentArchive, UnusableExport
from archive.read import archive_head, read_rows
from sql import load_queries

_QUERIES = load_queries("archive.sql")
_APPEND = _QUERIES["append_payload"]
_CHAIN_AT = _QUERIES["chain_at"]
_RUNS, _SEALS, _RULESETS = _QUERIES["all_runs"], _QUERIES["seals"], _QUERIES["all_rulesets"]
_RESTORE_RUN, _RESTORE_SEAL = _QUERIES["restore_run"], _QUERIES["restore_seal"]
_RESTORE_RULESET = _QUERIES["restore_ruleset"]

T = TypeVar("T")
_MANIFEST, _LEDGER = "manifest.json", "ledger.json"
_SEGMENT_PAYLOADS = 256
_BATCH = 32


class PortablePayload(msgspec.Struct, frozen=True):
    """A payload's columns but for its body; `headers` is the text that the chain hash covers."""

    archive_seq: int
    fetched_at: dt.datetime
    source: str
    endpoint: str
    request: str
    ticker: str | None
    from_date: dt.date | None
    to_date: dt.date | None
    http_status: int
    headers: str
    transfer: str
    body_bytes: int
    body_sha256: bytes
    run_id: uuid.UUID
    chain_hash: bytes


class Segment(msgspec.Struct, frozen=True):
    """One file of an export: which payloads it holds, its SHA-256 (hex), and the chain hash (hex) it ends in."""

    file: str
    from_seq: int
    to_seq: int
    file_bytes: int
    sha256: str
    chain_hash: str


class Manifest(msgspec.Struct, frozen=True):
    """The segments of an export, in order and without gaps."""

    segments: tuple[Segment, ...] = ()

    @property
    def head(self) -> int:
        """The last payload that is exported."""
        return self.segments[-1].to_seq if self.segments else 0

    @property
    def chain(self) -> bytes:
        """The chain hash of that payload."""
        return bytes.fromhex(self.segments[-1].chain_hash) if self.segments else GENESIS


class Ledger(msgspec.Struct, frozen=True):
    """What the archive keeps besides payloads; rows as the tables have them."""

    runs: list[tuple[uuid.UUID, str, dt.datetime, str, str]]
    seals: list[tuple[int, bytes, dt.datetime]]
    rulesets: list[tuple[str, str, dt.datetime]]


async def export_archive(pool: asyncpg.Pool, folder: Path) -> tuple[Manifest, int]:
    """Write what `folder` lacks of the archive; return the manifest and how many payloads were added.

    Raises: DifferentArchive when the folder holds another archive; DamagedPayload; UnusableExport; FileNotWritten.
    """
    manifest = before = _open_export(folder)
    head = await archive_head(pool)
    async for manifest in export_segments(pool, folder, before, head):
        _write_json(folder / _MANIFEST, manifest)
    _write_json(folder / _LEDGER, await read_ledger(pool, head))
    _write_json(folder / _MANIFEST, manifest)
    return manifest, manifest.head - before.head


async def import_archive(pool: asyncpg.Pool, folder: Path) -> tuple[Manifest, int]:
    """Append what the archive lacks of an export; return the manifest and how many payloads were added.

    Raises: what import_segments raises; UnusableExport when manifest or ledger cannot be read.
    """
    manifest = read_manifest(folder)
    ledger = _read_json(folder / _LEDGER, Ledger)
    added = 0
    async for _, new in import_segments(pool, folder, manifest):
        added += new
    await import_ledger(pool, ledger)
    return manifest, added


async def export_segments(
    pool: asyncpg.Pool, folder: Path, manifest: Manifest, upto: int, wrapping: Wrapping = PLAIN
) -> AsyncIterator[Manifest]:
    """Write the payloads after those of a manifest, up to one, into `folder`; yield it with each segment that is there.

    Raises: DifferentArchive when the manifest is of another archive; DamagedPayload; FileNotWritten.
    """
    await require_same_archive(pool, manifest)
    for first in range(manifest.head + 1, upto + 1, _SEGMENT_PAYLOADS):
        last = min(first + _SEGMENT_PAYLOADS - 1, upto)
        segment = await write_segment(pool, folder, first, last, manifest.chain, wrapping)
        manifest = Manifest((*manifest.segments, segment))
        yield manifest


async def write_segment(
    pool: asyncpg.Pool, folder: Path, first: int, last: int, before: bytes, wrapping: Wrapping = PLAIN
) -> Segment:
    """Write the payloads `first` to `last` as one file; the same payloads give the same bytes, unless encrypted.

    `before` is the chain hash of the payload before the first.

    Raises: DamagedPayload when one is missing, altered or not of this chain; FileNotWritten.
    """
    name = f"payloads-{first:010d}-{last:010d}.tar{wrapping.suffix}"
    expected = first
    with new_file(folder / name, wrapping) as new:
        with tarfile.open(fileobj=new.file, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            async for row in read_rows(pool, first - 1, last):
                _require_next(row, expected, before)
                before, expected = row["chain_hash"], expected + 1
                _add_row(tar, row)
        if expected <= last:
            raise DamagedPayload(expected, "it is missing")
    return Segment(name, first, last, new.written.file_bytes, new.written.sha256, before.hex())


async def import_segments(
    pool: asyncpg.Pool, folder: Path, manifest: Manifest, wrapping: Wrapping = PLAIN
) -> AsyncIterator[tuple[Segment, int]]:
    """Append what the archive lacks of a manifest's payloads; yield each segment with how many of it were new.

    A segment is one transaction, so a killed import goes on where it stopped. The archive may go on after the
    manifest's head; up to there it must be the same.

    Raises: UnusableExport naming the file that is missing, altered or out of order; DifferentArchive when the archive
    here begins differently; what `wrapping` raises for a file that it cannot unwrap.
    """
    chain = GENESIS
    for segment in manifest.segments:
        check_segment(folder, segment)
        yield segment, await _append_segment(pool, folder, segment, chain, wrapping)
        chain = bytes.fromhex(segment.chain_hash)


def check_segment(folder: Path, segment: Segment) -> None:
    """Prove a segment's file to be the one that was written.

    Raises: UnusableExport.
    """
    path = folder / segment.file
    try:
        found = fingerprint(path)
    except OSError as exc:
        raise UnusableExport(path, exc.strerror or "cannot be read") from exc
    if found.sha256 != segment.sha256:
        raise UnusableExport(path, "its SHA-256 is not the one in the manifest")


async def read_ledger(pool: asyncpg.Pool, head: int, without: uuid.UUID | None = None) -> Ledger:
    """Return what the archive keeps besides payloads, with the seals up to `head`, and not the run `without`."""
    return Ledger(
        [tuple(row) for row in await pool.fetch(_RUNS) if row["run_id"] != without],
        [tuple(row) for row in await pool.fetch(_SEALS) if row["to_seq"] <= head],
        [tuple(row) for row in await pool.fetch(_RULESETS)],
    )


async def import_ledger(pool: asyncpg.Pool, ledger: Ledger) -> None:
    """Add what the archive lacks of a ledger; the payloads that its seals are of must be here."""
    await pool.executemany(_RESTORE_RUN, ledger.runs)
    await pool.executemany(_RESTORE_SEAL, ledger.seals)
    await pool.executemany(_RESTORE_RULESET, ledger.rulesets)


async def require_same_archive(pool: asyncpg.Pool, manifest: Manifest) -> None:
    """Refuse a manifest whose payloads are not the first ones of the archive here.

    Raises: DifferentArchive.
    """
    if manifest.segments:
        await _require_same_chain(pool, manifest.head, manifest.chain)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of an export.

    Raises: UnusableExport when there is none, or its segments leave a gap.
    """
    manifest = _read_json(folder / _MANIFEST, Manifest)
    require_unbroken(manifest, folder / _MANIFEST)
    return manifest


def require_unbroken(manifest: Manifest, path: Path) -> None:
    """Refuse a manifest, read from `path`, whose segments leave a gap.

    Raises: UnusableExport.
    """
    expected = 1
    for segment in manifest.segments:
        if segment.from_seq != expected or segment.to_seq < expected:
            raise UnusableExport(path, f"segment {segment.file} should begin with payload {expected}")
        expected = segment.to_seq + 1


def _open_export(folder: Path) -> Manifest:
    folder.mkdir(parents=True, exist_ok=True)
    return read_manifest(folder) if (folder / _MANIFEST).exists() else Manifest()


def _require_next(row: asyncpg.Record, expected: int, before: bytes) -> None:
    if row["archive_seq"] != expected:
        raise DamagedPayload(expected, "it is missing")
    unpack(expected, Packed(row["body"], row["body_bytes"], row["body_sha256"]))
    if chain_hash(before, row) != row["chain_hash"]:
        raise DamagedPayload(expected, "the hash chain breaks there")


def _add_row(tar: tarfile.TarFile, row: asyncpg.Record) -> None:
    facts = PortablePayload(**{name: row[name] for name in PortablePayload.__struct_fields__})
    _add(tar, _facts_name(row["archive_seq"]), msgspec.json.encode(facts))
    _add(tar, _body_name(row["archive_seq"]), row["body"])


def _facts_name(archive_seq: int) -> str:
    return f"{archive_seq:010d}.json"


def _body_name(archive_seq: int) -> str:
    return f"{archive_seq:010d}.body.zst"


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _read_segment(
    folder: Path, segment: Segment, before: bytes, wrapping: Wrapping
) -> Generator[tuple[PortablePayload, bytes], None, None]:
    path = folder / segment.file
    try:
        with path.open("rb") as file, wrapping.unwrap(file) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            for expected in range(segment.from_seq, segment.to_seq + 1):
                payload, frame = _read_payload(tar, path, expected, before)
                before = payload.chain_hash
                yield payload, frame
    except (tarfile.TarError, EOFError, msgspec.DecodeError) as exc:
        raise UnusableExport(path, f"is not what an export holds: {exc}") from exc
    except OSError as exc:
        raise UnusableExport(path, exc.strerror or "cannot be read") from exc
    if before.hex() != segment.chain_hash:
        raise UnusableExport(path, "it does not end in the chain hash of the manifest")


def _read_payload(tar: tarfile.TarFile, path: Path, expected: int, before: bytes) -> tuple[PortablePayload, bytes]:
    payload = msgspec.json.decode(_member(tar, path, _facts_name(expected)), type=PortablePayload)
    frame = _member(tar, path, _body_name(expected))
    try:
        unpack(expected, Packed(frame, payload.body_bytes, payload.body_sha256))
    except DamagedPayload as exc:
        raise UnusableExport(path, str(exc)) from exc
    if payload.archive_seq != expected or chain_hash(before, _row(payload)) != payload.chain_hash:
        raise UnusableExport(path, f"the chain breaks at payload {expected}")
    return payload, frame


def _member(tar: tarfile.TarFile, path: Path, name: str) -> bytes:
    """Return the next member, which must be the one of that name: a stream is read once, in order."""
    member = tar.next()
    file = tar.extractfile(member) if member is not None and member.name == name else None
    if file is None:
        raise UnusableExport(path, f"{name} is missing in it")
    return file.read()


def _row(payload: PortablePayload) -> dict[str, object]:
    return msgspec.structs.asdict(payload)


async def _append_segment(pool: asyncpg.Pool, folder: Path, segment: Segment, before: bytes, wrapping: Wrapping) -> int:
    """Append the payloads of a segment that are not here yet; those that are must be the same."""
    async with pool.acquire() as connection, connection.transaction():
        head = await archive_head(connection)
        if head < segment.to_seq:
            with closing(_read_segment(folder, segment, before, wrapping)) as payloads:
                new = (_arguments(payload, frame) for payload, frame in payloads if payload.archive_seq > head)
                while batch := list(islice(new, _BATCH)):
                    await connection.fetchmany(_APPEND, batch)
        await _require_same_chain(connection, segment.to_seq, bytes.fromhex(segment.chain_hash))
        return max(segment.to_seq - max(head, segment.from_seq - 1), 0)


def _arguments(payload: PortablePayload, frame: bytes) -> tuple[object, ...]:
    return (
        payload.fetched_at,
        payload.source,
        payload.endpoint,
        payload.request,
        payload.ticker,
        payload.from_date,
        payload.to_date,
        payload.http_status,
        payload.headers,
        payload.transfer,
        frame,
        payload.body_bytes,
        payload.body_sha256,
        payload.run_id,
    )


async def _require_same_chain(connection: asyncpg.Pool | asyncpg.Connection, archive_seq: int, chain: bytes) -> None:
    if await connection.fetchval(_CHAIN_AT, archive_seq) != chain:
        raise DifferentArchive(archive_seq)


def _write_json(path: Path, value: msgspec.Struct) -> None:
    write_file(path, msgspec.json.format(msgspec.json.encode(value)))


def _read_json(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as exc:
        raise UnusableExport(path, exc.strerror or "cannot be read") from exc
    except msgspec.DecodeError as exc:
        raise UnusableExport(path, f"is not what an export holds: {exc}") from exc
