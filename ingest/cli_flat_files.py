"""`ingest flat-files`: fetch a session's bars as files, from a folder or an S3-compatible bucket."""

import datetime as dt
import functools

import click

from ingest.flat.run import run_flat_files
from ingest.flat.settings import FlatFilesSettings
from ingest.flat.source import EXPECTED, Bucket, Folder, parse_source, shown
from ingest.options import end_with, from_option, period_of, stoppable, to_option, utc_now, with_pool
from ingest.period import Period
from ingest.progress import show_progress
from ingest.stop import Stop
from ingest.universe import WHOLE_MARKET
from sql.command import WarehouseCommand, json_option


def _as_source(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Bucket | Folder | None:
    try:
        return None if text is None else parse_source(text)
    except ValueError as exc:
        raise click.BadParameter(f"{shown(text or '')!r} {EXPECTED}") from exc


@click.command(cls=WarehouseCommand)
@click.argument("source", required=False, callback=_as_source)
@from_option
@to_option
@json_option
def flat_files(source: Bucket | Folder | None, first: dt.date | None, last: dt.date | None, as_json: bool) -> None:
    """Fetch the flat files of sessions that the archive lacks; safe to kill and to run again.

    SOURCE is a folder of YYYY-MM-DD.csv.gz (in the bucket's layout or all in one place), or the URL of an
    S3-compatible bucket, https://host[:port]/bucket[/prefix]. Default: FLAT_FILES, else the vendor's own bucket. A
    bucket is asked with FLAT_FILES_KEY_ID, FLAT_FILES_SECRET and FLAT_FILES_REGION. Of a folder, --from and --to are
    by default its oldest and its newest file.
    """
    settings = FlatFilesSettings.from_environ(source)
    period = _period(settings.source, first, last)
    stop = Stop()
    job = functools.partial(
        run_flat_files, settings=settings, period=period, now=utc_now, stop=stop, progress=show_progress
    )
    report = with_pool(lambda pool: stoppable(job(pool), stop))
    end_with(report, WHOLE_MARKET, as_json=as_json)


def _period(source: Bucket | Folder, first: dt.date | None, last: dt.date | None) -> Period:
    """Return the period that was asked for, a folder's own by default."""
    if isinstance(source, Folder):
        return period_of(first or min(source.files), last or max(source.files))
    return period_of(first, last)
