"""What a spot check asks of a second source: its name for a symbol, and its daily bars of a period as CSV.

One file a source stands beside this one. How its closes compare with ours is none of its business.
"""

import datetime as dt
from collections.abc import Callable
from typing import Protocol

from archive.payload import Response
from ingest.period import Period


class NoSecondOpinion(Exception):
    """A second source gives no closes of a symbol; `why` is for the report. `for_good`: it will give none of others."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        # It goes into the ledger, which holds no control characters.
        self.why = "".join(letter if letter.isprintable() else " " for letter in why)
        self.for_good = for_good
        super().__init__(self.why)


class SecondSource(Protocol):
    """Somebody else who has daily bars.

    `source` is what its payloads are archived under; `split_adjusted` says whether its closes are in shares of today.
    """

    source: str
    split_adjusted: bool

    def name_of(self, symbol: str) -> str | None:
        """Return what it calls a symbol of ours, None where it has none or nobody can know."""

    async def fetch(self, symbol: str, period: Period, now: Callable[[], dt.datetime]) -> Response:
        """Return its bars of a symbol that it has a name for, as CSV, ready to be archived.

        Raises: NoSecondOpinion.
        """
