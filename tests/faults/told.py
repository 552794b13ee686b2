"""The faults, one function each: what a story does to a warehouse under load, at the moment that its seed says.

When a function returns, whatever it started has ended, and the machine is to be used as a person or a service manager
would use it. What must be true then is said in test_faults.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from tests.chaos.forks import Running
from tests.faults.line import open_line
from tests.faults.machine import kill_a_backend, kill_server, stop_server_at_once
from tests.faults.scenario import Story
from tests.faults.world import World

_A_DRIP = 4_000
_WORKERS = 2
_DAY_S = 86_400
_BUSY = ("another run is", "another process is projecting", "is in use by")
_KIB = 1024


class Fault(msgspec.Struct, frozen=True):
    """A fault and what it needs: `serving` are the API's options; a line to the database, a small disk, a clock."""

    strike: Callable[[World, Story], Awaitable[None]]
    serving: tuple[str, ...] = ()
    line: bool = False
    disk: bool = False
    clock: bool = False


async def _fetching(world: World, story: Story, *options: str, **settings: str) -> Running:
    """Start a nightly run and wait until the moment of the story; the vendor may be slow with what comes then."""
    before = len(world.vendor.requests)
    if story.pick(7, 2):
        world.vendor.slow_next(_A_DRIP, path=_after(story.requests))
    running = await world.nightly(*(options or ("--no-project",)), **settings)
    await world.asked(story.requests, running, before)
    await asyncio.sleep(story.delay_s / 5)
    return running


async def _projecting(world: World, story: Story, *options: str, **settings: str) -> Running:
    """Start the projector and wait until the moment of the story."""
    running = await world.start("project", *options, **settings)
    if "--rebuild" in options and story.pick(6, 2):
        await world.next_is_there(running)
    await asyncio.sleep(story.delay_s)
    return running


async def _all_at_work(world: World, story: Story, **settings: str) -> list[Running]:
    """Let one fetch and another rebuild, and wait until the moment of the story."""
    rebuilding = await world.start("project", "--rebuild", **settings)
    fetching = await _fetching(world, story, **settings)
    await asyncio.sleep(story.delay_s)
    return [rebuilding, fetching]


async def _ended(world: World, running: list[Running]) -> None:
    for each in running:
        await world.end(each)


async def kill_ingest(world: World, story: Story) -> None:
    """SIGKILL of a nightly run, again and again."""
    for _ in range(1 + story.pick(0, 2)):
        running = await _fetching(world, story)
        await world.kill(running)
        await world.locks_are_free()


async def kill_nightly(world: World, story: Story) -> None:
    """SIGKILL of a nightly run that may have called the projector, which then goes on by itself."""
    running = await _fetching(world, story, "--json")
    await asyncio.sleep(story.delay_s)
    await world.kill(running)
    await world.locks_are_free()


async def kill_projector(world: World, story: Story) -> None:
    """SIGKILL of a catch-up."""
    await world.end(await world.nightly("--no-project"))
    await world.kill(await _projecting(world, story))
    await world.locks_are_free()


async def kill_rebuild(world: World, story: Story) -> None:
    """SIGKILL of a rebuild while payloads arrive."""
    fetching = await world.nightly("--no-project")
    await world.kill(await _projecting(world, story, "--rebuild"))
    await world.end(fetching)
    await world.locks_are_free()


async def kill_api_worker(world: World, story: Story) -> None:
    """SIGKILL of workers of the API while a rebuild swaps under them."""
    running = await _all_at_work(world, story)
    for _ in range(1 + story.pick(0, 3)):
        world.kill_a_worker(story.pick(1, _WORKERS))
        await asyncio.sleep(story.delay_s / 3)
    await _ended(world, running)


async def kill_api(world: World, story: Story) -> None:
    """SIGKILL of the API, by itself or the parent of workers."""
    running = await _all_at_work(world, story)
    assert world.api is not None
    await world.kill(world.api)
    await _ended(world, running)


async def kill_postgres(world: World, story: Story) -> None:
    """SIGKILL of PostgreSQL's first process."""
    running = await _all_at_work(world, story)
    world.tally.injected += kill_server(world.machine)
    await _ended(world, running)


async def immediate_stop(world: World, story: Story) -> None:
    """What `pg_ctl stop -m immediate` does."""
    running = await _all_at_work(world, story)
    world.tally.injected += stop_server_at_once(world.machine)
    await _ended(world, running)


async def kill_backend(world: World, story: Story) -> None:
    """SIGKILL of a process of PostgreSQL that serves a client: the server ends all sessions and recovers."""
    running = await _all_at_work(world, story)
    world.tally.injected += kill_a_backend(world.machine, story.pick(0, 100))
    await _ended(world, running)


async def disk_full(world: World, story: Story) -> None:
    """A full disk under the data folder, for as long as it takes; then room again."""
    assert world.disk is not None
    fetching = await _fetching(world, story)
    world.disk.fill((0, 8, 64, 512, 4096)[story.pick(0, 5)] * _KIB)
    world.tally.injected += 1
    try:
        # With a full disk one is turned away, or fails, or finds enough room.
        await _ended(world, [fetching, await world.start("project", "--rebuild")])
        await _ended(world, [await world.nightly("--no-project")])
    finally:
        world.disk.free()


async def cut_line(world: World, story: Story) -> None:
    """Connections to the database are reset, again and again."""
    async with open_line(world.machine.url) as line:
        await world.api_moves(DATABASE_URL=line.url)
        running = await _all_at_work(world, story, DATABASE_URL=line.url)
        for _ in range(1 + story.pick(0, 4)):
            line.cut()
            world.tally.injected += 1
            await asyncio.sleep(story.delay_s / 4)
        await _ended(world, running)
        await world.api_moves()


async def stall_line(world: World, story: Story) -> None:
    """Nothing goes through to the database for a while; then everything does, or the connections are reset."""
    async with open_line(world.machine.url) as line:
        await world.api_moves(DATABASE_URL=line.url)
        running = await _all_at_work(world, story, DATABASE_URL=line.url)
        line.stall()
        world.tally.injected += 1
        await asyncio.sleep(0.2 + story.numbers[0])
        if story.pick(1, 2):
            line.cut()
        line.resume()
        await _ended(world, running)
        await world.api_moves()


async def two_nightlies(world: World, story: Story) -> None:
    """Two whole nightly runs at once: one does it all, the other does so after it or is told of it."""
    first = await world.nightly("--json")
    await asyncio.sleep(story.delay_s)
    second = await world.nightly("--json")
    world.tally.injected += 1
    await _one_at_least(world, first, second)


async def two_rebuilds(world: World, story: Story) -> None:
    """Two rebuilds at once while payloads arrive."""
    fetching = await world.nightly("--no-project")
    first = await world.start("project", "--rebuild")
    await asyncio.sleep(story.delay_s / 2)
    second = await world.start("project", "--rebuild")
    world.tally.injected += 1
    await _one_at_least(world, first, second)
    await world.end(fetching)


async def _one_at_least(world: World, *running: Running) -> None:
    ended = [await world.end(each) for each in running]
    assert any(each.code == 0 for each in ended), ended
    for each in ended:
        assert each.code == 0 or any(words in each.said for words in _BUSY), each


async def clock_jumps(world: World, story: Story) -> None:
    """The clock is set, forward or backward by up to forty days, while all are at work, and set right after it."""
    assert world.clock is not None
    far = (3_600, _DAY_S, 7 * _DAY_S, 40 * _DAY_S)[story.pick(0, 4)]
    try:
        running = await _all_at_work(world, story)
        world.clock.set_by(far if story.pick(1, 2) else -far)
        world.tally.injected += 1
        await _ended(world, running)
        await _ended(world, [await world.nightly("--no-project"), await world.start("project")])
        if story.pick(2, 2):
            await _ended(world, [await world.start("project", "--rebuild")])
    finally:
        world.clock.set_by(0)
    world.tally.injected += 1


async def _backing_up(world: World, story: Story) -> Running:
    """Let one fetch while a backup is made, after another in some stories, and wait until the moment of the story."""
    if story.pick(0, 2):
        await world.succeed("ops", "backup", str(world.backups))
    await _fetching(world, story)
    running = await world.start("ops", "backup", str(world.backups))
    if story.pick(1, 2):
        await world.part_is_there(running)
        await asyncio.sleep(story.delay_s / 5)
    else:
        await asyncio.sleep(story.delay_s)
    return running


async def kill_backup(world: World, story: Story) -> None:
    """SIGKILL of a backup: what is there is a whole one, or none; the next one goes on."""
    await world.kill(await _backing_up(world, story))
    await world.quiet()
    await world.locks_are_free()
    await world.backups_are_whole()


async def two_backups(world: World, story: Story) -> None:
    """Two backups into one folder at once."""
    first = await _backing_up(world, story)
    second = await world.start("ops", "backup", str(world.backups))
    world.tally.injected += 1
    await _one_at_least(world, first, second)
    await world.quiet()
    await world.backups_are_whole()


async def backup_disk_full(world: World, story: Story) -> None:
    """The disk under the backups is full: in the middle, or from the first byte on."""
    assert world.backup_disk is not None
    if story.pick(0, 2):
        await world.succeed("ops", "backup", str(world.backups))
    await world.end(await _fetching(world, story))
    running = await world.start("ops", "backup", str(world.backups))
    if story.pick(1, 2):
        await world.part_is_there(running)
    world.backup_disk.fill((0, 16, 64, 200, 400)[story.pick(2, 5)] * _KIB)
    world.tally.injected += 1
    try:
        await _ended(world, [running])
        await _ended(world, [await world.start("ops", "backup", str(world.backups))])
    finally:
        world.backup_disk.free()
    await world.backups_are_whole()


async def damaged_backup(world: World, story: Story) -> None:
    """Every kind of file of a backup in turn is cut short, or has a bit flipped: it is refused by name."""
    await world.succeed("ops", "backup", str(world.backups))
    for number, file in enumerate(world.backup_files()):
        whole = file.read_bytes()
        place = int(story.numbers[number % len(story.numbers)] * len(whole))
        cut_short = bool((story.seed + number) % 2)
        damaged = bytearray(whole[:place] if cut_short else whole)
        if not cut_short:
            damaged[place] ^= 1 << story.pick(0, 8)
        file.write_bytes(damaged)
        world.tally.injected += 1
        await world.refuses_backup(file)
        file.write_bytes(whole)
    await world.backups_are_whole()


def _after(number: int) -> Callable[[str], bool]:
    calls = 0

    def holds(_path: str) -> bool:
        nonlocal calls
        calls += 1
        return calls >= number

    return holds


FAULTS: Mapping[str, Fault] = {
    "kill_postgres": Fault(kill_postgres),
    "kill_backup": Fault(kill_backup),
    "cut_line": Fault(cut_line, line=True),
    "disk_full": Fault(disk_full, disk=True),
    "kill_rebuild": Fault(kill_rebuild),
    "kill_ingest": Fault(kill_ingest),
    "immediate_stop": Fault(immediate_stop),
    "damaged_backup": Fault(damaged_backup),
    "two_rebuilds": Fault(two_rebuilds),
    "clock_jumps": Fault(clock_jumps, clock=True),
    "kill_backend": Fault(kill_backend),
    "kill_projector": Fault(kill_projector),
    "two_nightlies": Fault(two_nightlies),
    "kill_api": Fault(kill_api),
    "stall_line": Fault(stall_line, line=True),
    "kill_nightly": Fault(kill_nightly),
    "two_backups": Fault(two_backups),
    "kill_api_worker": Fault(kill_api_worker, serving=("--workers", str(_WORKERS))),
    "backup_disk_full": Fault(backup_disk_full, disk=True),
    "kill_api_parent": Fault(kill_api, serving=("--workers", str(_WORKERS))),
}
