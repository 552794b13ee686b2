"""What the Polygon routes answer beside what any route may.

RefusedRequest
└── DataNotFound               404 data_not_found
"""

from api.errors import RefusedRequest


class DataNotFound(RefusedRequest):
    """There is no such bar, ticker or event."""

    status, code = 404, "data_not_found"

    def __init__(self) -> None:
        # Word for word, since there are programs that look for it.
        super().__init__("Data not found.")
