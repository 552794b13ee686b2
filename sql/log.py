"""The log of a process: one line an event on stderr, a stable name first, then its facts as key=value."""

import logging
import os
import time
from collections.abc import Mapping

from sql.settings import read_setting

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_NOT_FACTS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class FactFormatter(logging.Formatter):
    """Append the facts of a record's `extra` to its message."""

    _second = -1
    _written = ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time of a record as logging writes it; a second is written once for all its records."""
        second = int(record.created)
        if second != self._second:
            self._second, self._written = second, time.strftime(self.default_time_format, self.converter(second))
        return f"{self._written},{int(record.msecs):03d}"

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, with the chain of its exception below where it has one."""
        text = super().format(record)
        facts = [f"{key}={value}" for key, value in vars(record).items() if key not in _NOT_FACTS]
        head, newline, rest = text.partition("\n")
        return " ".join([head, *facts]) + newline + rest


def start_log(environ: Mapping[str, str] = os.environ) -> None:
    """Log to stderr at LOG_LEVEL.

    Raises: InvalidSetting for a level that is none of DEBUG, INFO, WARNING, ERROR.
    """
    level = read_setting(environ, "LOG_LEVEL", "INFO", _level, f"must be one of {', '.join(_LEVELS)}")
    handler = logging.StreamHandler()
    handler.setFormatter(FactFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # No line of ours says where it was logged, by which thread or task: finding out takes as long as all the rest.
    # Source: the logging HOWTO, "Optimization".
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # What libraries say at INFO is not an event of ours.
    for library in ("asyncio", "apscheduler"):
        logging.getLogger(library).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # A lost connection is told in one line by whoever needs it. A pool would warn of it with a traceback, and asyncio
    # of everything that is still written to it.
    for library in ("asyncpg", "asyncio"):
        logging.getLogger(library).setLevel(logging.ERROR)


def _level(text: str) -> str:
    if text.upper() not in _LEVELS:
        raise ValueError(text)
    return text.upper()
