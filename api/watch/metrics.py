"""What this process counts of the requests it answers, for Prometheus. It knows no database and no route by name.

Where PROMETHEUS_MULTIPROC_DIR is set before this module is imported, several processes count into files of that folder,
and whichever of them is asked tells the sum of all. Labels are bounded: the route is a template, never a path.
"""

import os
from functools import cache

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import Scope

UNMATCHED = "unmatched"
_SEVERAL = "PROMETHEUS_MULTIPROC_DIR"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# When each series began is nothing that a scrape needs to carry.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

_OWN = CollectorRegistry()
REQUESTS = Counter(
    "http_requests_total",
    "Requests answered; status 0 where the caller went away before an answer.",
    ("route", "method", "status"),
    registry=_OWN,
)
LATENCY = Histogram(
    "http_request_duration_seconds",
    "From the request to the last byte of the answer.",
    ("route",),
    buckets=_BUCKETS_S,
    registry=_OWN,
)
SENT = Counter("http_response_bytes_total", "Bytes of the bodies of answers.", ("route",), registry=_OWN)
IN_PROGRESS = Gauge(
    "http_requests_in_progress", "Requests under way at this moment.", registry=_OWN, multiprocess_mode="livesum"
)
CACHE_LOOKUPS = Counter(
    "cache_lookups_total", "Answers looked for in memory, by outcome: hit or miss.", ("outcome",), registry=_OWN
)
_HIT, _MISS = CACHE_LOOKUPS.labels("hit"), CACHE_LOOKUPS.labels("miss")

if _SEVERAL not in os.environ:
    ProcessCollector(registry=_OWN)


def count_cache(hit: bool) -> None:
    """Count a look-up in the memory of answers."""
    (_HIT if hit else _MISS).inc()


def count_request(route: str, method: str, status: int, elapsed_s: float, body_bytes: int) -> None:
    """Count a request that has ended."""
    latency, sent = _of_route(route)
    _requests(route, method if method in _METHODS else "other", status).inc()
    latency.observe(elapsed_s)
    sent.inc(body_bytes)


def route_of(scope: Scope) -> str:
    """Return the template of the route that took a request, one word for all that none took."""
    path: str = getattr(scope.get("route"), "path", UNMATCHED)
    return path


def http_registry() -> CollectorRegistry:
    """Return a registry with the metrics of this process or, where several share a folder, of all of them."""
    if _SEVERAL not in os.environ:
        return _OWN
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


# Both caches are as bounded as the labels are; what they hold costs more to find anew than to count.
@cache
def _of_route(route: str) -> tuple[Histogram, Counter]:
    return LATENCY.labels(route), SENT.labels(route)


@cache
def _requests(route: str, method: str, status: int) -> Counter:
    return REQUESTS.labels(route, method, str(status))
