"""What can go wrong in ingest. No message ever holds the vendor key.

IngestError
├── InvalidSymbol             a symbol that no vendor can be asked for
├── InvalidDates              a period that ends before it begins
├── MissingKey                there is something to fetch and no POLYGON_API_KEY
├── MadeUpMarket              the archive holds the market of the local fake vendor
├── AnotherRunUnderWay        a second process fetches into the same archive
├── AnotherScheduler          a second process fetches every night into the same archive
├── ProjectFailed             what was fetched could not be projected
├── RunStopped                a signal ended the run early
├── RunFailed                 a run could not do all of its job
├── NothingProjected          a spot check without a projection
├── ProjectionChanging        the projection was swapped as often as a spot check read it
├── NothingCompared           a spot check that found no close to compare
├── ClosesApart               a spot check in which too many closes differ from the second source's
├── MissingLibrary            an optional library is not installed (a misuse)
└── FetchError                a request that got no answer; .request .why
    ├── InvalidKey            401
    ├── NotEntitled           403: not in the plan at all
    ├── BeyondPlan            403: older than the plan reaches
    ├── NotYet                403: today's data before the vendor's end of day
    ├── NotFound              404
    ├── Refused               any other status that is no answer, redirects too
    ├── VendorUnavailable     429, 5xx or no response at all, as often as we tried
    ├── NotAnAnswer           200 with HTML, broken JSON, or an answer to another question
    ├── NotArchived           what came is refused by the archive
    └── ForeignHost           the next page is said to be on another host
"""

from collections.abc import Mapping, Sequence

from archive.payload import Endpoint, Request
from sql.errors import InvalidSetting, Misuse, WarehouseError

_NAMED = 30


class IngestError(WarehouseError):
    """The base of this room's errors."""


class InvalidSymbol(IngestError):
    """No vendor has such a `symbol`."""

    def __init__(self, symbol: str) -> None:
        super().__init__(
            f"symbol {symbol!r} cannot be asked for: 1 to 32 of A-Z a-z 0-9 . : _ -, beginning with a letter or digit"
        )
        self.symbol = symbol


class InvalidDates(IngestError):
    """A period ends before it begins."""


class MissingKey(IngestError, InvalidSetting):
    """There is something to fetch and no key to fetch it with."""

    def __init__(self) -> None:
        InvalidSetting.__init__(self, "POLYGON_API_KEY", "", "must hold the vendor's key; `ingest plan` needs none")


class MadeUpMarket(IngestError):
    """The archive holds the market that the local fake vendor calls `held`, which `base_url` is not."""

    def __init__(self, held: str, base_url: str) -> None:
        super().__init__(
            f"this warehouse holds the made-up market of {held}, and {base_url} would be mixed into it for good; give "
            "the real one a warehouse of its own: WAREHOUSE_DATA=FOLDER, or another DATABASE_URL"
        )
        self.held, self.base_url = held, base_url


class AnotherRunUnderWay(IngestError):
    """Another process holds the lock of this archive's ingest."""

    def __init__(self) -> None:
        super().__init__("another ingest run is under way in this database; it goes on, this one does nothing")


class AnotherScheduler(IngestError):
    """Another process holds the lock of this database's nightly service."""

    def __init__(self) -> None:
        super().__init__("another `ingest serve` is running in this database; it goes on, this one ends")


class ProjectFailed(IngestError):
    """The `project` command did not do its job; `why` is how it ended. What was fetched is archived."""

    def __init__(self, why: str) -> None:
        super().__init__(f"what is archived could not be projected: {why}")
        self.why = why


class RunStopped(IngestError):
    """A run was asked to stop; `why` is the signal's name."""

    def __init__(self, why: str) -> None:
        super().__init__(f"stopped by {why}; what was fetched is archived, and the next run goes on from there")
        self.why = why


class RunFailed(IngestError):
    """A run could not do all of its job; `failures` maps what was asked for to why it was not got."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        super().__init__(f"not everything could be fetched: {_by_reason(failures)}")
        self.failures = dict(failures)


class NothingProjected(IngestError):
    """There is no projection whose closes could be compared."""

    def __init__(self) -> None:
        super().__init__("nothing is projected yet; run `project`")


class ProjectionChanging(IngestError):
    """Each of `attempts` times that the projection was read, another was put in its place."""

    def __init__(self, attempts: int) -> None:
        super().__init__(f"the projection was swapped each of the {attempts} times it was read; run the command again")


class NothingCompared(IngestError):
    """A spot check has no close to compare; `failures` maps symbols to why the second source gave nothing."""

    def __init__(self, why: str, failures: Mapping[str, str] | None = None) -> None:
        super().__init__(f"nothing could be compared: {_by_reason(failures) if failures else why}")
        self.failures = dict(failures or {})


class ClosesApart(IngestError):
    """More closes than `worst_percent` of those compared differ by more than 1 % from the second source's."""

    def __init__(self, far_percent: float, compared: int, worst_percent: float) -> None:
        super().__init__(
            f"{far_percent:.3g} % of {compared:,} closes differ by more than 1 % from the second source's; "
            f"at most {worst_percent:g} % may (--worst)"
        )
        self.far_percent, self.worst_percent = far_percent, worst_percent


class MissingLibrary(IngestError, Misuse):
    """The optional `library` is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed: pip install 'market-data-warehouse[{extra}]'")
        self.library = library


def _by_reason(failures: Mapping[str, str]) -> str:
    subjects: dict[str, list[str]] = {}
    for subject, why in failures.items():
        subjects.setdefault(why, []).append(subject)
    return "; ".join(f"{_named(those)}: {why}" for why, those in subjects.items())


def _named(subjects: Sequence[str]) -> str:
    rest = len(subjects) - _NAMED
    return ", ".join(subjects[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


class FetchError(IngestError):
    """A request got no answer; `why` is the reason alone, for a list of many."""

    def __init__(self, request: Request, why: str) -> None:
        super().__init__(f"{subject_of(request)}: {why}")
        self.request, self.why = request, why


class InvalidKey(FetchError):
    """The vendor refuses the key."""

    def __init__(self, request: Request, message: str) -> None:
        super().__init__(request, message)
        self.args = (f"the vendor refuses POLYGON_API_KEY ({message}); nothing more was asked",)


class NotEntitled(FetchError):
    """The key's plan does not include what was asked."""


class BeyondPlan(FetchError):
    """The key's plan does not reach back to the dates asked for; the vendor will never give them."""


class NotYet(FetchError):
    """The vendor's day is not over."""


class NotFound(FetchError):
    """The vendor knows nothing of it."""


class Refused(FetchError):
    """The vendor answered with a status that is no answer and no reason to ask again."""


class VendorUnavailable(FetchError):
    """The vendor did not answer in any of `attempts` tries; `paused`: it said when to come back."""

    def __init__(self, request: Request, why: str, attempts: int, *, paused: bool = False) -> None:
        super().__init__(request, _tried(why, attempts))
        self.attempts, self.paused = attempts, paused


class NotAnAnswer(FetchError):
    """What came with status 200 does not answer the request, in any of `attempts` tries."""

    def __init__(self, request: Request, why: str, attempts: int) -> None:
        super().__init__(request, _tried(why, attempts))
        self.attempts = attempts


class NotArchived(FetchError):
    """The archive does not take what came, and so nobody may look at it."""


class ForeignHost(FetchError):
    """The vendor's next page is on `host`, which is not the configured one; nothing was sent there."""

    def __init__(self, request: Request, host: str, configured: str) -> None:
        super().__init__(request, f"the next page is said to be on {host!r}, only {configured!r} is asked")
        self.host = host


def _tried(why: str, attempts: int) -> str:
    return f"{why} (asked {attempts} times)" if attempts > 1 else why


def subject_of(request: Request) -> str:
    """Return a request in the words of its user: its symbol, its session, or what it lists."""
    if request.ticker is not None and request.from_date is not None:
        return request.ticker
    if request.from_date is not None:
        return f"market {request.from_date}"
    listed = request.endpoint.value.replace("_", " ")
    if request.endpoint is Endpoint.HOLIDAYS:
        return listed
    if request.endpoint is Endpoint.TICKERS:
        listed = "delisted tickers" if "active=false" in request.target else "active tickers"
    return f"{listed} of {request.ticker or 'the universe'}"
