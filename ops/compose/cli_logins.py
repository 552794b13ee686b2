"""`ops logins`: a user of the database for each job, with the rights of that job only."""

import click

from ops.compose.logins import JOBS, PREFIX, Login, make_logins, read_passwords
from sql.command import WarehouseCommand, json_option, print_json, print_table, ready_database, run
from sql.connect import open_owner


@click.command(cls=WarehouseCommand)
@click.argument("jobs", nargs=-1, type=click.Choice(tuple(JOBS)))
@click.option(
    "--prefix",
    default=PREFIX,
    show_default=True,
    metavar="TEXT",
    help="What their names begin with: logins belong to the whole server, so another warehouse there needs another.",
)
@json_option
def logins(jobs: tuple[str, ...], prefix: str, as_json: bool) -> None:
    """Make or update the database logins of JOBS (default: all) and say what each may do; safe to run again.

    As the database's owner. Passwords come from WAREHOUSE_INGEST_PASSWORD, WAREHOUSE_PROJECT_PASSWORD,
    WAREHOUSE_READ_PASSWORD (api) and WAREHOUSE_BACKUP_PASSWORD; the database is told a SCRAM verifier of each. Nobody
    but the roles of the warehouse may connect to the database from then on.
    """
    passwords = read_passwords([JOBS[name] for name in dict.fromkeys(jobs or JOBS)])
    made = run(_make(passwords, prefix))
    if as_json:
        print_json(made)
    else:
        print_table("logins", ("login", "role", "may", "for"), [(m.login, m.role, m.may, m.commands) for m in made])


async def _make(passwords: dict[str, str], prefix: str) -> list[Login]:
    async with open_owner(await ready_database()) as owner:
        return await make_logins(owner, passwords, prefix)
