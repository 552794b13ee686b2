"""The rate limit: exact, by a clock that is given, and the same for all who share its cells."""

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from api.access.rate import RateLimit, Turn, make_cells

SECOND = 10**9
# Its clock stands still, so that exactly the quota is granted however the processes take turns.
SHARER = """
import sys
from pathlib import Path
from api.access.rate import RateLimit
rate = RateLimit(Path(sys.argv[1]), lambda: 1)
print(flush=True)
sys.stdin.readline()
print(sum(rate.take(b"caller", 20_000).granted for _ in range(20_000)))
"""


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.ns = 10**15

    def __call__(self) -> int:
        return self.ns


def test_the_whole_quota_may_be_used_at_once_and_then_comes_back_one_by_one() -> None:
    clock = Clock()
    rate = RateLimit(now_ns=clock)
    assert [rate.take(b"a", 4) for _ in range(5)] == [
        Turn(True, 3, 15),
        Turn(True, 2, 30),
        Turn(True, 1, 45),
        Turn(True, 0, 15),
        Turn(False, 0, 15),
    ]
    clock.ns += 15 * SECOND - 1
    assert rate.take(b"a", 4) == Turn(False, 0, 1)
    clock.ns += 1
    assert rate.take(b"a", 4) == Turn(True, 0, 15)
    clock.ns += 60 * SECOND
    assert rate.take(b"a", 4) == Turn(True, 3, 15)


def test_a_caller_uses_nobody_elses_quota() -> None:
    rate = RateLimit(now_ns=Clock())
    assert rate.take(b"a", 1).granted
    assert not rate.take(b"a", 1).granted
    assert rate.take(b"b", 1).granted


@given(st.integers(1, 50), st.lists(st.integers(0, 20 * SECOND), max_size=80))
def test_no_minute_holds_more_than_the_quota_and_what_a_minute_brings_back(quota: int, waits: list[int]) -> None:
    clock = Clock()
    rate = RateLimit(now_ns=clock)
    began = clock.ns
    granted = 0
    for wait in waits:
        clock.ns += wait
        turn = rate.take(b"a", quota)
        granted += turn.granted
        assert granted <= quota + (clock.ns - began) * quota // (60 * SECOND) + 1
        if not turn.granted:
            clock.ns += turn.reset_s * SECOND
            assert rate.take(b"a", quota).granted
            granted += 1
    rate.close()


def test_more_callers_than_there_is_room_for_never_get_less_than_their_quota() -> None:
    rate = RateLimit(now_ns=Clock())
    refused = [caller for caller in range(50_000) if not rate.take(caller.to_bytes(4), 1).granted]
    assert refused == []


def test_processes_that_share_the_cells_grant_the_quota_once(tmp_path: Path) -> None:
    cells = tmp_path / "cells"
    make_cells(cells)
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", SHARER, str(cells)]
    sharers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for sharer in sharers:
        assert sharer.stdout is not None
        sharer.stdout.readline()
    for sharer in sharers:
        assert sharer.stdin is not None
        sharer.stdin.write("go\n")
        sharer.stdin.flush()
    assert sum(int(sharer.communicate()[0]) for sharer in sharers) == 20_000
