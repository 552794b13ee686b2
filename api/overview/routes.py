"""The routes of the overview, in the order of their paths."""

from typing import Any

from api.operation import Operation
from api.overview import gaps, generations, quality, rulesets, runs, symbol, symbols

OVERVIEW_OPERATIONS: tuple[Operation[Any], ...] = (
    gaps.OPERATION,
    generations.OPERATION,
    quality.OPERATION,
    *rulesets.OPERATIONS,
    runs.OPERATION,
    symbols.OPERATION,
    symbol.OPERATION,
)
