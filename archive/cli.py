"""The `archive` command: look into the archive and prove that it is whole. It never writes a payload."""

import datetime as dt
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import click

from archive.chain import seal_archive
from archive.cli_verify import sample_of, sample_options, tell_verified
from archive.payload import Endpoint
from archive.portable import Manifest, export_archive, import_archive
from archive.read import read_payload
from archive.verify import verify_archive
from sql import load_queries
from sql.command import WarehouseGroup, json_option, print_json, print_table, ready_database, run
from sql.connect import Role, open_pool

_QUERIES = load_queries("archive.sql")
_LIST = _QUERIES["list_payloads"]
_STATS = _QUERIES["archive_stats"]
_STATS_BY_ENDPOINT = _QUERIES["archive_stats_by_endpoint"]

T = TypeVar("T")
Facts = dict[str, Any]


@click.group(cls=WarehouseGroup)
def archive() -> None:
    """Look into the append-only archive of the vendor's raw answers."""


@archive.command("list")
@click.option("--symbol", help="Only payloads asked for this symbol (case-sensitive).")
@click.option("--endpoint", type=click.Choice([endpoint.value for endpoint in Endpoint]), help="Only this kind.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True)
@json_option
def list_payloads(symbol: str | None, endpoint: str | None, limit: int, as_json: bool) -> None:
    """List the newest payloads, newest first."""
    rows = _with_pool(lambda pool: pool.fetch(_LIST, symbol, endpoint, limit))
    if as_json:
        print_json([dict(row) for row in rows])
        return
    columns = ("seq", "fetched at (UTC)", "endpoint", "status", "transfer", "bytes", "stored", "request")
    print_table(
        "payloads",
        columns,
        [
            (
                str(row["archive_seq"]),
                row["fetched_at"],
                row["endpoint"],
                str(row["http_status"]),
                row["transfer"],
                row["body_bytes"],
                row["stored_bytes"],
                row["request"],
            )
            for row in rows
        ],
    )


@archive.command()
@click.argument("seq", type=click.IntRange(min=1))
@click.option("--body", is_flag=True, help="Write the raw body to stdout, byte for byte, and nothing else.")
@json_option
def show(seq: int, body: bool, as_json: bool) -> None:
    """Show payload SEQ: its request, status and headers, or its body."""
    payload = _with_pool(lambda pool: read_payload(pool, seq))
    if body:
        sys.stdout.buffer.write(payload.response.body)
        return
    response = payload.response
    facts = {
        "archive_seq": payload.archive_seq,
        "run_id": payload.run_id,
        "source": response.source,
        "endpoint": response.request.endpoint,
        "request": response.request.target,
        "ticker": response.request.ticker,
        "from_date": response.request.from_date,
        "to_date": response.request.to_date,
        "fetched_at": response.fetched_at,
        "http_status": response.http_status,
        "transfer": response.transfer,
        "body_bytes": len(response.body),
        "stored_bytes": payload.stored_bytes,
        "body_sha256": payload.body_sha256.hex(),
    }
    if as_json:
        print_json(facts | {"headers": response.headers})
        return
    print_table(f"payload {seq}", ("fact", "value"), [(name, str(value)) for name, value in facts.items()])
    print_table("response headers", ("name", "value"), response.headers)


@archive.command()
@json_option
def stats(as_json: bool) -> None:
    """Say how much the archive holds and what it takes on disk."""
    total, kinds = _with_pool(_read_stats)
    if as_json:
        print_json(total | {"endpoints": kinds})
        return
    print_table(
        "archive",
        ("source", "endpoint", "status", "payloads", "JSON bytes", "stored bytes", "ratio"),
        [
            (
                kind["source"],
                kind["endpoint"],
                str(kind["http_status"]),
                kind["payloads"],
                kind["body_bytes"],
                kind["stored_bytes"],
                kind["stored_bytes"] / max(kind["body_bytes"], 1),
            )
            for kind in [*kinds, total | {"source": "all", "endpoint": "", "http_status": ""}]
        ],
    )
    click.echo(f"on disk: {total['disk_bytes']:,} bytes, with indexes")


@archive.command()
@sample_options
@json_option
def verify(percent: float | None, seed: int | None, as_json: bool) -> None:
    """Prove every payload unaltered, none missing and none slipped in; exit 1 and name the first bad one if not."""
    sample = sample_of(percent, seed)
    tell_verified(_with_pool(lambda pool: verify_archive(pool, sample)), sample, as_json=as_json)


@archive.command()
def seal() -> None:
    """Note what the hash chain is now, for `archive verify` to hold later payloads against; ingest runs do it too."""
    sealed = _with_pool(lambda pool: seal_archive(pool, dt.datetime.now(dt.UTC)), Role.INGEST)
    click.echo("nothing to seal: the head is sealed already" if sealed is None else f"sealed up to payload {sealed:,}")


@archive.command("export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@json_option
def export_to(folder: Path, as_json: bool) -> None:
    """Write the archive into FOLDER as files with a manifest; run again, it adds what is new."""
    manifest, added = _with_pool(lambda pool: export_archive(pool, folder))
    _print_carried("exported", manifest, added, as_json)


@archive.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def import_from(folder: Path, as_json: bool) -> None:
    """Append what the archive lacks of the export in FOLDER; refuse a broken or a different one."""
    manifest, added = _with_pool(lambda pool: import_archive(pool, folder), Role.INGEST)
    _print_carried("imported", manifest, added, as_json)


def _print_carried(done: str, manifest: Manifest, added: int, as_json: bool) -> None:
    if as_json:
        print_json({"head": manifest.head, "segments": manifest.segments, "added": added})
    else:
        click.echo(f"{done} {added:,} payloads; {manifest.head:,} in {len(manifest.segments):,} files")


async def _read_stats(pool: asyncpg.Pool) -> tuple[Facts, list[Facts]]:
    total = await pool.fetchrow(_STATS)
    return dict(total), [dict(row) for row in await pool.fetch(_STATS_BY_ENDPOINT)]


def _with_pool(job: Callable[[asyncpg.Pool], Awaitable[T]], role: Role = Role.READ) -> T:
    async def connected() -> T:
        async with open_pool(await ready_database(), role) as pool:
            return await job(pool)

    return run(connected())
