"""The machine fails: processes are killed, PostgreSQL too, the disk is full, the line is cut, the clock is set.

Each seed is one story: a warehouse with something in it, a vendor that answers, clients that read bars from the API all
the while, commands at work, and one fault at a moment that is drawn from the seed. Then the machine is as it should be,
and one clean run is made. Whatever a run had said to be archived must be in the archive; the archive must verify; the
content hash must be that of a warehouse that was never disturbed, by catching up as by a rebuild; and no reader may
have been told anything but right answers and clean errors.

`./ops/test --faults` tells many stories and prints what was counted; FAULT_SEEDS=N says how many, FAULT_FIRST_SEED=N
where they begin. A failure names its seed: `FAULT_FIRST_SEED=N FAULT_SEEDS=1 ./ops/test --faults` tells that one again.
FAULT_KINDS=a,b tells of some faults only.

With TEST_DATABASE_URL the stories take place in a cluster of our own with TimescaleDB, which is ours to kill.
"""

import os
from collections.abc import Iterator

import pytest

from tests.faults.conftest import NewWorld, Site, Undisturbed
from tests.faults.scenario import Story, story_of, the_place
from tests.faults.tally import Tally, table_of
from tests.faults.told import FAULTS
from tests.faults.world import World, read_all_the_while

_FIRST_SEED = int(os.environ.get("FAULT_FIRST_SEED", "0"))
_COUNT = int(os.environ.get("FAULT_SEEDS", "0"))
_KINDS = tuple(filter(None, os.environ.get("FAULT_KINDS", "").split(","))) or tuple(FAULTS)
_HANDFUL = 4  # of faults that no other test of ours has
_SEEDS = range(_FIRST_SEED, _FIRST_SEED + (_COUNT or _HANDFUL))


@pytest.fixture(scope="module")
def tallies() -> Iterator[list[Tally]]:
    """Yield the list of what came of each story."""
    counted: list[Tally] = []
    yield counted
    if counted:
        print(f"\n\n{table_of(counted)}")


@pytest.mark.parametrize("story", [story_of(seed, _KINDS) for seed in _SEEDS], ids=lambda s: f"{s.seed}-{s.fault}")
async def test_after_any_fault_one_clean_run_makes_the_warehouse_what_it_would_have_been(
    story: Story, site: Site, fresh_world: NewWorld, whole: Undisturbed, tallies: list[Tally]
) -> None:
    fault = FAULTS[story.fault]
    if lacking := site.lacks(fault):
        pytest.skip(lacking)
    place = the_place(story)
    expected = await whole(place)
    tally = Tally(story.fault, story.seed)
    tallies.append(tally)
    async with fresh_world(place, tally) as world:
        if fault.line:
            world.machine.hold()
        async with read_all_the_while(world, *fault.serving) as session:
            await fault.strike(world, story)
            world.vendor.behave()
            await world.nobody_is_left()
            await _let_the_machine_be_managed(world)
            await world.api_is_up()
            caught_up = await world.one_clean_run()
            await world.succeed("archive", "verify")
            rebuilt = await world.projected("--rebuild")
            told = await world.told(session)
        tally.lost = await world.losses()
        world.readers.complain_of_untruth(expected.answers)
        tally.read, tally.refused = world.readers.answered, world.readers.refused
        tally.wrong = len(world.readers.wrong)
    again = f"FAULT_FIRST_SEED={story.seed} FAULT_SEEDS=1 ./ops/test --faults"
    assert tally.lost == 0, again
    assert caught_up == rebuilt == expected.content_hash, again
    assert not world.readers.wrong, (again, world.readers.wrong[:3])
    assert {target: answer.rows for target, answer in told.items()} == {
        target: answer.rows for target, answer in expected.answers.items()
    }, again
    assert tally.mends == 0, (again, world.said)


async def _let_the_machine_be_managed(world: World) -> None:
    """Do what a service manager does: a server of its own is started again, and ready before anything needs it.

    The embedded one starts by itself. A command that comes while a server recovers is refused cleanly (DatabaseAway).
    """
    if "DATABASE_URL" in world.machine.settings:
        world.machine.hold()
        async with world.observer():
            pass
