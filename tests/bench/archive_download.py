"""Five years of 500 symbols, downloaded and archived durably, against a bare download of the same URLs.

The vendor has made every answer before anything is timed (a whole archive run goes first), so both sides find it
warm, and what is timed is neither the vendor's arithmetic nor its compression; with --cold, each job has a vendor of
its own that has made none. Its lists of splits and dividends it makes anew each time, so those are fetched before,
untimed. A bare download goes before and after each archive run, and the ratio is to their mean. Every archive run has
a fresh warehouse on a real PostgreSQL that flushes each commit to disk.
"""

import argparse
import asyncio
import datetime as dt
import sys
from contextlib import nullcontext
from statistics import mean, median

import msgspec

from archive.verify import verify_archive
from sql.connect import Role, open_pool
from tests.bench.child import Archive, Done, Download, run_child
from tests.bench.parts import cost_of_parts
from tests.bench.served import Server, Vendor, embedded_server, fake_vendor
from tests.bench.stored import Stored, read_stored, targets_of

# Every made-up symbol has a bar on the first session and on the last but one, so nothing has to be asked for again.
FIRST, LAST = dt.date(2021, 1, 4), dt.date(2026, 1, 28)
_BEFORE_LAST = dt.date(2026, 1, 27)
NOW = dt.datetime(2026, 4, 2, 15, 0, tzinfo=dt.UTC)
_RATIO_WANTED, _PEAK_WANTED_BYTES, _STORED_WANTED = 1.5, 200 * 2**20, 0.30


class Took(msgspec.Struct, frozen=True):
    """One process and what the vendor and PostgreSQL did for it. Units: CPU seconds."""

    done: Done
    vendor_cpu_s: float
    database_cpu_s: float


class Round(msgspec.Struct, frozen=True):
    """A bare download, an archive run and a bare download again, in this order."""

    before: Took
    archived: Took
    after: Took

    @property
    def bare_s(self) -> float:
        """The mean time of the two bare downloads."""
        return mean((self.before.done.elapsed_s, self.after.done.elapsed_s))

    @property
    def ratio(self) -> float:
        """How many times as long archiving took."""
        return self.archived.done.elapsed_s / self.bare_s


class Measured(msgspec.Struct, frozen=True):
    """All rounds, what the archive of the last one takes and whether it verifies, and what each part costs alone.

    Units: CPU seconds in `parts`. `cold`: each job had a vendor that had made no answer before.
    """

    rounds: tuple[Round, ...]
    stored: Stored
    parts: dict[str, float]
    sound: bool
    cold: bool

    @property
    def middle(self) -> Round:
        """The round of the median ratio."""
        return sorted(self.rounds, key=lambda each: each.ratio)[len(self.rounds) // 2]


async def measure(symbols: int, first: dt.date, rounds: int, concurrency: int, *, cold: bool) -> Measured:
    """Return what downloading and archiving took, over so many rounds."""
    market = ("--made-up", str(symbols), "--since", str(first), "--until", str(LAST), "--now", NOW.isoformat())
    with embedded_server() as server:
        async with fake_vendor(*market) as vendor:

            async def timed(job: Archive | Download) -> Took:
                async with fake_vendor(*market) if cold else nullcontext(vendor) as asked:
                    return await _timed(msgspec.structs.replace(job, base_url=asked.url), asked, server)

            archive = Archive(vendor.url, "", ",".join(vendor.symbols), first, _BEFORE_LAST, NOW, concurrency)
            warm = await _with_lists(server, archive)
            await _timed(warm, vendor, server)
            download = Download(vendor.url, await targets_of(warm.database_url), concurrency)
            measured = []
            for _ in range(rounds):
                archive = await _with_lists(server, archive)
                measured.append(Round(await timed(download), await timed(archive), await timed(download)))
            async with open_pool(archive.database_url, Role.READ) as pool:
                sound = (await verify_archive(pool)).problem is None
                parts = await cost_of_parts(pool)
            return Measured(tuple(measured), await read_stored(archive.database_url), parts, sound, cold)


async def _with_lists(server: Server, archive: Archive) -> Archive:
    """Return a job for a fresh warehouse that has the newest session and the lists of splits and dividends already."""
    job = msgspec.structs.replace(archive, database_url=await server.new_warehouse())
    await run_child(msgspec.structs.replace(job, first=LAST, last=LAST))
    return job


async def _timed(job: Archive | Download, vendor: Vendor, server: Server) -> Took:
    vendor_before, database_before = vendor.cpu_s(), server.cpu_s()
    done = await run_child(job)
    if done.unfinished:
        raise SystemExit(f"error: {done.unfinished} requests were left or failed")
    return Took(done, vendor.cpu_s() - vendor_before, server.cpu_s() - database_before)


def show(measured: Measured) -> None:
    """Print the ratios, the rounds, and where the CPU time went in the middle round."""
    middle = measured.middle
    done = middle.archived.done
    ratios = [each.ratio for each in measured.rounds]
    peak_bytes = max(each.archived.done.peak_bytes for each in measured.rounds)
    answers = "cold: both wait for the vendor to make them" if measured.cold else "warm: made before, for both"
    print(f"{done.requests} responses, {done.body_bytes / 1e6:.1f} MB of JSON; the vendor's answers are {answers}")
    for each in measured.rounds:
        print(
            f"  bare {each.before.done.elapsed_s:.3f} s, archived {each.archived.done.elapsed_s:.3f} s, "
            f"bare {each.after.done.elapsed_s:.3f} s: {each.ratio:.2f} ×"
        )
    print(f"archived / bare: {median(ratios):.2f} × (median of {len(ratios)}; wanted ≤ {_RATIO_WANTED})")
    print(f"peak memory of the ingest process: {peak_bytes / 2**20:.0f} MB (wanted ≤ {_PEAK_WANTED_BYTES >> 20})")
    print(f"stored / JSON: {measured.stored.ratio:.3f}, with TOAST and indexes {measured.stored.disk_ratio:.3f}")
    print(f"  (wanted ≤ {_STORED_WANTED:.2f}); the archive verifies: {'yes' if measured.sound else 'NO'}")
    print("CPU seconds of the middle round   bare   archived")
    for name, bare, archived in (
        ("the process itself", middle.before.done.cpu_s, done.cpu_s),
        ("the vendor", middle.before.vendor_cpu_s, middle.archived.vendor_cpu_s),
        ("PostgreSQL", middle.before.database_cpu_s, middle.archived.database_cpu_s),
    ):
        print(f"  {name:<30} {bare:6.2f} {archived:10.2f}")
    print(f"of it, measured alone: {', '.join(f'{name} {cost_s:.2f}' for name, cost_s in measured.parts.items())}")


def main() -> int:
    """Measure and print; 1 when the archive does not verify."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.archive_download", description=__doc__)
    parser.add_argument("--symbols", type=int, default=500, help="how many made-up symbols (default 500)")
    parser.add_argument("--rounds", type=int, default=5, help="how often to measure (default 5)")
    parser.add_argument("--concurrency", type=int, default=8, help="requests under way at once (default 8)")
    parser.add_argument("--since", type=dt.date.fromisoformat, default=FIRST, metavar="DATE", help="first date")
    parser.add_argument("--cold", action="store_true", help="let the vendor make its answers anew for each job")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    asked = parser.parse_args()
    measured = asyncio.run(measure(asked.symbols, asked.since, asked.rounds, asked.concurrency, cold=asked.cold))
    if asked.json:
        print(msgspec.json.encode(measured).decode())
    else:
        show(measured)
    return 0 if measured.sound else 1


if __name__ == "__main__":
    sys.exit(main())
