"""Schemathesis against the live server: the OpenAPI document tells the truth, by every check that there is.

SCHEMATHESIS_EXAMPLES in the environment asks for more examples of each operation, SCHEMATHESIS_PHASES for other phases
than the quick ones: examples, coverage, fuzzing, stateful.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.api.served import Client

_EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "5")
_PHASES = os.environ.get("SCHEMATHESIS_PHASES", "examples,fuzzing")
_HOOKS = "tests.api.schemathesis_hooks"
_FOLDER = Path(__file__).parents[2]
_COMMAND = Path(sys.executable).parent / "schemathesis"


async def test_the_document_tells_the_truth(client: Client, tmp_path: Path) -> None:
    paths = (await client.ask("/openapi.json")).json["paths"]
    run = subprocess.run(
        [
            _COMMAND,
            "run",
            f"{client.origin}/openapi.json",
            "--checks=all",
            f"--phases={_PHASES}",
            f"--max-examples={_EXAMPLES}",
            "--generation-deterministic",
            "--continue-on-failure",
            "--workers=2",
            "--no-color",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(_FOLDER), "SCHEMATHESIS_HOOKS": _HOOKS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    # Each but the document itself, which it was told of.
    assert f"Tested: {len(paths) - 1}\n" in run.stdout
    assert re.search(r"(\d+) generated, \1 passed", run.stdout)
