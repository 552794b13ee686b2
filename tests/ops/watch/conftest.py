"""Somebody who is told, for the tests of the watch."""

from collections.abc import AsyncIterator

import pytest

from tests.ops.watch.receiver import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Yield a web hook and a heartbeat."""
    async with Receiver() as receiver:
        yield receiver
