"""The vendor without its wire: a request's path, query and key in, the reply out, by plan and clock.

Benchmarks that want payloads and no HTTP ask here. It must not know connections, compression or transport faults.
"""

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from tests.fake_polygon.aggregates import Aggregates
from tests.fake_polygon.ask import Ask, Reply, Twist, uncursored
from tests.fake_polygon.body import Body
from tests.fake_polygon.directory import Directory
from tests.fake_polygon.market import Market
from tests.fake_polygon.plan import CallMeter, Plan
from tests.fake_polygon.reference import Reference
from tests.fake_polygon.refusals import NO_KEY, NOT_ENTITLED, TOO_MANY, UNKNOWN_KEY, Refusal, refusal_body
from tests.fake_polygon.routes import UNKNOWN, route


def utc_now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


class Vendor:
    """Answers requests for one market under one plan; both `plan` and `page_rows` may be changed at any time.

    `page_rows` caps the rows of a page per kind of request. `base` is what every next_url begins with.
    """

    def __init__(
        self,
        market: Market,
        *,
        key: str,
        plan: Plan,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        page_rows: Mapping[str, int] | None = None,
        base: str = "",
        seed: int = 0,
    ) -> None:
        self.plan = plan
        self.page_rows = dict(page_rows or {})
        self.base = base
        self._key = key
        self._clock = clock
        self._monotonic = monotonic
        self._meter = CallMeter()
        self._ids = random.Random(seed)
        aggregates, reference, directory = Aggregates(market), Reference(market), Directory(market)
        self._answers: Mapping[str, Callable[[Ask], Reply]] = {
            "range": aggregates.range,
            "grouped": aggregates.grouped,
            "prev": aggregates.prev,
            "open_close": aggregates.open_close,
            "splits": reference.splits,
            "dividends": reference.dividends,
            "stocks_splits": reference.stocks_splits,
            "stocks_dividends": reference.stocks_dividends,
            "tickers": directory.tickers,
            "ticker": directory.ticker,
            "events": directory.events,
            "status_now": directory.status_now,
            "holidays": directory.holidays,
        }

    def request_id(self) -> str:
        """Return the next request_id."""
        return f"{self._ids.getrandbits(128):032x}"

    def answer(
        self, raw_path: str, query: Mapping[str, str], authorization: str | None, twist: Twist | None = None
    ) -> Reply:
        """Return the reply to a request; `raw_path` is percent-encoded as sent."""
        request_id = self.request_id()
        try:
            self._admit(query, authorization)
            return self._answer(raw_path, query, request_id, twist)
        except Refusal as refusal:
            body = Body(refusal_body(refusal.status, refusal.text, request_id))
            return Reply(refusal.status, body, b"", request_id, retry_after_s=refusal.retry_after_s)

    def _admit(self, query: Mapping[str, str], authorization: str | None) -> None:
        scheme, _, sent = (authorization or "").partition(" ")
        key = sent.strip() if scheme.lower() == "bearer" else query.get("apiKey")
        if not key:
            raise Refusal(401, NO_KEY)
        if key != self._key:
            raise Refusal(401, UNKNOWN_KEY)
        wait_s = self._meter.wait_s(self.plan, self._monotonic())
        if wait_s > 0:
            retry_after_s = max(1, round(wait_s + 0.5)) if self.plan.retry_after else None
            raise Refusal(429, TOO_MANY, retry_after_s=retry_after_s)

    def _answer(self, raw_path: str, query: Mapping[str, str], request_id: str, twist: Twist | None) -> Reply:
        kind, names = route(raw_path)
        if kind == UNKNOWN or kind in self.plan.absent:
            return Reply(404, Body(b"404 page not found"), b"", request_id, content_type="text/plain")
        if kind in self.plan.refused:
            raise Refusal(403, NOT_ENTITLED)
        ask = Ask(
            kind=kind,
            names=names,
            query=uncursored(query),
            plan=self.plan,
            as_of=self._clock() - timedelta(seconds=self.plan.delay_s),
            request_id=request_id,
            base=self.base,
            page_rows=self.page_rows.get(kind),
            twist=twist,
        )
        return self._answers[kind](ask)
