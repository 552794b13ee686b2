"""A console command as a person runs it: a process of its own, in an empty folder, with nothing of ours imported."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def console_command(name: str) -> str:
    """Return the path of an installed console command."""
    return str(Path(sys.executable).with_name(name))


def run_command(
    environ: Mapping[str, str], name: str, *arguments: str, **settings: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end in the folder HOME of `environ`; `settings` are added to its environment."""
    return subprocess.run(
        [console_command(name), *arguments],
        env={**environ, **settings},
        cwd=environ["HOME"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )


def complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the one line on stderr with which a command failed; it must be the only one, and stdout empty."""
    assert done.returncode in (1, 2), (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, done.stderr.decode()
    assert lines[0].startswith("error: ")
    assert done.stdout == b""
    return lines[0]
