"""What only the tests of the database room need: a command line that has no database of ours to go to."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path_environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a command line in an empty home, without any setting."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "WAREHOUSE_DATA": str(tmp_path / "never-made")}
