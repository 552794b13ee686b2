"""What the vendor says when it refuses: status, and the exact bodies recorded from it.

The text stands in `error` or in `message`, by kind, as recorded. It must not know when to refuse.

Source: recorded error bodies; shape and wording are the vendor's.
"""

from tests.fake_polygon.rows import quoted

_UPGRADE = "Please upgrade your plan at https://polygon.io/pricing"

NO_KEY = "API Key was not provided"
UNKNOWN_KEY = "Unknown API Key"
OLDER_THAN_PLAN = f"Your plan doesn't include this data timeframe. {_UPGRADE}"
BEFORE_END_OF_DAY = f"Attempted to request today's data before end of day. {_UPGRADE}"
NOT_ENTITLED = "You are not entitled to this data. Please upgrade your plan at https://massive.com/pricing"
FORBIDDEN = {"not_yet": BEFORE_END_OF_DAY, "beyond_plan": OLDER_THAN_PLAN, "not_entitled": NOT_ENTITLED}
NO_DATA = "Data not found."
TOO_MANY = (
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. "
    "https://polygon.io/pricing"
)

_KINDS = {403: ("NOT_AUTHORIZED", "message"), 404: ("NOT_FOUND", "message")}
_DEFAULT_TEXT = {401: UNKNOWN_KEY, 403: NOT_ENTITLED, 404: NO_DATA, 429: TOO_MANY, 500: "Internal server error"}
# The vendor documents no shape for these; a proxy in front of it answers, and not in JSON.
_PROXY_TEXT = "upstream connect error or disconnect/reset before headers"


class Refusal(Exception):
    """The vendor answers with a status other than 200; `status` and `text` are what it says."""

    def __init__(self, status: int, text: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text
        self.retry_after_s = retry_after_s


def refusal_body(status: int, text: str, request_id: str) -> bytes:
    """Return the JSON body of a refusal."""
    state, key = _KINDS.get(status, ("ERROR", "error"))
    return f'{{"status":"{state}","request_id":"{request_id}","{key}":{quoted(text)}}}'.encode()


def default_failure(status: int, request_id: str) -> tuple[bytes, str]:
    """Return body and content type of a failure by status alone; a bad gateway does not speak JSON."""
    if status in (502, 503, 504):
        return _PROXY_TEXT.encode(), "text/plain"
    return refusal_body(status, _DEFAULT_TEXT.get(status, "Request failed"), request_id), "application/json"
