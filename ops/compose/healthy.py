"""Whether a service of docker-compose.yml does its job at this moment: what its health check asks, in its container.

It changes nothing and needs no more than the service's own login.
"""

import os
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from api.settings import ApiSettings
from archive.runs import lock_is_held
from ops.compose.errors import NotHealthy
from sql.connect import Role, open_pool

_SCHEDULER_LOCK = "warehouse.scheduler"
_ANSWER_WITHIN_S = 5.0
# Where keys are asked for, a server that refuses us for having none serves.
_SERVES = (200, 401)


async def require_scheduler(url: str) -> None:
    """Require that `ingest serve` holds its lock in the database: it is there, and knows of the next night.

    Raises: NotHealthy; DatabaseError.
    """
    async with open_pool(url, Role.INGEST, size=1) as pool:
        if not await lock_is_held(pool, _SCHEDULER_LOCK):
            raise NotHealthy("ingest", "no `ingest serve` holds the scheduler's lock in this database")


def require_api(settings: ApiSettings) -> None:
    """Require that the API answers /ready, asked at its port on this machine.

    Raises: NotHealthy.
    """
    connection = HTTPConnection("127.0.0.1", settings.port, timeout=_ANSWER_WITHIN_S)
    try:
        connection.request("GET", "/ready")
        status = connection.getresponse().status
    except (OSError, HTTPException) as exc:
        raise NotHealthy("api", f"nothing answers at port {settings.port} ({type(exc).__name__})") from exc
    finally:
        connection.close()
    if status not in _SERVES:
        raise NotHealthy("api", f"/ready at port {settings.port} answers {status}")


def require_folder(folder: Path) -> None:
    """Require that the folder of backups is one we may write in.

    Raises: NotHealthy.
    """
    if not os.access(f"{folder}/", os.W_OK | os.X_OK):
        raise NotHealthy("backup", f"{folder} is no folder that this user may write in")


async def require_backup_role(url: str) -> None:
    """Require that the database lets us in to back it up.

    Raises: DatabaseError.
    """
    async with open_pool(url, Role.BACKUP, size=1):
        pass
