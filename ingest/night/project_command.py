"""The `project` command, as a process of its own: how a night has projected what it fetched.

Ingest imports nothing of the projector. The archive and this command line are where they meet. So the login that
fetches need not have the projector's rights: PROJECT_DATABASE_URL, where set, is the DATABASE_URL of that process.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ingest.errors import ProjectFailed
from ingest.night.stop import NightStop
from sql.settings import read_postgres_url

Facts = dict[str, Any]
_FACTS = msgspec.json.Decoder(Facts)


def project_command() -> str:
    """Return the path of the `project` command: it is installed beside the command that is running."""
    return str(Path(sys.argv[0]).with_name("project"))


def project_environ(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of the `project` command: ours, with PROJECT_DATABASE_URL as its DATABASE_URL where set.

    Raises: InvalidSetting, without the value, when that is no URL of a postgres.
    """
    url = read_postgres_url(environ, "PROJECT_DATABASE_URL")
    return {**environ, "DATABASE_URL": url} if url else {**environ}


async def run_project(
    command: Sequence[str], stop: NightStop, *, read_facts: bool = False, environ: Mapping[str, str] | None = None
) -> Facts | None:
    """Run the `project` command to its end; what it says goes through, but the facts of `--json` if those are read.

    Without `environ` it has this process's environment.

    Raises: ProjectFailed; StopRequested when `stop` was asked for, once the command has ended.
    """
    stop.check()
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE if read_facts else None, env=environ
        )
    except OSError as exc:
        raise ProjectFailed(f"{command[0]} cannot be started ({exc.strerror})") from exc
    try:
        printed, _ = await stop.unless_asked(process.communicate())
    finally:
        if process.returncode is None:
            # It writes in transactions, so that it may end at any moment.
            process.terminate()
            await process.wait()
    if process.returncode:
        raise ProjectFailed(f"`project` ended {_how(process.returncode)}")
    return _facts(printed) if read_facts else None


def _how(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def _facts(printed: bytes) -> Facts:
    try:
        return _FACTS.decode(printed)
    except msgspec.DecodeError as exc:
        raise ProjectFailed("`project --json` printed no facts") from exc
