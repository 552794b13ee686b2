"""The routes of the charting library's datafeed, in the order in which it asks them."""

from typing import Any

from api.operation import Operation
from api.udf import config, history, marks, symbols

UDF_OPERATIONS: tuple[Operation[Any], ...] = (
    *config.OPERATIONS,
    *symbols.OPERATIONS,
    history.OPERATION,
    *marks.OPERATIONS,
)
