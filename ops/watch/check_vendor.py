"""Whether the vendor takes our key: one real request through the normal path, so its answer is archived like any other.

The exchange's coming holidays are asked for: some kilobytes that every plan has. It is a run of its own in the ledger,
and asks nothing while another run fetches.
"""

import datetime as dt
from collections.abc import Callable

import asyncpg
import msgspec
from tenacity.wait import wait_fixed

from api.watch.check import Check
from archive.append import open_archiver
from archive.chain import seal_archive
from archive.payload import Request, Response
from archive.runs import finish_run, start_run
from ingest.assessments import open_assessment_log
from ingest.endpoints import holidays
from ingest.errors import (
    AnotherRunUnderWay,
    BeyondPlan,
    FetchError,
    InvalidKey,
    MadeUpMarket,
    NotArchived,
    NotEntitled,
    NotYet,
    VendorUnavailable,
)
from ingest.exchange import Exchange, open_exchange
from ingest.fetch import Fetcher
from ingest.limiter import Limiter
from ingest.one_market import require_one_market
from ingest.one_run import clear_database_errors, one_run_at_a_time
from ingest.patience import Patience
from ingest.settings import IngestSettings, VendorKey
from ingest.stop import Stop
from sql.connect import Role, open_pool
from sql.errors import DatabaseError

# Who asks is waiting, and what is slow today is to be told, not waited for.
PATIENCE = Patience(
    attempts=2,
    wait=wait_fixed(1),
    connect_s=5.0,
    silence_s=10.0,
    total_s=20.0,
    throttled_s=0.0,
    longest_pause_s=0.0,
)
_NAME, _KIND = "vendor_key", "doctor"
_TOO_MANY = 429

Now = Callable[[], dt.datetime]


class Asked(msgspec.Struct, frozen=True):
    """What came of asking. `response` is the vendor's last one, archived; None where there was none."""

    check: Check
    response: Response | None = None


class _Heard:
    """An exchange that remembers its last response."""

    def __init__(self, exchange: Exchange) -> None:
        self.base_url = exchange.base_url
        self.response: Response | None = None
        self._exchange = exchange

    async def get(self, request: Request) -> Response:
        self.response = await self._exchange.get(request)
        return self.response


def check_without_asking(settings: IngestSettings, why: str) -> Check:
    """Judge what can be known of the key without the vendor."""
    if settings.key is None:
        todo = "set POLYGON_API_KEY in the environment or in .env"
        return Check(_NAME, "failed", None, None, "no key is set, so nothing new can be fetched", todo)
    return Check(_NAME, "warn", None, None, f"a key is set; the vendor was not asked whether it takes it: {why}")


async def ask_vendor(url: str, settings: IngestSettings, now: Now, patience: Patience = PATIENCE) -> Asked:
    """Return whether the vendor takes the key; what it answered is archived and sealed."""
    if settings.key is None:
        return Asked(check_without_asking(settings, ""))
    try:
        async with open_pool(url, Role.INGEST) as pool, clear_database_errors(), one_run_at_a_time(pool):
            await require_one_market(pool, settings.base_url)
            return await _run(pool, settings, settings.key, now, patience)
    except MadeUpMarket as exc:
        return Asked(
            Check(
                _NAME, "failed", exc.held, settings.base_url, str(exc), "keep what is made up apart from what is real"
            )
        )
    except AnotherRunUnderWay:
        return Asked(check_without_asking(settings, "a run is fetching at this moment"))
    except DatabaseError as exc:
        return Asked(check_without_asking(settings, f"its answer could not be archived ({exc})"))


async def _run(pool: asyncpg.Pool, settings: IngestSettings, key: VendorKey, now: Now, patience: Patience) -> Asked:
    request = holidays()
    plan = {"requests": [request.target], "vendor_plan": settings.vendor_plan}
    run_id = await start_run(pool, _KIND, plan, now())
    async with (
        open_archiver(pool, run_id) as archiver,
        open_assessment_log(pool) as assessments,
        open_exchange(settings.base_url, key, now, patience) as exchange,
    ):
        heard = _Heard(exchange)
        limiter = Limiter(settings.rate_limit_per_minute)
        fetcher = Fetcher(heard, archiver, assessments, limiter, Stop(), patience)
        try:
            await fetcher.fetch(request)
            check = Check(_NAME, "ok", None, None, f"{settings.base_url} takes the key")
        except FetchError as exc:
            check = _refusal(exc, heard.response, settings.base_url)
    tally = fetcher.tally
    result = {
        "passed": check.status != "failed",
        "requests": tally.requests,
        "retries": tally.retries,
        "body_bytes": tally.body_bytes,
    }
    await finish_run(pool, run_id, _KIND, result, now())
    await seal_archive(pool, now())
    return Asked(check, heard.response)


def _refusal(exc: FetchError, response: Response | None, base_url: str) -> Check:
    value = None if response is None else response.http_status
    match exc:
        case InvalidKey():
            found, todo = f"the vendor refuses the key: {exc.why}", "put a key that is valid into POLYGON_API_KEY"
        case NotEntitled() | BeyondPlan() | NotYet():
            found = f"the key is known, but its plan is too small even for the holidays: {exc.why}"
            todo = "see the plan of the key in the vendor's dashboard"
        case NotArchived():
            found, todo = exc.why, "see the log of the database"
        case VendorUnavailable() if value == _TOO_MANY:
            found = f"the vendor was asked too often to say whether it takes the key: {exc.why}"
            return Check(_NAME, "warn", value, None, found, "wait a minute; RATE_LIMIT_PER_MINUTE must fit the plan")
        case VendorUnavailable():
            found, todo = f"{base_url}: {exc.why}", "is this machine online? If it is, the vendor is not: try later"
        case _:
            found, todo = f"what answers at {base_url} is not the vendor: {exc.why}", "see POLYGON_BASE_URL"
    return Check(_NAME, "failed", value, None, found, todo)
