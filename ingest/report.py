"""What a run did, step by step: the row it leaves in the ledger, and what a command prints. It does nothing itself."""

import datetime as dt
import uuid
from enum import StrEnum

import msgspec

from ingest.period import Period
from ingest.plan import Plan
from ingest.universe import Universe


class Ending(StrEnum):
    """How a step of a plan ended."""

    ANSWERED = "answered"
    EMPTY = "empty"
    BEYOND_PLAN = "beyond_plan"
    NOT_YET = "not_yet"
    FAILED = "failed"
    NOT_TRIED = "not_tried"


class StepOutcome(msgspec.Struct, frozen=True):
    """How one step ended. `subject` is the symbol or session it was about; `first_session` and `last_session` are
    those of the rows that came (ex-dates for splits and dividends); `left_out` is how many sessions asked for lie
    before or after those, on which the vendor was silent; `why` says what came instead of an answer."""

    subject: str
    endpoint: str
    ending: Ending
    pages: int = 0
    row_count: int = 0
    first_session: dt.date | None = None
    last_session: dt.date | None = None
    left_out: int = 0
    why: str | None = None


class RunReport(msgspec.Struct, frozen=True):
    """What a run asked for and got.

    Units: body_bytes after content decoding; waited_s is how long the rate limit and pauses held requests back.
    `left_to_ask` is how many requests the next run would begin with: what failed, and sessions that are not out yet.
    `stopped_by` is None for a run that went to its end. `unknown` are symbols that the vendor has no bar of.
    """

    run_id: uuid.UUID
    first: dt.date
    last: dt.date
    sessions: int
    planned: int
    already_have: dict[str, int]
    beyond_plan: dict[str, int]
    unknown: tuple[str, ...]
    left_to_ask: int
    requests: int
    retries: int
    body_bytes: int
    waited_s: float
    elapsed_s: float
    stopped_by: str | None
    outcomes: tuple[StepOutcome, ...]

    def failures(self) -> dict[str, str]:
        """Return what could not be got, and why; nothing failed that was got in another way."""
        failed = {
            outcome.subject: outcome.why or ""
            for outcome in self.outcomes
            if self.left_to_ask and outcome.ending in (Ending.FAILED, Ending.NOT_TRIED)
        }
        dates = f"from {self.first} to {self.last}"
        said = {outcome.subject: outcome.why for outcome in self.outcomes if outcome.ending is Ending.BEYOND_PLAN}
        refused = {
            name: said.get(name) or f"the key's plan includes no session of it {dates}"
            for name, count in self.beyond_plan.items()
            if count == self.sessions
        }
        unknown = dict.fromkeys(self.unknown, f"the vendor has no bar of it {dates}; case matters in symbols")
        return unknown | refused | failed


class PlannedRun(msgspec.Struct, frozen=True):
    """The ledger's row for the start of a run."""

    universe: str
    first: dt.date
    last: dt.date
    vendor_plan: str
    sessions: int
    already_have: dict[str, int]
    requests: tuple[str, ...]


def planned_run(universe: Universe, period: Period, vendor_plan: str, plan: Plan) -> PlannedRun:
    """Return what the ledger keeps of a plan; refusals are remembered for the vendor plan they came under."""
    targets = tuple(step.request.target for step in plan.steps)
    return PlannedRun(str(universe), period.first, period.last, vendor_plan, plan.sessions, plan.already_have, targets)
