"""The `api` command: serve the projection, which it only ever reads; and the keys of those who may ask."""

import click
import msgspec

from api.access.cli_keys import keys
from api.serve import run_serving, serve
from api.settings import ApiSettings
from sql.command import WarehouseGroup, ready_database


@click.group(cls=WarehouseGroup, invoke_without_command=True)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the port; one for each core is as many as help.",
)
@click.option("--require-keys", is_flag=True, help="Ask everybody for a key, on this machine too (API_REQUIRE_KEYS).")
@click.option(
    "--trust-network",
    is_flag=True,
    help="Listen at an address that other machines can reach, though nobody is asked for a key.",
)
@click.pass_context
def api(context: click.Context, workers: int, require_keys: bool, trust_network: bool) -> None:
    """Serve the warehouse over HTTP at API_HOST (127.0.0.1) and API_PORT (8000) until interrupted."""
    if context.invoked_subcommand is not None:
        return
    settings = ApiSettings.from_environ()
    if require_keys:
        settings = msgspec.structs.replace(settings, require_keys=True)
    run_serving(_serve(settings, trust_network, workers))


async def _serve(settings: ApiSettings, trust_network: bool, workers: int) -> None:
    await serve(await ready_database(), settings, trust_network=trust_network, workers=workers)


api.add_command(keys)
