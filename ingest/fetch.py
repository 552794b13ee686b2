"""One request to its answer: in its turn, archived before anyone looks at it, judged, and asked again where that helps.

Asked again is what the vendor may answer next time: 429, 5xx, timeouts, broken connections, bodies that are no answer.
Never another 4xx. Every failed try is archived like the answer. It knows nothing of plans.
"""

import datetime as dt
import email.utils
import logging
import time

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from archive.append import REFUSED, Archiver
from archive.payload import Request, Response
from ingest.assess import Assessment, Outcome, assess
from ingest.assessments import AssessmentLog
from ingest.errors import (
    BeyondPlan,
    FetchError,
    InvalidKey,
    NotAnAnswer,
    NotArchived,
    NotEntitled,
    NotFound,
    NotYet,
    Refused,
    VendorUnavailable,
    subject_of,
)
from ingest.exchange import NoResponse
from ingest.limiter import Limiter
from ingest.patience import Patience
from ingest.sender import Judge, Sender
from ingest.stop import Stop

_LOG = logging.getLogger("ingest")
_FINAL: dict[Outcome, type[FetchError]] = {
    Outcome.BAD_KEY: InvalidKey,
    Outcome.NOT_ENTITLED: NotEntitled,
    Outcome.NEVER: BeyondPlan,
    Outcome.NOT_YET: NotYet,
    Outcome.NOT_FOUND: NotFound,
    Outcome.REFUSED: Refused,
}


class Tally:
    """What a run has sent and received so far."""

    def __init__(self) -> None:
        self.requests = 0
        self.retries = 0
        self.body_bytes = 0


class Fetcher:
    """Fetches the requests of one run."""

    def __init__(
        self,
        exchange: Sender,
        archiver: Archiver,
        assessments: AssessmentLog,
        limiter: Limiter,
        stop: Stop,
        patience: Patience,
        judge: Judge = assess,
    ) -> None:
        self.base_url = exchange.base_url
        self.tally = Tally()
        self._exchange, self._archiver, self._assessments = exchange, archiver, assessments
        self._limiter, self._stop, self._patience, self._judge = limiter, stop, patience, judge

    async def fetch(self, request: Request) -> Assessment:
        """Return what the answer to a request is, once it is archived.

        Raises: a FetchError when there is no answer; StopRequested when the run is to end before there is one.
        """
        tries = AsyncRetrying(
            stop=stop_after_attempt(self._patience.attempts),
            wait=self._wait_s,
            retry=retry_if_exception_type((VendorUnavailable, NotAnAnswer)),
            before_sleep=self._log_retry,
            sleep=self._stop.sleep,
            reraise=True,
        )
        async for attempt in tries:
            with attempt:
                return await self._try(request, attempt.retry_state.attempt_number)
        raise AssertionError("tenacity ends with an answer or an error")

    async def _try(self, request: Request, number: int) -> Assessment:
        await self._limiter.turn()
        self._stop.check()
        self.tally.requests += 1
        self.tally.retries += number > 1
        started = time.monotonic()
        try:
            response = await self._exchange.get(request)
        except NoResponse as exc:
            raise VendorUnavailable(request, f"the vendor cannot be reached: {exc.why}", number) from exc
        try:
            archive_seq = await self._archiver.append(response)
        except REFUSED as exc:
            raise NotArchived(request, f"what came for it cannot be archived ({type(exc).__name__})") from exc
        self._note(archive_seq, response, time.monotonic() - started)
        # Only now may anyone look inside.
        assessment = self._judge(response)
        await self._assessments.add(archive_seq, assessment)
        self._require_answer(response, assessment, number)
        return assessment

    def _note(self, archive_seq: int, response: Response, elapsed_s: float) -> None:
        self.tally.body_bytes += len(response.body)
        if not _LOG.isEnabledFor(logging.DEBUG):
            return
        facts = {
            "endpoint": response.request.endpoint.value,
            "ticker": response.request.ticker,
            "archive_seq": archive_seq,
            "http_status": response.http_status,
            "body_bytes": len(response.body),
            "elapsed_s": round(elapsed_s, 3),
        }
        _LOG.debug("ingest.payload_archived", extra=facts)

    def _require_answer(self, response: Response, assessment: Assessment, number: int) -> None:
        request, outcome, message = response.request, assessment.outcome, assessment.message or ""
        if outcome in (Outcome.ANSWER, Outcome.EMPTY):
            return
        if outcome in _FINAL:
            if outcome is Outcome.BAD_KEY:
                self._stop.request("a refused key")
            raise _FINAL[outcome](request, f"the vendor says {message}")
        if outcome is Outcome.NOT_AN_ANSWER:
            raise NotAnAnswer(request, f"the vendor answered, but {message}", number)
        pause_s = self._pause_s(response, outcome)
        if pause_s:
            self._limiter.pause(pause_s, str(response.http_status))
        raise VendorUnavailable(request, f"the vendor says {message}", number, paused=bool(pause_s))

    def _pause_s(self, response: Response, outcome: Outcome) -> float | None:
        named = _retry_after_s(response)
        if named is None and outcome is not Outcome.THROTTLED:
            return None
        return min(self._patience.throttled_s if named is None else named, self._patience.longest_pause_s)

    def _wait_s(self, state: RetryCallState) -> float:
        """Wait nothing here where the limiter holds the next turn back anyway."""
        exc = None if state.outcome is None else state.outcome.exception()
        if isinstance(exc, VendorUnavailable) and exc.paused:
            return 0.0
        return self._patience.wait(state)

    def _log_retry(self, state: RetryCallState) -> None:
        exc = None if state.outcome is None else state.outcome.exception()
        if not isinstance(exc, FetchError):
            return
        facts = {
            "subject": subject_of(exc.request),
            "endpoint": exc.request.endpoint.value,
            "attempt": state.attempt_number,
            "wait_s": round(state.upcoming_sleep, 3),
            "caused_by": exc.why,
        }
        _LOG.warning("ingest.retry_scheduled", extra=facts)


def _retry_after_s(response: Response) -> float | None:
    """Return how long the vendor asks us to wait, None where it does not say or cannot be understood."""
    for name, value in response.headers:
        if name.lower() == "retry-after":
            return _seconds(value.strip(), response.fetched_at)
    return None


def _seconds(text: str, now: dt.datetime) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        instant = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)
    return max(0.0, (aware - now).total_seconds())
