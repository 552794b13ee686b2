"""How far a run is: a bar with rate and ETA on a terminal, a log line about every tenth of the way elsewhere.

It only shows; nothing depends on it. While the bar is up, log lines are printed above it.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from ingest.fetch import Tally

_LOG = logging.getLogger("ingest")

StepDone = Callable[[], None]
ShowProgress = Callable[[int, Tally], AbstractContextManager[StepDone]]


@contextmanager
def no_progress(total: int, tally: Tally) -> Iterator[StepDone]:
    """Show nothing."""
    yield lambda: None


def show_progress(total: int, tally: Tally) -> AbstractContextManager[StepDone]:
    """Show how many of `total` steps are done, and the rate of requests and bytes; call what is given per step."""
    console = Console(stderr=True)
    return _bar(console, total, tally) if console.is_terminal else _lines(total, tally)


class _RateColumn(ProgressColumn):
    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def render(self, task: Task) -> Text:
        elapsed_s = max(task.elapsed or 0.0, 0.001)
        rate = self._tally.requests / elapsed_s
        return Text(
            f"{_rate(rate)} {decimal(self._tally.body_bytes)} ({decimal(int(self._tally.body_bytes / elapsed_s))}/s)"
        )


@contextmanager
def _bar(console: Console, total: int, tally: Tally) -> Iterator[StepDone]:
    columns = (
        TextColumn("ingest"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(tally),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, redirect_stdout=False) as bar, _log_above():
        task = bar.add_task("ingest", total=total)
        yield lambda: bar.advance(task)


@contextmanager
def _log_above() -> Iterator[None]:
    """Let log handlers write to what rich made of stderr, which prints above the bar."""
    moved = [
        (handler, handler.setStream(sys.stderr))
        for handler in logging.getLogger().handlers
        if type(handler) is logging.StreamHandler
    ]
    try:
        yield
    finally:
        for handler, stream in moved:
            if stream is not None:
                handler.setStream(stream)


@contextmanager
def _lines(total: int, tally: Tally) -> Iterator[StepDone]:
    started = time.monotonic()
    done = 0

    def step_done() -> None:
        nonlocal done
        done += 1
        if done * 10 // total == (done - 1) * 10 // total:
            return
        elapsed_s = max(time.monotonic() - started, 0.001)
        facts = {
            "done": done,
            "total": total,
            "requests": tally.requests,
            "body_bytes": tally.body_bytes,
            "rate": _rate(tally.requests / elapsed_s),
            "eta_s": round(elapsed_s / done * (total - done)),
        }
        _LOG.info("ingest.progress", extra=facts)

    yield step_done


def _rate(per_s: float) -> str:
    return f"{per_s:.1f}/s" if per_s >= 1 else f"{per_s * 60:.1f}/min"
