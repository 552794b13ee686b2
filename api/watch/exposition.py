"""Facts of the warehouse as metrics, named and with units as Prometheus wants them. It reads nothing itself."""

import datetime as dt
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from api.errors import RefusedRequest
from api.watch.facts import ArchiveFacts, Facts, LastRun, ProjectionFacts
from api.watch.fresh import Freshness
from api.watch.safeguards import Safeguard

_BUILD = {"version": version("market-data-warehouse"), "python": platform.python_version()}


class WarehouseMetrics(Collector):
    """The metrics of one scrape."""

    def __init__(self, facts: Facts | RefusedRequest, freshness: Freshness, now: dt.datetime) -> None:
        self.facts, self.freshness, self.now = facts, freshness, now

    def collect(self) -> Iterator[Metric]:
        """Yield what is known; what is not known is left out."""
        yield InfoMetricFamily("warehouse_build", "The software that answers.", _BUILD)
        is_up = isinstance(self.facts, Facts)
        yield _gauge("warehouse_up", "Whether the database answers.", is_up)
        yield _checks(self.freshness)
        if isinstance(self.facts, Facts):
            yield from _of_archive(self.facts.archive)
            yield from _of_runs(list(self.facts.archive.runs.values()))
            yield _of_safeguards(self.facts.archive.safeguards)
            yield from _of_lag(self.facts, self.now)
            projection = self.facts.projection
            is_readable = isinstance(projection, ProjectionFacts)
            yield _gauge("warehouse_projection_up", "Whether there is a projection that can be read.", is_readable)
            if isinstance(projection, ProjectionFacts):
                yield from _of_projection(projection)


def _checks(freshness: Freshness) -> Metric:
    family = GaugeMetricFamily("warehouse_fresh", "Each check of /fresh: 1 where it did not fail.", labels=("check",))
    for check in freshness.checks:
        family.add_metric((check.name,), check.status != "failed")
    return family


def _of_archive(archive: ArchiveFacts) -> Iterator[Metric]:
    yield _gauge("warehouse_archive_head", "The newest payload's archive_seq.", archive.head)
    # Numbers are given without gaps, from 1.
    yield _gauge("warehouse_archive_payloads", "Payloads in the archive.", archive.head)
    yield _gauge("warehouse_archive_body_bytes", "Bytes of the payloads' bodies, unpacked.", archive.body_bytes)
    yield _gauge("warehouse_archive_stored_bytes", "Bytes of the payloads' bodies, as stored.", archive.stored_bytes)
    yield _gauge("warehouse_archive_disk_bytes", "Bytes of the payload table and its indexes.", archive.disk_bytes)
    yield _gauge("warehouse_scheduler_running", "Whether a process fetches every night.", archive.is_scheduled)
    yield _gauge("warehouse_fetching", "Whether a run fetches at this moment.", archive.is_fetching)


def _of_runs(runs: list[LastRun]) -> Iterator[Metric]:
    started = _by_kind("started_timestamp_seconds", "When the last run of a kind started.")
    finished = _by_kind("finished_timestamp_seconds", "When the run of a kind that finished last did.")
    succeeded = _by_kind("succeeded", "Whether the run of a kind that finished last went well.")
    for run in runs:
        started.add_metric((run.kind,), run.started_at.timestamp())
        if run.ended_at is not None:
            finished.add_metric((run.kind,), run.ended_at.timestamp())
            succeeded.add_metric((run.kind,), bool(run.succeeded))
    yield from (started, finished, succeeded)


def _of_safeguards(safeguards: Mapping[str, Safeguard]) -> Metric:
    """Return what an age is counted from: `time() - warehouse_run_passed_timestamp_seconds`."""
    passed = _by_kind("passed_timestamp_seconds", "When one of a kind last ended well; no sample where none did.")
    for kind, safeguard in safeguards.items():
        if safeguard.passed_at is not None:
            passed.add_metric((kind,), safeguard.passed_at.timestamp())
    return passed


def _by_kind(what: str, help_text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"warehouse_run_{what}", help_text, labels=("kind",))


def _of_lag(facts: Facts, now: dt.datetime) -> Iterator[Metric]:
    oldest = facts.archive.oldest_waiting
    seconds = 0.0 if oldest is None else max((now - oldest).total_seconds(), 0.0)
    lag = facts.archive.head - facts.checkpoint
    yield _gauge("warehouse_projection_lag_payloads", "Payloads that are not projected yet.", lag)
    yield _gauge("warehouse_projection_lag_seconds", "Since the oldest of them was fetched.", seconds)


def _of_projection(projection: ProjectionFacts) -> Iterator[Metric]:
    generation, totals, due = projection.generation, projection.totals, projection.due
    info = {"ruleset": generation.ruleset_hash, "calendar": generation.calendar_version}
    yield InfoMetricFamily("warehouse_generation", "What the projection is a function of.", info)
    yield _gauge("warehouse_generation_built_timestamp_seconds", "When it was built.", generation.built_at.timestamp())
    yield _gauge("warehouse_projection_checkpoint", "The last payload that is projected.", generation.checkpoint)
    for name, help_text in _TOTALS:
        yield _gauge(f"warehouse_{name}", help_text, getattr(totals, name))
    flagged = GaugeMetricFamily("warehouse_bars_flagged", "Bars that failed a rule.", labels=("rule",))
    flagged.add_metric(("large_gap",), totals.gaps_flagged)
    flagged.add_metric(("volume_anomaly",), totals.volume_anomalies)
    yield flagged
    if totals.bars:
        ratio = totals.validated_bars / totals.bars
        yield _gauge("warehouse_validation_ratio", "Validated bars as a part of all.", ratio)
    if projection.newest is not None:
        yield _session("newest", "The newest session of any bar", projection.newest)
    if due is not None:
        yield _gauge("warehouse_sessions_missing", _MISSING, totals.missing)
        yield _session("due", "The newest session whose bars must be here by now", due.session)
        yield _gauge("warehouse_due_session_ratio", _SHARE, due.share)
        if due.behind is not None:
            yield _gauge("warehouse_sessions_behind", "Sessions after the newest, up to the one due.", due.behind)


_MISSING = "Sessions without a bar between a symbol's first and last bar, whatever the reason, over all symbols."
_SHARE = "Symbols that have the session which is due, as a part of those that had the one before."
_TOTALS = (
    ("symbols", "Symbols with at least one bar."),
    ("bars", "Bars."),
    ("validated_bars", "Validated bars."),
    ("revisions", "Values of bars that the vendor restated."),
    ("rejections", "Raw rows that could not be a bar, a split or a dividend."),
)


def _session(which: str, what: str, session: dt.date) -> Metric:
    midnight = dt.datetime.combine(session, dt.time(), dt.UTC).timestamp()
    return _gauge(f"warehouse_{which}_session_timestamp_seconds", f"{what}: 00:00 UTC of its date.", midnight)


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, float(value))
