"""The routes of the overview, in the order of their paths."""

from typing import Any

from api.operation import Operation
from api.overview import changes, gaps, generations, market_gaps, monthly, quality, rulesets, run, runs, symbol, symbols

OVERVIEW_OPERATIONS: tuple[Operation[Any], ...] = (
    changes.OPERATION,
    monthly.OPERATION,
    market_gaps.OPERATION,
    gaps.OPERATION,
    generations.OPERATION,
    quality.OPERATION,
    *rulesets.OPERATIONS,
    runs.OPERATION,
    run.OPERATION,
    symbols.OPERATION,
    symbol.OPERATION,
)
