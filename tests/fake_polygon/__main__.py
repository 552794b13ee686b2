"""The fake vendor as a process: one JSON line on stdout when it is ready, then it serves until told to stop.

Exit 0 when stopped, 2 when it cannot start, with one line on stderr that says why. It must not know routes or bars.
"""

import argparse
import asyncio
import os
import signal
import sys
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NoReturn

import msgspec

from tests.fake_polygon.cast import DEFAULT_UNIVERSE, SPECIAL_TICKERS, made_up_tickers
from tests.fake_polygon.errors import FakePolygonError
from tests.fake_polygon.folder import FolderMarket
from tests.fake_polygon.market import Market
from tests.fake_polygon.plan import Plan
from tests.fake_polygon.server import FakePolygon
from tests.fake_polygon.sessions import last_closed_session
from tests.fake_polygon.synthetic import FIRST, SyntheticMarket
from tests.fake_polygon.vendor import utc_now


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        self.exit(2, f"fake_polygon: {message}\n")


class _Ready(msgspec.Struct):
    """The line that is printed when requests are answered."""

    url: str
    market: str
    symbols: list[str]
    first: date
    last: date


def _arguments() -> argparse.Namespace:
    parser = _Parser(prog="python -m tests.fake_polygon", description="Serve a fake Polygon vendor on loopback.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--market", type=Path, metavar="DIR", help="serve a folder of recorded bars")
    which.add_argument("--seed", type=int, default=7, help="serve the synthetic market of this seed (default 7)")
    parser.add_argument("--symbols", type=_symbols, metavar="A,B", help="only these (synthetic: made for these)")
    parser.add_argument("--made-up", type=int, metavar="N", help="synthetic: N made-up symbols, a whole market")
    parser.add_argument("--since", type=_date, default=FIRST, metavar="DATE", help="synthetic: first session")
    parser.add_argument("--until", type=_date, metavar="DATE", help="synthetic: last session (default: last closed)")
    parser.add_argument("--now", type=_instant, metavar="INSTANT", help="stop the vendor's clock at this instant")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument(
        "--key",
        default=os.environ.get("FAKE_POLYGON_KEY") or "demo",
        help="the key that is accepted [FAKE_POLYGON_KEY] (default demo)",
    )
    parser.add_argument("--calls-per-minute", type=int, metavar="N", help="answer 429 beyond this rate")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when stdin ends")
    return parser.parse_args()


def _symbols(text: str) -> list[str]:
    return [symbol.strip() for symbol in text.split(",") if symbol.strip()]


def _date(text: str) -> date:
    return date.fromisoformat(text)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _market(arguments: argparse.Namespace) -> Market:
    if arguments.market is not None:
        return FolderMarket(arguments.market, symbols=arguments.symbols)
    symbols = arguments.symbols or [*DEFAULT_UNIVERSE, *SPECIAL_TICKERS]
    if arguments.made_up:
        symbols = made_up_tickers(arguments.made_up)
    last = arguments.until or last_closed_session(arguments.now or utc_now())
    market = SyntheticMarket(arguments.seed, symbols, arguments.since, last=last)
    # Drawn now, so that no request has to wait for it.
    market.grouped(market.last, utc_now())
    return market


async def _serve(market: Market, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if arguments.exit_with_stdin:
        threading.Thread(target=_wait_for_stdin, args=(loop, stop), daemon=True).start()
    frozen = arguments.now
    async with FakePolygon(
        market,
        key=arguments.key,
        plan=Plan(calls_per_minute=arguments.calls_per_minute),
        clock=(lambda: frozen) if frozen else utc_now,
        host=arguments.host,
        port=arguments.port,
    ) as vendor:
        ready = _Ready(vendor.url, market.name, list(market.symbols()), market.first, market.last)
        print(msgspec.json.encode(ready).decode(), flush=True)
        await stop.wait()


def _wait_for_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Wait in a thread: unlike a pipe transport, this works for a pipe, a terminal and /dev/null alike."""
    while os.read(0, 4096):
        pass
    if not loop.is_closed():
        loop.call_soon_threadsafe(stop.set)


def main() -> int:
    """Run the server until it is stopped and return the exit code."""
    arguments = _arguments()
    try:
        market = _market(arguments)
        asyncio.run(_serve(market, arguments))
    except (FakePolygonError, OSError) as exc:
        print(f"fake_polygon: {exc}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
