"""What only the tests of the database room need: a command line that has no database of ours to go to, and a log that
is as it was after commands have run in this process.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path_environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a command line in an empty home, without any setting."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "WAREHOUSE_DATA": str(tmp_path / "never-made")}


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """Take away what a command has set up for its log: it goes to the stderr of its test alone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
