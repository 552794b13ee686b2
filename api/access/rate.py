"""How many requests a caller may make: a rate that holds over all workers, kept in memory that they share.

Each caller has a cell that holds the instant at which its quota will be whole again (the generic cell rate algorithm):
a request moves it on by the time in which one request comes back, and is refused where that would reach further than a
minute ahead. So a caller may use the whole quota at once, and after that each request as it comes back. A cell whose
instant has passed says the same as none, and may be taken by another caller. The cells lie in a file that every
worker maps; the range of a bucket is locked while it is changed, by a lock that the system takes back from a worker
that dies. Knows no HTTP and no key but as a name of bytes.
"""

import fcntl
import hashlib
import math
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

WINDOW_S = 60
_WINDOW_NS = WINDOW_S * 10**9
_CELL = struct.Struct("=QQ")  # whose (0: nobody's), and the instant its quota is whole, in ns
_CELLS_A_BUCKET = 8
_BUCKET_BYTES = _CELL.size * _CELLS_A_BUCKET
_BUCKETS = 4096

Nanoseconds = Callable[[], int]


class Turn(msgspec.Struct, frozen=True):
    """Whether a request may go ahead, and what is left.

    Units: `reset_s` whole seconds until the quota is whole again, or, where nothing is left, until one request is.
    """

    granted: bool
    remaining: int
    reset_s: int


class RateLimit:
    """The cells of all callers; `now_ns` is monotonic and the same clock in every worker."""

    def __init__(self, path: Path | None = None, now_ns: Nanoseconds = time.monotonic_ns) -> None:
        """Share the cells of a file that `make_cells` made, or without one have cells of one's own."""
        self._file = None if path is None else os.open(path, os.O_RDWR)
        self._cells = mmap.mmap(-1 if self._file is None else self._file, _BUCKETS * _BUCKET_BYTES)
        self._now_ns = now_ns

    def close(self) -> None:
        """Let go of the cells."""
        self._cells.close()
        if self._file is not None:
            os.close(self._file)

    def take(self, caller: bytes, per_minute: int) -> Turn:
        """Take one of a caller's requests, where one is left."""
        digest = hashlib.blake2b(caller, digest_size=10).digest()
        bucket = int.from_bytes(digest[8:]) % _BUCKETS * _BUCKET_BYTES
        whose = int.from_bytes(digest[:8]) or 1
        with self._locked(bucket):
            now = self._now_ns()
            place, whole_at = self._find(bucket, whose, now)
            turn, whole_at = _turn(now, max(whole_at, now), per_minute)
            _CELL.pack_into(self._cells, place, whose, whole_at)
        return turn

    @contextmanager
    def _locked(self, bucket: int) -> Iterator[None]:
        """Keep other workers from a bucket; cells of one's own have one thread that uses them."""
        if self._file is None:
            yield
            return
        fcntl.lockf(self._file, fcntl.LOCK_EX, _BUCKET_BYTES, bucket)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, _BUCKET_BYTES, bucket)

    def _find(self, bucket: int, whose: int, now: int) -> tuple[int, int]:
        """Return the place of a caller's cell and its instant; a new caller gets the cell nearest to being whole."""
        cells = self._cells[bucket : bucket + _BUCKET_BYTES]
        oldest, oldest_at = bucket, None
        for index, (owner, whole_at) in enumerate(_CELL.iter_unpack(cells)):
            place = bucket + index * _CELL.size
            if owner == whose:
                return place, whole_at
            if oldest_at is None or whole_at < oldest_at:
                oldest, oldest_at = place, whole_at
        return oldest, now


def make_cells(path: Path) -> None:
    """Make the file of cells that workers share."""
    with path.open("xb") as file:
        file.truncate(_BUCKETS * _BUCKET_BYTES)


def _turn(now: int, whole_at: int, per_minute: int) -> tuple[Turn, int]:
    each = _WINDOW_NS // per_minute
    quota = each * per_minute
    if whole_at + each - now > quota:
        return Turn(False, 0, _seconds(whole_at + each - now - quota)), whole_at
    whole_at += each
    remaining = (quota - (whole_at - now)) // each
    wait = whole_at - now if remaining else whole_at + each - now - quota
    return Turn(True, remaining, _seconds(wait)), whole_at


def _seconds(nanoseconds: int) -> int:
    return max(1, math.ceil(nanoseconds / 10**9))
