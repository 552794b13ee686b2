"""Machines with a warehouse at work on them, as often as a test likes; and what becomes of it when nothing goes wrong.

A warehouse begins with a part of its market and some made-up bars fetched and projected already, so that there is
something to read, to rebuild and to lose.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from sql.timescale import enable_timescale
from tests.bench.made_archive import Market, archive_all
from tests.chaos.forks import Forks, open_forks
from tests.chaos.scenario import Place
from tests.command import console_command
from tests.faults.clock import Clock, make_clock
from tests.faults.disk import SmallDisk, small_disk
from tests.faults.machine import (
    Cluster,
    Embedded,
    Hosted,
    close_to_clients,
    own_cluster,
    timescale_binaries,
)
from tests.faults.readers import AS_TRADED
from tests.faults.tally import Tally
from tests.faults.told import Fault
from tests.faults.world import Whole, World, open_world, read_all_the_while

_TICKERS, _SESSIONS = 60, 400
_DISK_MB, _BACKUPS_MB = 1200, 200
_COMMANDS = ("api", "archive", "ingest", "ops", "project")

NewWorld = Callable[[Place, Tally], AbstractAsyncContextManager[World]]
Undisturbed = Callable[[Place], Awaitable[Whole]]


class Site(msgspec.Struct, frozen=True):
    """What all machines of a test run share: a folder for data, one for backups, the disks that these are on and the
    clock, where those can be had."""

    folder: Path
    backups: Path
    disk: SmallDisk | None
    backup_disk: SmallDisk | None
    clock: Clock | None
    environ: Mapping[str, str]

    def lacks(self, fault: Fault) -> str | None:
        """Say why a fault cannot be had here."""
        if fault.disk and self.disk is None:
            return "no file system may be mounted here"
        if fault.clock and self.clock is None:
            return "no library can be loaded that sets clocks: a C compiler is needed"
        return None


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """Yield the place for machines."""
    # Not in pytest's own folder: another user is to reach it.
    with (
        tempfile.TemporaryDirectory(prefix="warehouse-faults-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        outer = Path(name)
        outer.chmod(0o755)
        folder, backups = outer / "disk", outer / "backups"
        for each in (folder, backups):
            each.mkdir()
        disk = stack.enter_context(small_disk(folder, _DISK_MB))
        backup_disk = stack.enter_context(small_disk(backups, _BACKUPS_MB))
        clock = make_clock(outer)
        home = outer / "home"
        home.mkdir()
        path = f"{Path(console_command('project')).parent}{os.pathsep}{os.environ['PATH']}"
        environ = {"PATH": path, "HOME": str(home), **(clock.environ if clock is not None else {})}
        yield Site(folder, backups, disk, backup_disk, clock, environ)


@pytest.fixture(scope="session")
async def fault_forks(site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Forks]:
    """Yield a way to start commands of the product, living by the site's clock."""
    environ = site.clock.environ if site.clock is not None else {}
    async with open_forks(tmp_path_factory.mktemp("faults"), _COMMANDS, environ) as opened:
        yield opened


@pytest.fixture(scope="session")
def cluster(site: Site) -> Iterator[Cluster | None]:
    """Yield a cluster of our own with TimescaleDB where the tests run on a server; None for the embedded one."""
    if "TEST_DATABASE_URL" not in os.environ:
        yield None
        return
    binaries = timescale_binaries()
    if binaries is None:
        pytest.skip("no TimescaleDB here to make a cluster of our own, and the server of the tests is not ours to kill")
    folder = site.folder / "cluster"
    folder.mkdir()
    with own_cluster(folder, binaries, site.clock.environ if site.clock is not None else {}) as made:
        yield made


@pytest.fixture(scope="session")
def targets_of() -> Callable[[Place], tuple[str, ...]]:
    """Return a way to say what readers ask for."""
    made = Market(_TICKERS, _SESSIONS)

    def targets(place: Place) -> tuple[str, ...]:
        known = [*_first_half(place), *made.tickers[::20]]
        dates = [made.sessions[-1], made.sessions[len(made.sessions) // 2]]
        return (
            *(f"/api/v1/historical/{symbol}?{AS_TRADED}" for symbol in known),
            *(f"/api/v1/market/{date}?{AS_TRADED}" for date in dates),
        )

    return targets


@pytest.fixture(scope="session")
def furnished(
    site: Site, cluster: Cluster | None, fault_forks: Forks
) -> Callable[[Place], Awaitable[Embedded | Hosted]]:
    """Return a way to get a machine's warehouse as every story of a place begins, to be copied only."""
    made: dict[int, Embedded | Hosted] = {}

    async def furnish(place: Place) -> Embedded | Hosted:
        if place.number not in made:
            made[place.number] = await _furnish(place, site, cluster, fault_forks)
        return made[place.number]

    return furnish


async def _furnish(place: Place, site: Site, cluster: Cluster | None, forks: Forks) -> Embedded | Hosted:
    machine: Embedded | Hosted
    if cluster is None:
        machine = Embedded(site.folder / f"base-{place.number}")
        machine.hold()
    else:
        machine = Hosted(cluster, f"base_{place.number}")
        async with open_owner(cluster.url) as server:
            await server.execute(f"CREATE DATABASE {machine.name}")
    async with open_owner(machine.url) as owner:
        # However carelessly a server is tuned: what is said to be archived must outlive its kill.
        await owner.execute("ALTER SYSTEM SET synchronous_commit = off")
        await owner.execute("SELECT pg_reload_conf()")
        await enable_timescale(owner)
        await migrate(owner)
    async with open_pool(machine.url, Role.INGEST) as pool:
        await archive_all(pool, Market(_TICKERS, _SESSIONS).ranges())
    async with open_world(place, machine, forks, site.environ, (), Tally("", 0)) as world:
        period = ("--from", str(place.goal.first), "--to", str(place.goal.last))
        await world.succeed("ingest", "backfill", "--symbols", ",".join(_first_half(place)), *period)
        await world.succeed("project")
    if isinstance(machine, Embedded):
        machine.release()
    else:
        await close_to_clients(machine.cluster, machine.name)
    return machine


def _first_half(place: Place) -> tuple[str, ...]:
    return place.goal.symbols[: len(place.goal.symbols) // 2]


@pytest.fixture(scope="session")
def fresh_world(
    site: Site,
    furnished: Callable[[Place], Awaitable[Embedded | Hosted]],
    fault_forks: Forks,
    targets_of: Callable[[Place], tuple[str, ...]],
) -> NewWorld:
    """Return a way to have a warehouse of a place for a while, with its vendor."""

    @asynccontextmanager
    async def fresh(place: Place, tally: Tally) -> AsyncIterator[World]:
        base = await furnished(place)
        machine: Embedded | Hosted
        machine = (
            base.copy(site.folder / f"story-{uuid.uuid4().hex[:8]}")
            if isinstance(base, Embedded)
            else await base.copy()
        )
        try:
            async with open_world(place, machine, fault_forks, site.environ, targets_of(place), tally) as world:
                world.clock, world.disk, world.backup_disk = site.clock, site.disk, site.backup_disk
                world.home = site.backups / f"home-{uuid.uuid4().hex[:8]}"
                world.home.mkdir()
                yield world
                shutil.rmtree(world.home, ignore_errors=True)
        finally:
            if isinstance(machine, Embedded):
                machine.remove()
            else:
                await machine.drop()

    return fresh


@pytest.fixture(scope="session")
def whole(fresh_world: NewWorld) -> Undisturbed:
    """Return a way to find out what a place's warehouse is when nothing goes wrong."""
    found: dict[int, Whole] = {}

    async def undisturbed(place: Place) -> Whole:
        if place.number not in found:
            async with fresh_world(place, Tally("", 0)) as world, read_all_the_while(world) as session:
                content_hash = await world.one_clean_run()
                found[place.number] = Whole(content_hash, await world.told(session))
                assert not world.readers.wrong
        return found[place.number]

    return undisturbed
