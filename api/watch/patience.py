"""How long the database is waited for by those who ask how it is, and what it may raise meanwhile."""

import asyncpg

from sql.errors import CONNECTION_LOST

WITHIN_S = 5.0
"""Less than a scrape or a probe waits for its answer."""

DATABASE_ERRORS = (*CONNECTION_LOST, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""Whatever it is, it is told and never raised: who asks how the database is must get an answer."""
