"""Bars as they were known at an instant, judged.

The values that were believed then are kept (law 7), the verdicts on them are not. So they are judged here, by the rules
of the live generation: what today's rules say of the values of then, not what some other rules said at the time. What
is of then besides the values: the splits and dividends that had been stated, and what persons had decided. How a split
or dividend is applied is weighed against the bars of now, as everywhere (project/factors/factor.py).

A verdict looks back, so all bars of the symbol up to the last one asked for are judged; at an instant after everything
the answer is the live bars, to the bit.
"""

import datetime as dt
from collections.abc import Iterable
from functools import lru_cache

import asyncpg
import msgspec
import numpy as np

from api.bars.columns import BarColumns
from api.bars.restate import Actions
from api.errors import ForeignProjection
from api.generation import Generation
from project.columnar import Columnar
from project.decide.override import Override, overrides_of, overrule
from project.factors.factor import DIVIDEND, SPLIT, Factor, as_known, factor_of
from project.judged import JudgedBars, judge_bars
from project.rows import VALUES, Tickers
from project.ruleset import Ruleset, decode_ruleset, runs_here
from project.series import actions_of
from sql import load_queries

_QUERIES = load_queries("api_known.sql")
_BARS = _QUERIES["bars_known_at"]
_FACTORS = _QUERIES["factors_stated_by"]
_OVERRIDES = _QUERIES["overrides_known_at"]
_RULESET = _QUERIES["ruleset_body"]
_EPOCH = dt.date(1970, 1, 1)


class Known(msgspec.Struct, frozen=True):
    """What was known of a symbol at an instant: bars as traded, and what restates them."""

    bars: BarColumns
    actions: Actions


async def read_known(
    connection: asyncpg.Connection,
    generation: Generation,
    symbol: str,
    first: dt.date,
    last: dt.date,
    instant: dt.datetime,
) -> Known:
    """Return the daily bars of a range as they were known at an instant, of which there may be none.

    Raises: ForeignProjection where this software lacks a rule of the generation.
    """
    ruleset = await _ruleset(connection, generation.ruleset_hash)
    tickers = Tickers([symbol])
    bars = Columnar(await connection.fetch(_BARS, symbol, last, instant), tickers).bars()
    factors = _believed_then(map(factor_of, await connection.fetch(_FACTORS, symbol, instant)), instant)
    overrides = [Override(**row) for row in await connection.fetch(_OVERRIDES, symbol, instant)]
    judged = judge_bars(bars, tickers, actions_of(factors, tickers), ruleset)
    judged = overrule(judged, overrides_of(overrides, tickers))
    return Known(_from(judged, first), _restating(factors))


async def _ruleset(connection: asyncpg.Connection, ruleset_hash: str) -> Ruleset:
    ruleset = _decoded(await connection.fetchval(_RULESET, ruleset_hash))
    if not runs_here(ruleset):
        raise ForeignProjection
    return ruleset


@lru_cache(maxsize=4)
def _decoded(body: str) -> Ruleset:
    return decode_ruleset(body)


def _believed_then(factors: Iterable[Factor], instant: dt.datetime) -> list[Factor]:
    """Return the factors of an instant as it had them: not ended yet."""
    return [msgspec.structs.replace(factor, known_to=None) for factor in as_known(factors, instant)]


def _from(judged: JudgedBars, first: dt.date) -> BarColumns:
    judged = judged.take(judged.bars.day >= (first - _EPOCH).days)
    return BarColumns(
        sessions=judged.bars.day.astype("datetime64[D]"),
        **dict(zip(VALUES, judged.bars.values, strict=True)),
        gap=judged.gap,
        volume_ratio=judged.volume_ratio,
        failed_rules=judged.failed_rules,
        quality_score=judged.quality_score,
        validated=np.asarray(judged.validated),
    )


def _restating(factors: Iterable[Factor]) -> Actions:
    applied = [(factor, factor.applied_on) for factor in factors if factor.applied_on is not None]
    return Actions(
        [
            (date, factor.split_from, factor.split_to)
            for factor, date in applied
            if factor.kind == SPLIT and factor.split_from is not None and factor.split_to is not None
        ],
        [
            (date, factor.price_factor)
            for factor, date in applied
            if factor.kind == DIVIDEND and factor.price_factor is not None
        ],
    )
