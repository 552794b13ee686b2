"""A year of the whole market from a folder of real bars, one grouped answer a session, archived durably.

It prints how many requests that took against how many sessions there were, what the archive takes on disk against the
JSON in it, and the time against a bare download of the same URLs in the same run. A whole archive run goes first, but
the vendor keeps no whole year of answers made: both sides wait for it to make them, alike. Half a year
(--last 2016-06-30) it keeps, and both sides find it warm.
"""

import argparse
import asyncio
import datetime as dt
import os
import sys
from pathlib import Path

import msgspec

from ingest.period import Period
from tests.bench.child import Archive, Done, Download, run_child
from tests.bench.served import ROOT, embedded_server, fake_vendor
from tests.bench.stored import Stored, read_stored, targets_of

_NOW = dt.datetime(2026, 3, 2, 15, 0, tzinfo=dt.UTC)
_STORED_WANTED = 0.30
_LISTS = 2  # splits and dividends, each on one page here


class Measured(msgspec.Struct, frozen=True):
    """One archive run of a period and a bare download of the same."""

    sessions: int
    archived: Done
    bare: Done
    stored: Stored


async def measure(folder: Path, period: Period, concurrency: int) -> Measured:
    """Return what archiving a period of the whole market took."""
    with embedded_server() as server:
        async with fake_vendor("--market", str(folder), "--now", _NOW.isoformat()) as vendor:
            job = Archive(vendor.url, "", "all", period.first, period.last, _NOW, concurrency)
            warm = msgspec.structs.replace(job, database_url=await server.new_warehouse())
            await run_child(warm)
            bare = await run_child(Download(vendor.url, await targets_of(warm.database_url), concurrency))
            timed = msgspec.structs.replace(job, database_url=await server.new_warehouse())
            archived = await run_child(timed)
            if archived.unfinished:
                raise SystemExit(f"error: {archived.unfinished} requests were left or failed")
            return Measured(len(period.sessions()), archived, bare, await read_stored(timed.database_url))


def show(measured: Measured) -> None:
    """Print the ratios first."""
    done, stored = measured.archived, measured.stored
    print(f"requests / sessions: {done.requests - _LISTS} / {measured.sessions}, and {_LISTS} lists")
    print(
        f"stored / JSON: {stored.ratio:.3f}, with TOAST and indexes {stored.disk_ratio:.3f} (wanted ≤ {_STORED_WANTED})"
    )
    print(f"archived / bare: {done.elapsed_s / measured.bare.elapsed_s:.2f} ×, {done.elapsed_s:.2f} s for")
    print(f"  {done.body_bytes / 1e6:.1f} MB of JSON; peak memory {done.peak_bytes / 2**20:.0f} MB")


def main() -> int:
    """Measure and print; 2 where the folder of real bars is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.grouped_backfill", description=__doc__)
    default = Path(os.environ.get("MARKET_DATA_DIR", ROOT.parent / "shared" / "data"))
    parser.add_argument("--market", type=Path, default=default, metavar="DIR", help="folder with grouped/ in it")
    parser.add_argument("--first", type=dt.date.fromisoformat, default=dt.date(2016, 1, 4), metavar="DATE")
    parser.add_argument("--last", type=dt.date.fromisoformat, default=dt.date(2016, 12, 30), metavar="DATE")
    parser.add_argument("--concurrency", type=int, default=8, help="requests under way at once (default 8)")
    asked = parser.parse_args()
    if not (asked.market / "grouped").is_dir():
        print(f"error: no grouped days in {asked.market} (--market, MARKET_DATA_DIR)", file=sys.stderr)
        return 2
    show(asyncio.run(measure(asked.market, Period(asked.first, asked.last), asked.concurrency)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
