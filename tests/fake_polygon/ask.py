"""One question to the vendor, read from path and query, and the reply to it. It must not know any answer."""

import base64
from collections.abc import Mapping
from datetime import UTC, date, datetime
from urllib.parse import parse_qsl, urlencode

import msgspec

from tests.fake_polygon.body import Body
from tests.fake_polygon.plan import Plan
from tests.fake_polygon.refusals import Refusal
from tests.fake_polygon.sessions import new_york_date


class Twist(msgspec.Struct, frozen=True):
    """A fault in what is answered, not in how it is sent; kinds and `at` as in `misbehaviour`."""

    kind: str
    host: str = ""
    at: float = 0.5


class Ask(msgspec.Struct, frozen=True):
    """One request that the plan allows, at an instant.

    `base` is what a next_url begins with; `page_rows` caps every page, whatever limit was asked for.
    """

    kind: str
    names: tuple[str, ...]
    query: Mapping[str, str]
    plan: Plan
    as_of: datetime
    request_id: str
    base: str
    page_rows: int | None = None
    twist: Twist | None = None

    @property
    def today(self) -> date:
        """The date in New York."""
        return new_york_date(self.as_of)

    @property
    def state(self) -> str:
        """The status word of a good answer."""
        return "DELAYED" if self.plan.delay_s or self.twisted("delayed") else "OK"

    def twisted(self, kind: str) -> bool:
        """Whether this answer is to have that fault."""
        return self.twist is not None and self.twist.kind == kind

    def flag(self, name: str, default: bool) -> bool:
        """Return a boolean parameter; both client libraries spell it their own way."""
        text = self.query.get(name, str(default)).lower()
        if text not in ("true", "false"):
            raise Refusal(400, f"Could not parse the parameter '{name}': {self.query[name]}")
        return text == "true"

    def limit(self, default: int, maximum: int) -> int:
        """Return how many rows a page may have."""
        text = self.query.get("limit", str(default))
        if not text.isdecimal() or not 1 <= int(text) <= maximum:
            raise Refusal(400, f"Field validation for 'Limit' failed: {text} is not within 1 and {maximum}")
        return min(int(text), self.page_rows or maximum)

    def next_url(self, path: str, carried: Mapping[str, str]) -> str:
        """Return the address of the next page: a cursor that carries the query, and never the key."""
        cursor = base64.urlsafe_b64encode(urlencode(sorted(carried.items())).encode()).decode().rstrip("=")
        base = f"https://{self.twist.host}" if self.twist and self.twist.host else self.base
        return f"{base}{path}?cursor={cursor}"


class Reply(msgspec.Struct, frozen=True):
    """What is answered: `body` is the part that may be kept, `end` the part that is this reply's own."""

    status: int
    body: Body
    end: bytes
    request_id: str
    content_type: str = "application/json"
    retry_after_s: int | None = None


def uncursored(query: Mapping[str, str]) -> dict[str, str]:
    """Return the query with what its cursor carries.

    Raises: Refusal for a cursor the vendor did not make.
    """
    if "cursor" not in query:
        return dict(query)
    cursor = query["cursor"]
    try:
        carried = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError as exc:
        raise Refusal(400, f"Could not parse the cursor: {cursor}") from exc
    return {**dict(parse_qsl(carried)), **{k: v for k, v in query.items() if k != "cursor"}}


def day(text: str, name: str) -> date:
    """Return a date sent as YYYY-MM-DD or as Unix milliseconds."""
    try:
        if text.lstrip("-").isdecimal():
            return new_york_date(datetime.fromtimestamp(int(text) / 1000, UTC))
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except (ValueError, OverflowError, OSError) as exc:
        wanted = "Use YYYY-MM-DD or Unix MS Timestamps"
        raise Refusal(400, f"Could not parse the time parameter: '{name}'. {wanted}") from exc
