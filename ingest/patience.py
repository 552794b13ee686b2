"""How long a run waits for the vendor: for one answer, between tries, and when it is told to come back later."""

from collections.abc import Callable

import msgspec
from tenacity import RetryCallState
from tenacity.wait import wait_random_exponential


class Patience(msgspec.Struct, frozen=True):
    """How often to ask, and how long to wait.

    Units: seconds. `silence_s` bounds the time without a byte, `total_s` one whole GET, which ends a vendor that drips.
    `wait` is the wait between two tries. `throttled_s` is the pause after a 429 that names none (the vendor counts by
    the minute); `longest_pause_s` bounds what a Retry-After may ask for.
    """

    attempts: int = 5
    wait: Callable[[RetryCallState], float] = wait_random_exponential(multiplier=0.5, max=30)
    connect_s: float = 10.0
    silence_s: float = 30.0
    total_s: float = 180.0
    throttled_s: float = 60.0
    longest_pause_s: float = 300.0
