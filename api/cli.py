"""The `api` command: serve the projection. It only ever reads."""

import click

from api.serve import serve
from api.settings import ApiSettings, require_loopback
from sql.command import WarehouseGroup, ready_database, run


@click.group(cls=WarehouseGroup, invoke_without_command=True)
@click.option(
    "--trust-network",
    is_flag=True,
    help="Listen at an address that other machines can reach, though nobody is asked for a key.",
)
@click.pass_context
def api(context: click.Context, trust_network: bool) -> None:
    """Serve the warehouse over HTTP at API_HOST (127.0.0.1) and API_PORT (8000) until interrupted."""
    if context.invoked_subcommand is not None:
        return
    settings = ApiSettings.from_environ()
    if not trust_network:
        # Before the database is started for nothing.
        require_loopback(settings)
    run(_serve(settings, trust_network))


async def _serve(settings: ApiSettings, trust_network: bool) -> None:
    await serve(await ready_database(), settings, trust_network=trust_network)
