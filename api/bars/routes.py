"""The operations of bars, in the order in which the OpenAPI document shows them."""

from typing import Any

from api.bars import historical, many, market
from api.operation import Operation

BARS_OPERATIONS: tuple[Operation[Any], ...] = (historical.OPERATION, many.OPERATION, market.OPERATION)
