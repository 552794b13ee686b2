"""`ingest runs` and `ingest runs show`: what ran, what it cost, how it ended. They only read."""

import click
import msgspec

from ingest.ledger import read_ledger, read_run
from ingest.options import with_pool
from ingest.show_runs import print_run, print_runs
from sql.command import WarehouseCommand, WarehouseGroup, json_option, print_json


@click.group(cls=WarehouseGroup, invoke_without_command=True)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
@click.option("--kind", help="Only runs of this kind: backfill, nightly ...")
@json_option
@click.pass_context
def runs(context: click.Context, limit: int, kind: str | None, as_json: bool) -> None:
    """List the runs that started last, newest first: what each was to do, what it cost, how it ended."""
    if context.invoked_subcommand is not None:
        return
    summaries = [summary for _, summary in with_pool(lambda pool: read_ledger(pool, limit, kind))]
    if as_json:
        print_json(summaries)
    else:
        print_runs(summaries, kind)


@runs.command(cls=WarehouseCommand)
@click.argument("run_id", metavar="ID")
@json_option
def show(run_id: str, as_json: bool) -> None:
    """Show the run whose id is ID, or begins with it (4 digits or more): its plan, and how each part of it ended."""
    run, summary = with_pool(lambda pool: read_run(pool, run_id))
    if as_json:
        whole = {"finished_at": run.finished_at, "plan": run.plan, "result": run.result}
        print_json(msgspec.structs.asdict(summary) | whole)
    else:
        print_run(run, summary)
