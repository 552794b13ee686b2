"""One server of tables for all tests of formats."""

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette

from tests.api.formats.tables import serving, tables_app
from tests.api.served import Client


@pytest.fixture(scope="session")
def app() -> Starlette:
    """Return the application of tables."""
    return tables_app()


@pytest.fixture(scope="session")
async def tables(app: Starlette) -> AsyncIterator[Client]:
    """Yield a client of it, which hands on bodies as they were sent."""
    async with serving(app) as client:
        yield client
