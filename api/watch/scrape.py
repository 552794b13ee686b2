"""GET /metrics: what this server counts and how the warehouse is, as text for Prometheus.

It is text and no operation, so it stands in no OpenAPI document. A database that is away makes it shorter and no error.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from api.warehouse import warehouse_of
from api.watch.exposition import WarehouseMetrics
from api.watch.fresh import judge, watch_of
from api.watch.metrics import http_registry

_OPENMETRICS = "application/openmetrics-text"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Accept"}


async def metrics(request: Request) -> Response:
    """Answer with the metrics, as OpenMetrics to those who accept that."""
    warehouse, watch = warehouse_of(request), watch_of(request)
    facts, now = await watch.read(warehouse), warehouse.now()
    of_warehouse = WarehouseMetrics(facts, judge(facts, watch.settings, now), now)
    text, content_type = _encoded(_Both(http_registry(), of_warehouse), request.headers.get("accept", ""))
    return Response(text, headers={**_HEADERS, "Content-Type": content_type})


def metrics_routes() -> list[BaseRoute]:
    """Return the route of the metrics."""
    return [Route("/metrics", metrics, methods=["GET"], include_in_schema=False)]


class _Both(Collector):
    """What is counted here, then what the warehouse is like."""

    def __init__(self, counted: CollectorRegistry, warehouse: Collector) -> None:
        self.counted, self.warehouse = counted, warehouse

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of both."""
        yield from self.counted.collect()
        yield from self.warehouse.collect()


def _encoded(collector: Collector, accept: str) -> tuple[bytes, str]:
    # Not by choose_encoder, which fails on a version that is no number.
    if _OPENMETRICS in accept:
        text: bytes = openmetrics.generate_latest(collector)  # type: ignore[no-untyped-call]
        return text, openmetrics.CONTENT_TYPE_LATEST
    return exposition.generate_latest(collector), exposition.CONTENT_TYPE_PLAIN_0_0_4
