"""Clients who read bars from the API all the while, and remember every answer that nobody should have got.

An answer is wrong when it is no answer and no clean error; when two that name the same generation and checkpoint
differ; and when it tells a bar otherwise than the vendor did. What the right bars are is found out in a warehouse
where nothing goes wrong.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

# Restating is by what is known of splits, and the day; as traded, a bar is the vendor's.
AS_TRADED = "adjusted=none"
_CLEAN = {503, 504}
_VALUES = ("open", "high", "low", "close", "volume")
_ASK_WITHIN_S = 120.0
_PAUSE_S = 0.01

Bars = Mapping[tuple[str, str], tuple[Any, ...]]
"""By symbol and session: the values of a bar."""


class Answer(msgspec.Struct, frozen=True):
    """What was answered: `of` is generation and checkpoint, `rows` the bars with everything that is said of them."""

    of: tuple[str, int]
    rows: tuple[dict[str, Any], ...]

    def bars(self, target: str) -> Bars:
        """Return the values of each bar."""
        symbol = target.partition("?")[0].rpartition("/")[2]
        return {
            (row.get("symbol", symbol), row.get("session", symbol)): tuple(row[name] for name in _VALUES)
            for row in self.rows
        }


class Readers:
    """Clients of one API. `wrong` is what they have to complain of."""

    def __init__(self, origin: str, targets: Sequence[str]) -> None:
        self.origin, self.targets = origin, tuple(targets)
        self.answered = 0
        self.refused = 0
        self.wrong: list[str] = []
        self._answers: dict[tuple[str, int, str], Answer] = {}

    async def ask(self, session: aiohttp.ClientSession, target: str) -> Answer | None:
        """Return an answer, None for a clean error or nobody there."""
        try:
            async with session.get(self.origin + target) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, OSError):
            self.refused += 1
            return None
        if status in _CLEAN:
            self.refused += 1
            self._require_clean(status, target, body)
            return None
        if status != 200:
            self.wrong.append(f"{target}: {status} {body[:200]!r}")
            return None
        self.answered += 1
        return self._noted(target, msgspec.json.decode(body))

    def complain_of_untruth(self, truth: Mapping[str, Answer]) -> None:
        """Set every bar that was told against what the vendor says."""
        for (*_, target), answer in self._answers.items():
            true = truth[target].bars(target)
            for key, values in answer.bars(target).items():
                if true.get(key) != values:
                    self.wrong.append(f"{target}: {key} is told as {values}, the vendor says {true.get(key)}")

    def _require_clean(self, status: int, target: str, body: bytes) -> None:
        try:
            error = msgspec.json.decode(body)["error"]
            if not error["message"] or "Traceback" in error["message"]:
                self.wrong.append(f"{target}: {status} {body[:200]!r}")
        except (msgspec.DecodeError, LookupError, TypeError):
            self.wrong.append(f"{target}: {status} {body[:200]!r}")

    def _noted(self, target: str, document: dict[str, Any]) -> Answer:
        generation = document["generation"]
        answer = Answer((generation["generation_id"], generation["checkpoint"]), tuple(document["bars"]))
        before = self._answers.setdefault((*answer.of, target), answer)
        if before != answer:
            self.wrong.append(f"{target}: two answers of generation {answer.of} differ")
        return answer


@asynccontextmanager
async def reading(readers: Readers, count: int) -> AsyncIterator[aiohttp.ClientSession]:
    """Let so many clients read while the context is open."""
    done = asyncio.Event()

    async def read(session: aiohttp.ClientSession, first: int) -> None:
        place = first
        while not done.is_set():
            await readers.ask(session, readers.targets[place % len(readers.targets)])
            place += 1
            await asyncio.sleep(_PAUSE_S)

    timeout = aiohttp.ClientTimeout(total=_ASK_WITHIN_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        clients = [asyncio.create_task(read(session, number)) for number in range(count)]
        try:
            yield session
        finally:
            done.set()
            for client in clients:
                client.cancel()
            for error in await asyncio.gather(*clients, return_exceptions=True):
                if isinstance(error, Exception):
                    raise error
