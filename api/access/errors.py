"""How a request is refused before any route sees it.

RefusedRequest
├── KeyInUrl               400 key_in_url
├── MissingKey             401 missing_key
├── UnknownKey             401 unknown_key
├── BodyNotTaken           413 body_not_taken
├── UrlTooLong             414 url_too_long
├── UnknownHost            421 unknown_host
├── TooManyParameters      422 too_many_parameters
├── RateLimited            429 rate_limited
├── HeadersTooLarge        431 headers_too_large
└── Overloaded             503 overloaded

No message repeats a key, or what was sent in the place of one.
"""

from api.errors import RefusedRequest, shorten

_HOW = "send it as Authorization: Bearer or X-API-Key"


class KeyInUrl(RefusedRequest):
    """A key stands in the URL, where logs, histories and other pages can read it."""

    status, code = 400, "key_in_url"

    def __init__(self) -> None:
        super().__init__(f"a key does not belong in the URL, where logs keep it: {_HOW}, and revoke this one")


class MissingKey(RefusedRequest):
    """Keys are required, and none was sent."""

    status, code = 401, "missing_key"

    def __init__(self) -> None:
        super().__init__(f"this server asks for a key: {_HOW}")


class UnknownKey(RefusedRequest):
    """What was sent is no key in force."""

    status, code = 401, "unknown_key"

    def __init__(self) -> None:
        super().__init__("the key is not known here, or was revoked")


class BodyNotTaken(RefusedRequest):
    """A request to read has a body."""

    status, code = 413, "body_not_taken"

    def __init__(self) -> None:
        super().__init__("no body is taken: this API is read with GET, and what is asked for stands in the URL")


class UrlTooLong(RefusedRequest):
    """Path and query together have more than `most` bytes."""

    status, code = 414, "url_too_long"

    def __init__(self, length: int, most: int) -> None:
        super().__init__(f"the URL has {length:,} bytes: at most {most:,} are taken; ask in several requests")
        self.length, self.most = length, most


class UnknownHost(RefusedRequest):
    """The request is for a host that this server is not: a page may have made its name point here."""

    status, code = 421, "unknown_host"

    def __init__(self, host: str) -> None:
        super().__init__(f"this server does not answer for the host {shorten(host)}; API_ALLOWED_HOSTS names more")
        self.host = host


class TooManyParameters(RefusedRequest):
    """The query has more than `most` parameters."""

    status, code = 422, "too_many_parameters"

    def __init__(self, count: int, most: int) -> None:
        super().__init__(f"the query has {count:,} parameters: at most {most:,} are taken")
        self.count, self.most = count, most


class RateLimited(RefusedRequest):
    """The caller has used up its quota; `retry_after_s` whole seconds bring one request back."""

    status, code = 429, "rate_limited"
    retry_after_s: int

    def __init__(self, per_minute: int, retry_after_s: int) -> None:
        super().__init__(f"more than {per_minute:,} requests a minute; the next one in {retry_after_s:,} s")
        self.per_minute, self.retry_after_s = per_minute, retry_after_s


class HeadersTooLarge(RefusedRequest):
    """The headers together have more than `most` bytes."""

    status, code = 431, "headers_too_large"

    def __init__(self, most: int) -> None:
        super().__init__(f"the headers have more than {most:,} bytes, the most that are taken")
        self.most = most


class Overloaded(RefusedRequest):
    """As many requests are under way as the server takes at once."""

    status, code = 503, "overloaded"
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__("the server has as much to do as it takes on at once; try again in a second")


# What any route may answer instead, as examples for the OpenAPI document.
ACCESS_ERRORS = (
    KeyInUrl(),
    MissingKey(),
    UnknownKey(),
    BodyNotTaken(),
    UrlTooLong(20_000, 16_384),
    UnknownHost("warehouse.example"),
    TooManyParameters(101, 100),
    RateLimited(6000, 1),
    HeadersTooLarge(32_768),
    Overloaded(),
)
