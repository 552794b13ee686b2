"""What the Polygon routes answer beside what any route may.

RefusedRequest
└── DataNotFound               404 data_not_found
"""

from api.errors import InvalidParameter, RefusedRequest


class DataNotFound(RefusedRequest):
    """There is no such bar, ticker or event."""

    status, code = 404, "data_not_found"

    def __init__(self) -> None:
        # Word for word, since there are programs that look for it.
        super().__init__("Data not found.")


BAD_DATE = InvalidParameter("date", "2014-06-31", "must be a date that exists, written YYYY-MM-DD")
"""An example for the OpenAPI document."""
