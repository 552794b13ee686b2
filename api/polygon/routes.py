"""The Polygon-compatible routes, at the host root, where the vendor's own clients look for them."""

from typing import Any

from api.operation import Operation
from api.polygon import (
    aggs,
    dividends,
    exchanges,
    grouped,
    holidays,
    market_status,
    open_close,
    previous_close,
    splits,
    stocks_dividends,
    stocks_splits,
    ticker_details,
    ticker_events,
    tickers,
)

POLYGON_OPERATIONS: tuple[Operation[Any], ...] = (
    aggs.OPERATION,
    grouped.OPERATION,
    previous_close.OPERATION,
    open_close.OPERATION,
    splits.OPERATION,
    dividends.OPERATION,
    stocks_splits.OPERATION,
    stocks_dividends.OPERATION,
    tickers.OPERATION,
    ticker_details.OPERATION,
    ticker_events.OPERATION,
    market_status.OPERATION,
    holidays.OPERATION,
    exchanges.OPERATION,
)
