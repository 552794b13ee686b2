"""Large moves and their classes, on the real market and on hand-made bars."""

import datetime as dt
from pathlib import Path

import asyncpg
import pytest

from project.move_search import find_moves
from project.moves import Beside, Effect, Move, MoveKind, classify
from project.replay import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.payloads import archive_all
from tests.project.market_files import actions, bars_of, lines, symbols

RULESET = read_ruleset(DEFAULT_RULES)
NOW = dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def test_the_real_market(market_data: Path, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    names = symbols(market_data)
    await archive_all(ingest_pool, [*actions(market_data), *(bars_of(market_data, symbol) for symbol in names)])
    await rebuild(project_pool, RULESET, lambda: NOW)
    async with project_pool.acquire() as connection:
        import time
        t=time.perf_counter()
        moves = await find_moves(connection)
        print(len(moves), time.perf_counter()-t)
    from collections import Counter
    print(Counter(m.kind for m in moves))
    known = {(l["symbol"], l["date"]): l for l in lines(market_data/"known_moves_over_10_percent.csv")}
    ours = {(m.ticker, str(m.session)): m for m in moves if abs(m.close_move) > .1}
    print(set(known)^set(ours))
    for m in moves:
        if m.kind not in ("unexplained",): print(m.ticker, m.session, m.kind, f"{m.open_move:.3f} {m.close_move:.3f} {m.left:.3f} {m.volume_ratio}", m.why)
    for k, l in known.items():
        if l["class"].startswith("split") != (ours[k].kind == "split"): print("BAD", l, ours[k])
        if m.kind=='unexplained' and m.why: print(m)
    assert 0
