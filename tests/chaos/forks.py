"""Commands of the product as processes that start at once: forked from one that has imported all of it already.

Each is a process of its own, as real and as killable as any. Run as a module this is the process they are forked from:
a job a line on stdin; on stdout the pid when one has begun, then the code with which it ended, negative for a signal.
It knows nothing of what the commands do.
"""

import asyncio
import datetime as dt
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import click
import msgspec
from tenacity.wait import wait_none

from archive.calendar import exchange_calendar
from archive.cli import archive
from ingest.backfill import run_backfill
from ingest.cli import ingest
from ingest.errors import RunFailed
from ingest.options import utc_now
from ingest.patience import Patience
from ingest.period import Period
from ingest.report import RunReport
from ingest.settings import IngestSettings
from ingest.universe import parse_universe
from project.cli import project
from sql.command import WarehouseCommand, run
from sql.connect import Role, open_pool

_ROOT = Path(__file__).parents[2]
# Enough for an answer on a busy machine, and so little that a vendor which hangs is given up in time to be seen.
_HASTE = Patience(
    attempts=3, wait=wait_none(), connect_s=5.0, silence_s=0.5, total_s=1.0, throttled_s=0.05, longest_pause_s=0.1
)


class Job(msgspec.Struct, frozen=True):
    """A command line, its whole environment, and the file for what it says."""

    words: list[str]
    environ: Mapping[str, str]
    output: str


class Ended(msgspec.Struct, frozen=True):
    """How a command ended: its exit code, negative for the signal that killed it, and what it said."""

    code: int
    said: str


class Running:
    """A command that has begun."""

    def __init__(self, pid: int, answers: asyncio.StreamReader, output: Path) -> None:
        self._pid, self._output = pid, output
        self._code = asyncio.create_task(answers.readline())

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._code.done()

    def kill(self) -> None:
        """Send SIGKILL, if there is still somebody to get it."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    async def end(self) -> Ended:
        """Wait until it has ended."""
        return Ended(int(await self._code), self._output.read_text())


class Forks:
    """Starts commands, one at a time. Get one from `open_forks`."""

    def __init__(self, server: asyncio.subprocess.Process, folder: Path) -> None:
        self._server, self._folder = server, folder
        self._begun = 0

    async def start(self, environ: Mapping[str, str], *words: str) -> Running:
        """Start a command line in the folder HOME of `environ`."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._begun += 1
        output = self._folder / f"{self._begun:05d}.log"
        output.touch()
        job = Job(list(words), environ, str(output))
        self._server.stdin.write(msgspec.json.encode(job) + b"\n")
        return Running(int(await self._server.stdout.readline()), self._server.stdout, output)

    async def run(self, environ: Mapping[str, str], *words: str) -> Ended:
        """Run a command line to its end."""
        return await (await self.start(environ, *words)).end()


@asynccontextmanager
async def open_forks(folder: Path) -> AsyncIterator[Forks]:
    """Yield a way to start commands; what they say goes into files of a folder."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.forks"),
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Forks(server, folder)
    finally:
        await server.communicate(b"")  # it ends with its stdin


@click.command(cls=WarehouseCommand)
@click.argument("symbols")
@click.argument("first", type=dt.date.fromisoformat)
@click.argument("last", type=dt.date.fromisoformat)
@click.argument("at", type=dt.datetime.fromisoformat, required=False)
@click.option("--concurrency", type=int, default=8)
@click.option("--retry-refused", is_flag=True)
def _hasty_backfill(
    symbols: str, first: dt.date, last: dt.date, at: dt.datetime | None, concurrency: int, retry_refused: bool
) -> None:
    """`ingest backfill` by somebody who soon gives up, and for whom it is another time if need be."""

    async def backfill() -> RunReport:
        async with open_pool(os.environ["DATABASE_URL"], Role.INGEST) as pool:
            return await run_backfill(
                pool,
                IngestSettings.from_environ(),
                universe=parse_universe(symbols),
                period=Period(first, last),
                now=lambda: at or utc_now(),
                retry_refused=retry_refused,
                concurrency=concurrency,
                patience=_HASTE,
            )

    failures = run(backfill()).failures()
    if failures:
        raise RunFailed(failures)


_COMMANDS: Mapping[str, Callable[[], object]] = {
    "archive": archive,
    "hasty-backfill": _hasty_backfill,
    "ingest": ingest,
    "project": project,
}


def _serve() -> None:
    exchange_calendar()
    for line in sys.stdin.buffer:
        job = msgspec.json.decode(line, type=Job)
        pid = os.fork()
        if pid == 0:
            _become(job)
            return
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(job: Job) -> None:
    os.environ.clear()
    os.environ.update(job.environ)
    os.chdir(job.environ["HOME"])
    for path, numbers in ((os.devnull, (0,)), (job.output, (1, 2))):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        for number in numbers:
            os.dup2(file, number)
        os.close(file)
    sys.argv = job.words
    _COMMANDS[job.words[0]]()


if __name__ == "__main__":
    _serve()
