"""The processes that a test has started; one may end between being listed and being looked at."""

from contextlib import suppress

import psutil


def command_line(process: psutil.Process) -> list[str]:
    """Return the words of a process's command line; none where it has ended."""
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def children_running(word: str, parent: psutil.Process | None = None) -> list[psutil.Process]:
    """Return the living descendants of a process, of this one by default, that have a word in their command line."""
    return [each for each in (parent or psutil.Process()).children(recursive=True) if word in command_line(each)]
