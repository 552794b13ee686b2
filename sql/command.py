"""What every command of the warehouse does around its job: settings file, log, clear errors, exit codes, JSON.

Exit codes: 0 done, 1 failed, 2 misused. Facts go to stdout, the log and errors to stderr.
"""

import asyncio
import datetime as dt
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import click
import msgspec
from dotenv import find_dotenv, load_dotenv
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sql.connect import database_url, open_owner
from sql.errors import SERVER_FAILED, Misuse, WarehouseError, is_connection_lost
from sql.log import start_log
from sql.migrate import migrate
from sql.settings import DatabaseSettings
from sql.timescale import enable_timescale, let_jobs_run

T = TypeVar("T")
_UNFOLDED = 400

json_option = click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")


class WarehouseCommand(click.Command):
    """A command whose own errors become one line on stderr and the right exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line, with the `.env` file of the folder read and the log started first."""
        try:
            _read_settings_file()
            start_log()
            sys.exit(super().main(*args, **kwargs | {"standalone_mode": False}))
        except click.exceptions.NoArgsIsHelpError as exc:
            exc.show()
            sys.exit(exc.exit_code)
        except click.ClickException as exc:
            _fail(exc.format_message(), code=exc.exit_code)
        except Misuse as exc:
            _fail(str(exc), code=2)
        except WarehouseError as exc:
            _fail(str(exc), code=1)
        except SERVER_FAILED as exc:
            _fail(f"the database cannot do its work: {exc.args[0]} ({type(exc).__name__}); its log says more", code=1)
        except click.Abort:
            sys.exit(130)
        except Exception as exc:
            if not is_connection_lost(exc):
                raise
            _fail(f"the database went away in the middle ({type(exc).__name__}); run the command again", code=1)


class WarehouseGroup(WarehouseCommand, click.Group):
    """A group of such commands."""


def _read_settings_file() -> None:
    name = find_dotenv(usecwd=True)
    try:
        load_dotenv(name)
    except (OSError, UnicodeDecodeError) as exc:
        raise Misuse(f"settings file {name} cannot be read ({type(exc).__name__})") from exc


def _fail(message: str, code: int) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(code)


def run(job: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end and return what it returns."""
    return asyncio.run(job)


async def ready_database() -> str:
    """Return the URL of a database that is up and migrated, starting the embedded one where no URL is set.

    Raises: DatabaseError and what hangs under it.
    """
    url = await asyncio.to_thread(database_url, DatabaseSettings.from_environ())
    async with open_owner(url) as owner:
        await enable_timescale(owner)
        await migrate(owner)
        await let_jobs_run(owner)
    return url


def print_json(facts: object) -> None:
    """Print facts as one JSON document on stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows as a table on stdout; numbers stand on the right, whole ones with thousands separators."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))  # a vendor's text may look like markup
    # In a file or a pipe nothing is folded: a line there is as long as it needs to be.
    console = Console() if sys.stdout.isatty() else Console(width=_UNFOLDED)
    console.print(table)


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.2f}"
        case dt.datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case _:
            return str(value)
