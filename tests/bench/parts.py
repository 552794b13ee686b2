"""What the parts of archiving cost, each on its own, over the bodies that an archive holds.

The sum is what a run cannot do without, whatever it does at the same time. It starts no process and asks nobody.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import TypeVar

import asyncpg

from archive.compression import pack
from archive.payload import Endpoint, Response
from archive.read import archive_head, read_payloads
from ingest.assess import assess
from ingest.settings import VendorKey
from tests.bench.served import KEY

T = TypeVar("T")
_VENDORS_LEVEL = 4
_GZIP = zlib.MAX_WBITS | 16


async def cost_of_parts(pool: asyncpg.Pool) -> dict[str, float]:
    """Return the CPU seconds of each part for all the range answers of an archive."""
    payloads = [payload async for payload in read_payloads(pool, 0, await archive_head(pool))]
    answers = [payload.response for payload in payloads if payload.response.request.endpoint is Endpoint.RANGE]
    bodies = [answer.body for answer in answers]
    return {
        "gunzip": _cpu_s(lambda wire: zlib.decompress(wire, _GZIP), _gzipped(bodies)),
        "look for the key": _cpu_s(VendorKey(KEY).blanked, bodies),
        "SHA-256": _cpu_s(lambda body: sha256(body).digest(), bodies),
        "SHA-256 and zstd": _cpu_s(pack, bodies),
        "assess": _cpu_s(_assessed, answers),
    }


def _assessed(answer: Response) -> int:
    return assess(answer).row_count


def _gzipped(bodies: Iterable[bytes]) -> list[bytes]:
    wires = []
    for body in bodies:
        packer = zlib.compressobj(_VENDORS_LEVEL, wbits=_GZIP)
        wires.append(packer.compress(body) + packer.flush())
    return wires


def _cpu_s(part: Callable[[T], object], over: Sequence[T]) -> float:
    before = time.process_time()
    for each in over:
        part(each)
    return time.process_time() - before
