"""The routes of the overview, in the order of their paths."""

from typing import Any

from api.operation import Operation
from api.overview import gaps, generations, market_gaps, quality, rulesets, runs, symbol, symbols

OVERVIEW_OPERATIONS: tuple[Operation[Any], ...] = (
    market_gaps.OPERATION,
    gaps.OPERATION,
    generations.OPERATION,
    quality.OPERATION,
    *rulesets.OPERATIONS,
    runs.OPERATION,
    symbols.OPERATION,
    symbol.OPERATION,
)
