"""Commands of the product as processes that start at once: forked from one that has imported all of it already.

Each is a process of its own, as real and as killable as any, and leads a session of its own. Several may run at once.
Run as a module this is the process they are forked from, and its arguments are the commands it is to know: a job a line
on stdin; on stdout `begun PID` when one has begun, and `ended PID CODE` in the end, negative for a signal. It knows
nothing of what the commands do.
"""

import asyncio
import datetime as dt
import os
import selectors
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path

import click
import msgspec
from tenacity.wait import wait_none

from archive.calendar import exchange_calendar
from ingest.backfill import run_backfill
from ingest.errors import RunFailed
from ingest.options import utc_now
from ingest.patience import Patience
from ingest.period import Period
from ingest.report import RunReport
from ingest.settings import IngestSettings
from ingest.universe import parse_universe
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

    def __init__(self, pid: int, code: "asyncio.Future[int]", output: Path) -> None:
        self.pid = pid
        self._code, self._output = code, output

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._code.done()

    @property
    def said(self) -> str:
        """What it has said so far."""
        return self._output.read_text()

    def kill(self) -> None:
        """Send SIGKILL, if there is still somebody to get it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def kill_with_children(self) -> None:
        """Send SIGKILL to it and to what it has started, as far as that has no session of its own."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def end(self) -> Ended:
        """Wait until it has ended."""
        return Ended(await asyncio.shield(self._code), self.said)


class Forks:
    """Starts commands. Get one from `open_forks`."""

    def __init__(self, server: asyncio.subprocess.Process, folder: Path) -> None:
        self._server, self._folder = server, folder
        self._begun = 0
        self._starting = asyncio.Lock()
        self._pids: asyncio.Queue[int] = asyncio.Queue()
        self._codes: dict[int, asyncio.Future[int]] = {}
        self._listener = asyncio.create_task(self._listen())

    async def start(self, environ: Mapping[str, str], *words: str) -> Running:
        """Start a command line in the folder HOME of `environ`."""
        assert self._server.stdin is not None
        async with self._starting:
            self._begun += 1
            output = self._folder / f"{self._begun:05d}.log"
            output.touch()
            job = Job(list(words), environ, str(output))
            self._server.stdin.write(msgspec.json.encode(job) + b"\n")
            pid = await self._next_pid()
            return Running(pid, self._codes[pid], output)

    async def _next_pid(self) -> int:
        begun = asyncio.ensure_future(self._pids.get())
        await asyncio.wait({begun, self._listener}, return_when=asyncio.FIRST_COMPLETED)
        if not begun.done():
            begun.cancel()
            raise RuntimeError("the process that commands are forked from has ended; it has said why on stderr")
        return begun.result()

    async def run(self, environ: Mapping[str, str], *words: str) -> Ended:
        """Run a command line to its end."""
        return await (await self.start(environ, *words)).end()

    async def close(self) -> None:
        """Start nothing more: the process they are forked from ends."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        await self._listener
        await self._server.wait()

    async def _listen(self) -> None:
        assert self._server.stdout is not None
        loop = asyncio.get_running_loop()
        while line := (await self._server.stdout.readline()).split():
            if line[0] == b"begun":
                self._codes[int(line[1])] = loop.create_future()
                self._pids.put_nowait(int(line[1]))
            else:
                self._codes[int(line[1])].set_result(int(line[2]))


_KNOWN = {
    "api": "api.cli:api",
    "archive": "archive.cli:archive",
    "hasty-backfill": "tests.chaos.forks:_hasty_backfill",
    "ingest": "ingest.cli:ingest",
    "ops": "ops.cli:ops",
    "project": "project.cli:project",
}
USUAL = ("archive", "hasty-backfill", "ingest", "project")


@asynccontextmanager
async def open_forks(
    folder: Path, commands: Sequence[str] = USUAL, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Forks]:
    """Yield a way to start some commands; what they say goes into files of a folder, `environ` is for their parent."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.forks", *commands),
        cwd=_ROOT,
        env={**os.environ, **(environ or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    forks = Forks(server, folder)
    try:
        yield forks
    finally:
        await forks.close()


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


class _Parent:
    """The process that commands are forked from: it starts what stdin says, and tells on stdout how it ended."""

    def __init__(self, commands: Mapping[str, Callable[[], object]]) -> None:
        self._commands = commands
        self._woken, self._wakes = os.pipe()
        for end in (self._woken, self._wakes):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> Job | None:
        """Return, in the process of a command, the job that it is to do; None in the parent when stdin has ended."""
        stdin, unread = sys.stdin.fileno(), b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdin, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if self._woken in ready:
                    os.read(self._woken, 4096)
                    _tell_who_ended()
                if stdin not in ready:
                    continue
                if not (came := os.read(stdin, 65536)):
                    return None
                *lines, unread = (unread + came).split(b"\n")
                for line in lines:
                    job = msgspec.json.decode(line, type=Job)
                    pid = os.fork()
                    if pid == 0:
                        return job
                    print("begun", pid, flush=True)

    def become(self, job: Job) -> None:
        """Be the process of a command."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.environ.clear()
        os.environ.update(job.environ)
        os.chdir(job.environ["HOME"])
        for path, numbers in ((os.devnull, (0,)), (job.output, (1, 2))):
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            for number in numbers:
                os.dup2(file, number)
            os.close(file)
        for end in (self._woken, self._wakes):
            os.close(end)
        signal.signal(signal.SIGUSR1, lambda *_: _say_where())
        sys.argv = job.words
        self._commands[job.words[0]]()


def _say_where() -> None:
    """Say where each task waits, for whoever finds out why a command does not end."""
    for task in asyncio.all_tasks():
        task.print_stack()
        awaited = getattr(task.get_coro(), "cr_await", None)
        while awaited is not None:
            print("  awaits", awaited, file=sys.stderr)
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)


def _tell_who_ended() -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            print("ended", pid, os.waitstatus_to_exitcode(status), flush=True)


def _command(name: str) -> Callable[[], object]:
    module, _, attribute = _KNOWN[name].partition(":")
    found: Callable[[], object] = getattr(import_module(module), attribute)
    return found


if __name__ == "__main__":
    exchange_calendar()
    parent = _Parent({name: _command(name) for name in sys.argv[1:]})
    given = parent.serve()
    if given is not None:
        parent.become(given)
