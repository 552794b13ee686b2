"""Holding the embedded server: started by one process, up as long as that lives, stopped with it.

So that under systemd the server belongs to a unit of its own. It knows nothing of systemd.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from ingest.stop import Stop, StopRequested
from ops.install.errors import DatabaseStopped
from sql.embedded import is_running, start_embedded, stop_embedded

_LOG = logging.getLogger("ops")
_LOOK_S = 1.0


async def hold_database(folder: Path, stop: Stop, on_ready: Callable[[], None]) -> None:
    """Start the server of `folder`, say so, and stop it when asked to, whoever else uses it.

    Raises: EmbeddedServerError; DatabaseStopped when the server ends before that.
    """
    await asyncio.to_thread(start_embedded, folder)
    try:
        _LOG.info("ops.database_ready", extra={"folder": folder})
        on_ready()
        while is_running(folder):
            await stop.sleep(_LOOK_S)
        raise DatabaseStopped(folder)
    except StopRequested:
        _LOG.info("ops.database_stops", extra={"by": stop.why})
    finally:
        await asyncio.to_thread(stop_embedded, folder)
