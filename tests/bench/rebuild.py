"""The projection built from archives of several shapes, against a bare binary COPY of the same rows plus its key.

ranges   five years of 500 tickers, one range answer each
grouped  a year of a market of 6,000 tickers, one grouped answer a session
market   the real grouped days of a folder (only with --market)
whole    five years of 11,000 tickers in grouped answers, 14 million bars (only with --whole)
nightly  one more session of 11,000 tickers onto a year of them

The archives are made from a seed, untimed. A bare copy goes before and after each rebuild and the ratio is to their
mean; it uses the projector's encoder and one stream, into a table without a key, which is added at its end.
"""

import argparse
import asyncio
import datetime as dt
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from statistics import mean, median

import msgspec

from archive.payload import Response
from sql.connect import Role, open_pool
from tests.bench.made_archive import Market, archive_all
from tests.bench.projector import BareCopy, CatchUp, Done, Rebuild, run_projector
from tests.bench.served import Server, embedded_server
from tests.project.market_files import grouped

_RATIO_WANTED, _BARS_A_SECOND_WANTED, _PEAK_WANTED = 1.5, 250_000, 600 * 2**20
_WHOLE_WANTED_S, _WHOLE_PEAK_WANTED, _NIGHT_WANTED_S = 90, 2 * 2**30, 3


class Round(msgspec.Struct, frozen=True):
    """A bare copy, a rebuild and a bare copy again, in this order; and PostgreSQL's CPU seconds for the rebuild."""

    before: Done
    rebuilt: Done
    after: Done
    database_cpu_s: float

    @property
    def bare_s(self) -> float:
        """The mean time of the two bare copies."""
        return mean((self.before.elapsed_s, self.after.elapsed_s))

    @property
    def ratio(self) -> float:
        """How many times as long the rebuild took."""
        return self.rebuilt.elapsed_s / self.bare_s


class Measured(msgspec.Struct, frozen=True):
    """The rounds of each archive by name, and the seconds of each night."""

    rebuilds: dict[str, list[Round]]
    nights: list[Done]


async def measure(shapes: dict[str, Iterable[Response]], nightly: Market | None, rounds: int, nights: int) -> Measured:
    """Return what building a projection of each archive took, and what each night took."""
    with embedded_server() as server:
        rebuilds = {name: await _rebuild(server, name, sent, rounds) for name, sent in shapes.items()}
        return Measured(rebuilds, await _nights(server, nightly, nights) if nightly else [])


async def _rebuild(server: Server, name: str, sent: Iterable[Response], rounds: int) -> list[Round]:
    url = await server.new_warehouse()
    _say(f"archiving {name} …")
    await _archive(url, sent)
    _say(f"rebuilding {name} …")
    await run_projector(Rebuild(url))
    measured = []
    for _ in range(rounds):
        before = await run_projector(BareCopy(url))
        cpu_before = server.cpu_s()
        rebuilt = await run_projector(Rebuild(url))
        cpu_s = server.cpu_s() - cpu_before
        measured.append(Round(before, rebuilt, await run_projector(BareCopy(url)), cpu_s))
    await server.drop(url)
    return measured


async def _nights(server: Server, market: Market, nights: int) -> list[Done]:
    url = await server.new_warehouse()
    _say("archiving nightly …")
    days = market.days()
    await _archive(url, islice(days, len(market.sessions) - nights))
    await run_projector(Rebuild(url))
    measured = []
    for day in days:
        await _archive(url, [day])
        measured.append(await run_projector(CatchUp(url)))
    return measured


async def _archive(url: str, sent: Iterable[Response]) -> None:
    async with open_pool(url, Role.INGEST) as pool:
        await archive_all(pool, sent)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def show(measured: Measured) -> None:
    """Print the ratios first, then the rounds."""
    for name, rounds in measured.rebuilds.items():
        _show_rebuild(name, rounds)
    if measured.nights:
        elapsed_s = median(each.elapsed_s for each in measured.nights)
        peak = max(each.peak_bytes for each in measured.nights) / 2**20
        each_s = ", ".join(f"{each.elapsed_s:.2f}" for each in measured.nights)
        print(f"nightly: {elapsed_s:.2f} s (median of {each_s}; wanted ≤ {_NIGHT_WANTED_S}), peak {peak:.0f} MB")
        print(f"  onto {measured.nights[-1].bars:,} bars; CPU seconds {measured.nights[-1].cpu_s:.2f}")


def _show_rebuild(name: str, rounds: list[Round]) -> None:
    middle = sorted(rounds, key=lambda each: each.ratio)[len(rounds) // 2]
    bars, elapsed_s = middle.rebuilt.bars, median(each.rebuilt.elapsed_s for each in rounds)
    own_mb = max(each.rebuilt.peak_bytes for each in rounds) >> 20
    all_mb = max(each.rebuilt.peak_of_all_bytes for each in rounds) >> 20
    whole = name == "whole"
    print(
        f"{name}: rebuilt / bare copy: {middle.ratio:.2f} × (median of {len(rounds)}; wanted ≤ {_RATIO_WANTED}), "
        f"{bars:,} bars in {elapsed_s:.2f} s{f' (wanted ≤ {_WHOLE_WANTED_S})' if whole else ''}, "
        f"{bars / elapsed_s:,.0f} bars/s (wanted ≥ {_BARS_A_SECOND_WANTED:,})"
    )
    wanted_mb = (_WHOLE_PEAK_WANTED if whole else _PEAK_WANTED) >> 20
    print(f"  peak memory {own_mb} MB, with its workers {all_mb} MB (wanted ≤ {wanted_mb})")
    for each in rounds:
        print(
            f"  bare {each.before.elapsed_s:.2f} s, rebuilt {each.rebuilt.elapsed_s:.2f} s, bare "
            f"{each.after.elapsed_s:.2f} s: {each.ratio:.2f} ×; CPU seconds: projector {each.rebuilt.cpu_s:.2f}, "
            f"PostgreSQL {each.database_cpu_s:.2f}"
        )
    print(f"  content {middle.rebuilt.content_hash}")


def main() -> int:
    """Measure and print; 1 when two rebuilds of an archive differ."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.rebuild", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default="ranges,grouped,nightly", help="which to measure (default all but whole)")
    parser.add_argument("--market", type=Path, help="a folder of real market data")
    parser.add_argument(
        "--whole", action="store_true", help="measure the whole market of five years too: minutes a round"
    )
    parser.add_argument("--days", type=int, help="how many of the folder's days (default all)")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the tickers (default 1)")
    parser.add_argument("--rounds", type=int, default=3, help="how often to measure (default 3)")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    asked = parser.parse_args()
    parts = asked.parts.split(",")
    shapes = _shapes(parts, asked.market, asked.days, asked.scale, whole=asked.whole)
    nightly = Market(round(11_000 * asked.scale), 250 + asked.rounds) if "nightly" in parts else None
    measured = asyncio.run(measure(shapes, nightly, asked.rounds, asked.rounds))
    if asked.json:
        print(msgspec.json.encode(measured).decode())
    else:
        show(measured)
    hashes = [{each.rebuilt.content_hash for each in rounds} for rounds in measured.rebuilds.values()]
    return 0 if all(len(each) == 1 for each in hashes) else 1


def _sessions(folder: Path) -> list[dt.date]:
    return sorted(
        dt.date.fromisoformat(path.name.removesuffix(".csv.gz")) for path in (folder / "grouped").glob("*.gz")
    )


def _shapes(
    parts: list[str], folder: Path | None, days: int | None, scale: float, *, whole: bool
) -> dict[str, Iterable[Response]]:
    shapes: dict[str, Iterable[Response]] = {}
    if "ranges" in parts:
        shapes["ranges"] = Market(round(500 * scale), 1260).ranges()
    if "grouped" in parts:
        shapes["grouped"] = Market(round(6000 * scale), 252).days()
    if folder:
        shapes["market"] = (grouped(folder, session) for session in _sessions(folder)[:days])
    if whole:
        shapes["whole"] = Market(round(11_000 * scale), 1260).days()
    return shapes


if __name__ == "__main__":
    sys.exit(main())
