"""`ingest spot-check`: a sample of projected closes beside those of a second source."""

import datetime as dt
import math
from pathlib import Path

import click

from ingest.errors import ClosesApart, NothingCompared
from ingest.options import utc_now
from ingest.show import counted
from ingest.spot.check import Band, SpotCheck
from ingest.spot.csv_bars import CsvFolder
from ingest.spot.run import Wish, run_spot_check
from ingest.spot.second_source import SecondSource
from ingest.spot.yahoo import open_yahoo
from sql.command import WarehouseCommand, json_option, print_json, print_table, ready_database, run
from sql.connect import Role, open_pool

_DATE = click.DateTime(formats=["%Y-%m-%d"])
_NAMES = {
    Band.WITHIN_0_2: "within 0.2 %",
    Band.TO_1: "0.2 to 1 %",
    Band.TO_5: "1 to 5 %",
    Band.ABOVE_5: "above 5 %",
}


@click.command("spot-check", cls=WarehouseCommand)
@click.option("--sample", type=click.IntRange(min=1), default=15, show_default=True, help="How many symbols.")
@click.option(
    "--against",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="A folder of SYMBOL.csv with the columns date and close. Default: Yahoo (needs the extra `spotcheck`).",
)
@click.option(
    "--adjusted",
    type=click.Choice(["none", "splits"]),
    help="Whether the folder's closes are as traded or restated for splits up to today.  [default: none]",
)
@click.option("--from", "first", type=_DATE, metavar="DATE", help="First date. Default: 30 sessions up to the last.")
@click.option("--to", "last", type=_DATE, metavar="DATE", help="Last date. Default: the newest session projected.")
@click.option("--seed", type=int, help="Draws the sample. Default: today's date, so that each day looks at others.")
@click.option(
    "--worst",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    metavar="PERCENT",
    help="How many of the closes compared may differ by more than 1 %.",
)
@json_option
def spot_check(
    sample: int,
    folder: Path | None,
    adjusted: str | None,
    first: dt.datetime | None,
    last: dt.datetime | None,
    seed: int | None,
    worst: float,
    as_json: bool,
) -> None:
    """Compare closes of a random sample of symbols with a second source; exit 1 if too many differ."""
    if adjusted is not None and folder is None:
        raise click.UsageError("--adjusted is about the folder of --against; what Yahoo sends is known")
    if math.isnan(worst):
        raise click.BadParameter("'nan' is no share", param_hint="--worst")
    if first is not None and last is not None and first > last:
        raise click.UsageError(f"the period begins on {first.date()} and ends on {last.date()}, before it begins")
    source = open_yahoo() if folder is None else CsvFolder(folder, split_adjusted=adjusted == "splits")
    wish = Wish(sample, first and first.date(), last and last.date(), seed, worst)
    found = run(_spot_check(source, wish))
    if as_json:
        print_json(found)
    elif found.compared:
        _print_spot_check(found)
    if found.far_percent is None:
        raise NothingCompared("the second source has no positive close where we have one", found.failures())
    if not found.passed:
        raise ClosesApart(found.far_percent, found.compared, worst)


async def _spot_check(source: SecondSource, wish: Wish) -> SpotCheck:
    url = await ready_database()
    async with open_pool(url, Role.READ, size=1) as read_pool, open_pool(url, Role.INGEST) as ingest_pool:
        return await run_spot_check(ingest_pool, read_pool, source, wish, utc_now)


def _print_spot_check(found: SpotCheck) -> None:
    asked = found.asked
    shares = "as traded" if asked.as_of is None else f"in shares of {asked.as_of}"
    click.echo(
        f"{counted(len(asked.symbols), 'symbol')} against {asked.source}, {asked.first} to {asked.last}, {shares} "
        f"(--seed {asked.seed})"
    )
    rows = [(_NAMES[band], count, 100 * count / found.compared) for band, count in found.bands.items()]
    print_table("how far apart", ("difference", "closes", "%"), rows)
    click.echo(
        f"{counted(found.compared, 'close')} compared; {counted(found.they_lack, 'session')} only we have, "
        f"{found.we_lack:,} only {asked.source} has; {found.not_comparable:,} where it has no positive close"
    )
    for symbol, why in found.failures().items():
        click.echo(f"{symbol}: nothing from {asked.source}: {why}")
    if asked.nameless:
        more = " ..." if asked.nameless > len(asked.named_nameless) else ""
        click.echo(
            f"not comparable, {asked.source} has no name for them that we know: {asked.nameless:,} of "
            f"{counted(asked.candidates, 'symbol')} ({', '.join(asked.named_nameless)}{more})"
        )
    if found.worst:
        columns = ("symbol", "session", "ours", "theirs", "difference %", "validated")
        worst = [
            (each.symbol, each.session, f"{each.ours:.10g}", f"{each.theirs:.10g}", each.percent, each.validated)
            for each in found.worst
        ]
        print_table("the largest differences", columns, worst)
