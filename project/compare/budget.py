"""The change budget: how much a rebuild may change of what readers rely on before a person has to say yes.

It sets the two generations side by side before the swap. What is spent is the share of the live bars whose validated
status changes, or that are gone.
"""

import asyncpg

from project.compare.changes import Changes, Comparison
from project.errors import ChangeBudgetExceeded, IncomparableProjection
from project.generation import LIVE, NEXT, Generation, drop_next, read_generation, use_schema
from project.rows import Tickers
from project.rulesets import recorded_ruleset
from project.unload import parts_of, read_part, read_tickers

DEFAULT_MAX_CHANGE = 0.01
OTHER_SHAPE = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)


async def require_within_budget(
    connection: asyncpg.Connection, built: Generation, max_change: float | None
) -> Changes | None:
    """Return what the next generation, just built, changes of the live one.

    None where there is no budget (`max_change` None), nothing live, or no difference: what is believed is the same
    where the content hashes are. The connection holds the projector's lock and means the next generation after it.

    Raises: ChangeBudgetExceeded, after dropping the next generation: a later rebuild starts from nothing anyway, and a
    projection that nobody reads is as large as the live one. IncomparableProjection, likewise.
    """
    if max_change is None:
        return None
    try:
        live = await read_generation(connection)
        changes = None
        if live is not None and live.content_hash != built.content_hash:
            changes = await compare_generations(connection, live, built)
    except OTHER_SHAPE as exc:
        await drop_next(connection)
        raise IncomparableProjection from exc
    if changes is not None and changes.changed_share > max_change:
        await drop_next(connection)
        raise ChangeBudgetExceeded(changes, max_change)
    await use_schema(connection, NEXT)
    return changes


async def compare_generations(connection: asyncpg.Connection, live: Generation, built: Generation) -> Changes:
    """Return how the next generation differs from the live one."""
    comparison = Comparison(
        await recorded_ruleset(connection, live.ruleset_hash), await recorded_ruleset(connection, built.ruleset_hash)
    )
    old, new = await read_tickers(connection, LIVE), await read_tickers(connection, NEXT)
    names = sorted(old | new, key=str.encode)
    for part in parts_of({name: max(old.get(name, 0), new.get(name, 0)) for name in names}):
        comparison.add(await read_part(connection, LIVE, part), await read_part(connection, NEXT, part), Tickers(part))
    return comparison.changes()
