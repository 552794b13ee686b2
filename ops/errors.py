"""What can go wrong at the edge.

OpsError
├── MarketNotServed   the local fake vendor does not start
└── OtherMarket       the warehouse already holds the answers of another market
"""

from sql.errors import WarehouseError


class OpsError(WarehouseError):
    """The base of this room's errors."""


class MarketNotServed(OpsError):
    """The local fake vendor did not start; `why` is its own word."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the local vendor does not start: {why}")


class OtherMarket(OpsError):
    """The archive is append-only and holds one market; another one needs a warehouse of its own."""

    def __init__(self, held: str, wanted: str) -> None:
        super().__init__(
            f"this warehouse holds the answers of {held}, not of {wanted}; two markets in one archive would be "
            "believed as one, so give the other a folder of its own: WAREHOUSE_DATA=FOLDER ./ops/up"
        )
        self.held, self.wanted = held, wanted
