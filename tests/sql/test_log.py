"""The log of a process: one line an event, a stable name first, then its facts."""

import logging
import sys

import pytest

from sql.errors import InvalidSetting
from sql.log import FactFormatter, start_log


def _record(exc: BaseException | None = None, **facts: object) -> logging.LogRecord:
    raised = None if exc is None else (type(exc), exc, exc.__traceback__)
    record = logging.getLogger("made_up").makeRecord(
        "made_up", logging.INFO, __file__, 1, "made_up.happened", (), raised, extra=facts
    )
    assert isinstance(record, logging.LogRecord)
    return record


def test_facts_follow_the_name_of_the_event() -> None:
    assert FactFormatter("%(message)s").format(_record(ticker="BCpC", rows=3)) == "made_up.happened ticker=BCpC rows=3"


def test_an_event_without_facts_is_its_name_alone() -> None:
    assert FactFormatter("%(message)s").format(_record()) == "made_up.happened"


def test_the_chain_of_an_exception_stands_below_the_facts() -> None:
    try:
        int("no number")
    except ValueError as exc:
        text = FactFormatter("%(message)s").format(_record(exc, rows=3))
    first, *rest = text.splitlines()
    assert first == "made_up.happened rows=3"
    assert rest[-1] == "ValueError: invalid literal for int() with base 10: 'no number'"


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidSetting, match="LOG_LEVEL is 'loud': must be one of DEBUG, INFO, WARNING, ERROR"):
        start_log({"LOG_LEVEL": "loud"})


def test_the_log_goes_to_stderr_at_the_level_of_the_environment() -> None:
    start_log({"LOG_LEVEL": "warning"})
    root = logging.getLogger()
    assert root.level == logging.WARNING
    assert [getattr(handler, "stream", None) for handler in root.handlers] == [sys.stderr]
