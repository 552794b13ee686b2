"""Schemathesis against the live server: the OpenAPI document tells the truth, by every check that there is.

Every operation is asked with a few examples, and some of them, one in so many, with all the values at and beyond their
bounds, the methods they do not take and without the parameters they need. In the environment, SCHEMATHESIS_EXAMPLES
asks for more of the one, and SCHEMATHESIS_COVER_EVERY=1 for all of the other.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.api.served import Client

_EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "3")
_COVER_EVERY = int(os.environ.get("SCHEMATHESIS_COVER_EVERY", "12"))

_FOLDER = Path(__file__).parents[2]
_HOOKS = "tests.api.schemathesis_hooks"
_COMMAND = Path(sys.executable).parent / "schemathesis"


@pytest.fixture(scope="module")
async def paths(client: Client) -> list[str]:
    """Return the path of every operation but the document itself, which Schemathesis leaves out."""
    document = (await client.ask("/openapi.json")).json
    return sorted(set(document["paths"]) - {"/openapi.json"})


def _run(origin: str, folder: Path, *options: str) -> str:
    """Return what Schemathesis says when it finds nothing wrong."""
    run = subprocess.run(
        [
            _COMMAND,
            "run",
            f"{origin}/openapi.json",
            "--checks=all",
            "--generation-deterministic",
            "--continue-on-failure",
            "--workers=2",
            "--no-color",
            *options,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_FOLDER), "SCHEMATHESIS_HOOKS": _HOOKS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _assert_all_were_tested(said: str, paths: Sequence[str]) -> None:
    assert f"Tested: {len(paths)}\n" in said
    assert re.search(r"(\d+) generated, \1 passed", said)


async def test_what_the_document_says_of_each_operation_is_true(
    client: Client, paths: list[str], tmp_path: Path
) -> None:
    said = _run(client.origin, tmp_path, "--phases=examples,fuzzing", f"--max-examples={_EXAMPLES}")
    _assert_all_were_tested(said, paths)


async def test_what_the_document_says_is_true_at_and_beyond_every_bound(
    client: Client, paths: list[str], tmp_path: Path
) -> None:
    some = paths[::_COVER_EVERY]
    said = _run(client.origin, tmp_path, "--phases=coverage", *(f"--include-path={path}" for path in some))
    _assert_all_were_tested(said, some)
