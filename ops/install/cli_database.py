"""`ops database`: the embedded server as a service of its own."""

import functools

import click

from ingest.options import stoppable
from ingest.stop import Stop
from ops.install.hold_database import hold_database
from ops.install.notify import tell_systemd
from sql.command import WarehouseCommand, run
from sql.errors import Misuse
from sql.settings import DatabaseSettings


@click.command(cls=WarehouseCommand)
def database() -> None:
    """Start the embedded PostgreSQL server of WAREHOUSE_DATA and hold it until SIGTERM, which stops it.

    Other commands start it by themselves, and the last of them stops it; this is for services, which must not own it.
    """
    settings = DatabaseSettings.from_environ()
    if settings.url is not None:
        raise Misuse("DATABASE_URL is set, so that there is no embedded server to hold: unset it for this command")
    stop = Stop()
    run(stoppable(hold_database(settings.folder, stop, functools.partial(tell_systemd, "READY=1")), stop))
