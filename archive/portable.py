"""The archive as files, to carry elsewhere or to keep: segments of payloads, a ledger, and a manifest of them.

A segment is a tar with two members a payload: what it is (JSON) and its body (one zstd frame); `tar` and `zstd` alone
can read it. The manifest names every segment with its SHA-256 and the chain hash it ends in. A second export into the
same folder adds what is new and rewrites no segment. A file is written under a temporary name, flushed and renamed,
so that half a file is never mistaken for one.
"""

import datetime as dt
import hashlib
import io
import os
import tarfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeVar

import asyncpg
import msgspec

from archive.chain import GENESIS, chain_hash
from archive.compression import Packed, unpack
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

    Raises: DifferentArchive when the folder holds another archive; DamagedPayload; UnusableExport.
    """
    manifest = _open_export(folder)
    head, first = await archive_head(pool), manifest.head
    if manifest.segments:
        await _require_same_chain(pool, first, manifest.chain)
    async for rows in _segments(pool, first, head):
        manifest = Manifest((*manifest.segments, _write_segment(folder, rows, manifest.chain)))
        _write_file(folder / _MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    ledger = Ledger(
        [tuple(row) for row in await pool.fetch(_RUNS)],
        [tuple(row) for row in await pool.fetch(_SEALS) if row["to_seq"] <= head],
        [tuple(row) for row in await pool.fetch(_RULESETS)],
    )
    _write_file(folder / _LEDGER, msgspec.json.format(msgspec.json.encode(ledger)))
    _write_file(folder / _MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest, manifest.head - first


async def import_archive(pool: asyncpg.Pool, folder: Path) -> tuple[Manifest, int]:
    """Append what the archive lacks of an export; return the manifest and how many payloads were added.

    A segment is one transaction, so a killed import goes on where it stopped.

    Raises: UnusableExport naming the file that is missing, altered or out of order; DifferentArchive when the archive
    here begins differently.
    """
    manifest = read_manifest(folder)
    ledger = _read_json(folder / _LEDGER, Ledger)
    added, chain = 0, GENESIS
    for segment in manifest.segments:
        payloads = list(_read_segment(folder, segment, chain))
        added += await _append_segment(pool, payloads)
        chain = bytes.fromhex(segment.chain_hash)
    await pool.executemany(_RESTORE_RUN, ledger.runs)
    await pool.executemany(_RESTORE_SEAL, ledger.seals)
    await pool.executemany(_RESTORE_RULESET, ledger.rulesets)
    return manifest, added


def _open_export(folder: Path) -> Manifest:
    folder.mkdir(parents=True, exist_ok=True)
    return read_manifest(folder) if (folder / _MANIFEST).exists() else Manifest()


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of an export.

    Raises: UnusableExport when there is none, or its segments leave a gap.
    """
    manifest = _read_json(folder / _MANIFEST, Manifest)
    expected = 1
    for segment in manifest.segments:
        if segment.from_seq != expected or segment.to_seq < expected:
            raise UnusableExport(folder / _MANIFEST, f"segment {segment.file} should begin with payload {expected}")
        expected = segment.to_seq + 1
    return manifest


async def _segments(pool: asyncpg.Pool, after: int, head: int) -> AsyncIterator[list[asyncpg.Record]]:
    rows: list[asyncpg.Record] = []
    async for row in read_rows(pool, after, head):
        rows.append(row)
        if len(rows) == _SEGMENT_PAYLOADS:
            yield rows
            rows = []
    if rows:
        yield rows


def _write_segment(folder: Path, rows: list[asyncpg.Record], before: bytes) -> Segment:
    first, last = rows[0]["archive_seq"], rows[-1]["archive_seq"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for row in rows:
            facts = {name: row[name] for name in PortablePayload.__struct_fields__}
            unpack(row["archive_seq"], Packed(row["body"], row["body_bytes"], row["body_sha256"]))
            if chain_hash(before, row) != row["chain_hash"]:
                raise DamagedPayload(row["archive_seq"], "the hash chain breaks there")
            before = row["chain_hash"]
            _add(tar, f"{row['archive_seq']:010d}.json", msgspec.json.encode(PortablePayload(**facts)))
            _add(tar, f"{row['archive_seq']:010d}.body.zst", row["body"])
    data = buffer.getvalue()
    name = f"payloads-{first:010d}-{last:010d}.tar"
    _write_file(folder / name, data)
    return Segment(name, first, last, len(data), hashlib.sha256(data).hexdigest(), before.hex())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _write_file(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_segment(folder: Path, segment: Segment, before: bytes) -> Iterator[tuple[PortablePayload, bytes]]:
    path = folder / segment.file
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise UnusableExport(path, exc.strerror or "cannot be read") from exc
    if hashlib.sha256(data).hexdigest() != segment.sha256:
        raise UnusableExport(path, "its SHA-256 is not the one in the manifest")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for expected in range(segment.from_seq, segment.to_seq + 1):
            payload = msgspec.json.decode(_member(tar, path, f"{expected:010d}.json"), type=PortablePayload)
            frame = _member(tar, path, f"{expected:010d}.body.zst")
            try:
                unpack(expected, Packed(frame, payload.body_bytes, payload.body_sha256))
            except DamagedPayload as exc:
                raise UnusableExport(path, str(exc)) from exc
            if payload.archive_seq != expected or chain_hash(before, _row(payload)) != payload.chain_hash:
                raise UnusableExport(path, f"the chain breaks at payload {expected}")
            before = payload.chain_hash
            yield payload, frame
    if before.hex() != segment.chain_hash:
        raise UnusableExport(path, "it does not end in the chain hash of the manifest")


def _member(tar: tarfile.TarFile, path: Path, name: str) -> bytes:
    try:
        file = tar.extractfile(name)
    except KeyError as exc:
        raise UnusableExport(path, f"{name} is missing in it") from exc
    assert file is not None
    return file.read()


def _row(payload: PortablePayload) -> dict[str, object]:
    return msgspec.structs.asdict(payload)


async def _append_segment(pool: asyncpg.Pool, payloads: list[tuple[PortablePayload, bytes]]) -> int:
    """Append the payloads of a segment that are not here yet; those that are must be the same."""
    async with pool.acquire() as connection, connection.transaction():
        head = await archive_head(connection)
        new = [(payload, frame) for payload, frame in payloads if payload.archive_seq > head]
        for payload, frame in new:
            await connection.fetchval(_APPEND, *_arguments(payload, frame))
        last = payloads[-1][0]
        await _require_same_chain(connection, last.archive_seq, last.chain_hash)
        return len(new)


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


def _read_json(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as exc:
        raise UnusableExport(path, exc.strerror or "cannot be read") from exc
    except msgspec.DecodeError as exc:
        raise UnusableExport(path, f"is not what an export holds: {exc}") from exc
