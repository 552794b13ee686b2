"""`ops watch`: say whether the warehouse is looked after, and tell somebody when it is not; by the hour, from cron."""

import asyncio

import click

from api.watch.settings import WatchSettings
from ops.watch.check_units import check_units, heard_of, unit_states, units_told_of
from ops.watch.errors import InTrouble
from ops.watch.look import look
from ops.watch.settings import AlertSettings, SafeguardSettings
from ops.watch.show import print_checks
from ops.watch.told import read_told, told_file
from ops.watch.watch import announce, send_test
from project.options import utc_now
from sql.command import WarehouseCommand, json_option, print_json
from sql.settings import DatabaseSettings


@click.command(cls=WarehouseCommand)
@click.option("--test", "is_test", is_flag=True, help="Only send a test message, and look at nothing.")
@json_option
def watch(is_test: bool, as_json: bool) -> None:
    """Look whether nightly, backup, scrub and drill happened and went well, and tell somebody if not.

    Trouble is told through ALERT_URL and ALERT_COMMAND, once a day while it lasts, and once when it is over;
    HEARTBEAT_URL is called where all is well. Exit 1 while there is trouble. systemd and `ops cron` call it when
    something failed, and say what in MONITOR_UNIT.
    """
    alert, database = AlertSettings.from_environ(), DatabaseSettings.from_environ()
    if is_test:
        delivered = asyncio.run(send_test(alert, database, utc_now()))
        click.echo(f"the test message was delivered ({delivered} of {delivered})")
        return
    fresh, safeguards = WatchSettings.from_environ(), SafeguardSettings.from_environ()
    told, heard = told_file(database), heard_of()
    checks = [*asyncio.run(look(database, fresh, safeguards, utc_now))]
    before = read_told(told)
    checks += check_units(heard, before, checks, utc_now(), unit_states(units_told_of(before)))
    if as_json:
        print_json(checks)
    else:
        print_checks(checks)
    asyncio.run(announce(checks, alert, database, told, utc_now(), heard=None if heard is None else heard.unit))
    failed = [check.name for check in checks if check.status == "failed"]
    if failed:
        raise InTrouble(failed)
