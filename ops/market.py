"""The local fake vendor as a process of ours: a synthetic market, or a folder of real bars, over HTTP on loopback.

It ends with us, however we end: it watches its stdin, which the kernel closes when this process dies.
"""

import asyncio
import datetime as dt
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from ops.errors import MarketNotServed

KEY = "demo"
_ROOT = Path(__file__).parents[1]
_FINISH_WITHIN_S = 5.0


class Market(msgspec.Struct, frozen=True):
    """A market that is being served: at `url`, with bars of `symbols` from `first` to `last`."""

    url: str
    market: str
    symbols: tuple[str, ...]
    first: dt.date
    last: dt.date

    @property
    def server(self) -> str:
        """What the vendor calls itself in its answers."""
        return f"fake-polygon ({self.market})"


@asynccontextmanager
async def local_market(folder: Path | None) -> AsyncIterator[Market]:
    """Serve a folder of bars (an absolute path), or the synthetic market for None, while the context is open.

    Raises: MarketNotServed with the server's own reason, such as a folder that has no bars.
    """
    which = ["--market", str(folder)] if folder else []
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fake_polygon", "--key", KEY, "--exit-with-stdin", *which),
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    assert server.stdin
    assert server.stdout
    assert server.stderr
    try:
        ready = await server.stdout.readline()
        if not ready:
            why = (await server.stderr.read()).decode(errors="replace").strip().splitlines()
            raise MarketNotServed(why[-1] if why else f"exit code {await server.wait()}")
        yield msgspec.json.decode(ready, type=Market)
    finally:
        server.stdin.close()
        try:
            await asyncio.wait_for(server.wait(), _FINISH_WITHIN_S)
        except TimeoutError:
            server.kill()
            await server.wait()
