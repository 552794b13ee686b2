"""Who plays in the synthetic market: the default universe, the special tickers, and what is laid down for each.

A role says only what differs from an ordinary ticker. It must not know sessions' dates, prices or random numbers.
"""

from collections.abc import Sequence
from itertools import islice, product

import msgspec


class Cue(msgspec.Struct, frozen=True):
    """One thing laid down to happen to a ticker: a kind of `script.KINDS`, with what that kind needs.

    `ratio` is (split_from, split_to); `turnover` scales share volume for good besides the split; `span` is sessions.
    """

    kind: str
    ratio: tuple[int, int] | None = None
    turnover: float = 1.0
    span: int = 1


class Role(msgspec.Struct, frozen=True):
    """What is fixed about one ticker before any random number is drawn.

    `opening` fills its first slots of 64 sessions; later slots are eventful with probability `rate`.
    `shown_from` and `shown_until` are session indices: its bars exist in [from, until).
    `walk_of` names the ticker whose series it continues (a rename).
    """

    name: str
    type: str = "CS"
    exchange: str = "XNAS"
    opening: Sequence[Cue] = ()
    rate: float = 0.3
    dividends: bool | None = None
    start_price: float | None = None
    shown_from: int = 0
    shown_until: int | None = None
    walk_of: str | None = None


DEFAULT_UNIVERSE = (
    *("AAPL", "MSFT", "GOOGL", "AMZN", "NVDA", "TSLA", "META", "NFLX"),
    *("AMD", "CRM", "SPY", "QQQ", "IWM", "EEM", "VTI"),
)
TEST_TICKERS = ("ZVZZT", "ZXZZT")
CASE_COLLIDING = ("BCPC", "BCpC", "TPC", "TpC")
SPECIAL_TICKERS = (
    *("TENX", "RVSX", "FRAC", "SPCL", "HLTD", "IPOX", "DLST", "OLDN", "NEWN", "MOVD", "CNCL"),
    *CASE_COLLIDING,
    *TEST_TICKERS,
)

# Session indices, within the first half year so that a short market has them too.
LISTED_LATE_AT = 90
RENAMED_AT = 96
DELISTED_AT = 110

_SPLIT_4 = Cue("split", (1, 4))
_GAP = Cue("gap")


def _default(name: str, *opening: Cue, type: str = "CS", exchange: str = "XNAS") -> Role:
    return Role(name, type, exchange, opening, rate=0.7, dividends=True)


# Whoever fetches only the default universe meets every kind of fault within its first 128 sessions.
ROLES: dict[str, Role] = {
    "AAPL": _default("Apple Inc.", _SPLIT_4, _GAP),
    "MSFT": _default("Microsoft Corp", _GAP, Cue("special_dividend")),
    "GOOGL": _default("Alphabet Inc. Class A", Cue("hole"), Cue("split", (1, 3))),
    "AMZN": _default("Amazon.Com Inc", Cue("zero_price"), Cue("split", (1, 2))),
    "NVDA": _default("Nvidia Corp", Cue("halt", span=4), _SPLIT_4),
    "TSLA": _default("Tesla, Inc.", _GAP, Cue("split", (1, 3))),
    "META": _default("Meta Platforms, Inc. Class A", Cue("volume_spike"), _GAP),
    "NFLX": _default("NetFlix Inc", Cue("missing_field"), _GAP),
    "AMD": _default("Advanced Micro Devices", Cue("null_field"), Cue("extreme_move")),
    "CRM": _default("Salesforce, Inc.", Cue("high_below_close"), _GAP, exchange="XNYS"),
    "SPY": _default("SPDR S&P 500 ETF Trust", Cue("volume_drought"), type="ETF", exchange="ARCX"),
    "QQQ": _default("Invesco QQQ Trust, Series 1", Cue("duplicate_row"), type="ETF"),
    "IWM": _default("iShares Russell 2000 ETF", Cue("non_session_row"), type="ETF", exchange="ARCX"),
    "EEM": _default(
        "iShares MSCI Emerging Markets ETF", Cue("low_above_open"), Cue("split", (4, 1)), type="ETF", exchange="ARCX"
    ),
    "VTI": _default("Vanguard Total Stock Market ETF", Cue("negative_volume"), type="ETF", exchange="ARCX"),
    # Ratios at which raw share volume passes ten times, or a tenth of, its trailing median by the split alone.
    "TENX": Role("Tenfold Inc.", opening=(Cue("split", (1, 10), turnover=1.3),), rate=0, dividends=False),
    "RVSX": Role(
        "Reverse Holdings",
        opening=(Cue("split", (10, 1), turnover=0.7), Cue("split", (8, 1))),
        rate=0,
        dividends=False,
        start_price=6.0,
    ),
    "FRAC": Role("Fraction Corp", opening=(Cue("split", (2, 3)), Cue("split", (4, 5))), rate=0, dividends=False),
    "SPCL": Role("Special Distribution Co", opening=(Cue("special_dividend"),), rate=0, dividends=False),
    "HLTD": Role("Halted Ltd", opening=(Cue("halt", span=15),), rate=0, dividends=False),
    "IPOX": Role("Initial Offering Inc", rate=0, shown_from=LISTED_LATE_AT),
    "DLST": Role("Delisted Corp", rate=0, dividends=False, shown_until=DELISTED_AT),
    "OLDN": Role("New Name Inc", rate=0, dividends=False, shown_until=RENAMED_AT, walk_of="NEWN"),
    "NEWN": Role("New Name Inc", rate=0, dividends=False, shown_from=RENAMED_AT),
    "MOVD": Role("Moved Split Inc", opening=(Cue("split_moved", (1, 2)),), rate=0, dividends=False),
    "CNCL": Role("Cancelled Split Inc", opening=(Cue("split_cancelled", (1, 5)),), rate=0, dividends=False),
    "BCPC": Role("Balchem Corp", rate=0),
    "BCpC": Role("Brunswick Corporation 6.500% Senior Notes", type="PFD", exchange="XNYS", rate=0),
    "TPC": Role("Tutor Perini Corporation", exchange="XNYS", rate=0),
    "TpC": Role("AT&T Inc. Depositary Shares, Series C", type="PFD", exchange="XNYS", rate=0),
    "ZVZZT": Role("NASDAQ TEST STOCK", rate=0, dividends=False),
    "ZXZZT": Role("NASDAQ TEST STOCK", rate=0, dividends=False),
}

PREDECESSOR = {"NEWN": "OLDN"}


def role_of(ticker: str) -> Role:
    """Return the role of a ticker; one that is not named here is an ordinary company."""
    return ROLES.get(ticker) or Role(f"{ticker} Synthetic Corp")


def made_up_tickers(count: int) -> list[str]:
    """Return that many distinct ordinary tickers of four letters, for whole-market tests and benchmarks."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXY"  # no Z: the exchange's test tickers begin with it
    made = ("".join(four) for four in product(letters, repeat=4))
    return list(islice((ticker for ticker in made if ticker not in ROLES), count))
