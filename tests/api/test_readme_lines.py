"""The lines of Python in the README, run as they stand, against a live server with the known projection."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.api.served import Client

_README = (Path(__file__).parents[2] / "README.md").read_text()
_BLOCKS = re.findall(r"^```python\n(.*?)^```", _README, re.M | re.S)
# What the known projection has in the place of the README's market.
_HERE = {"MSFT": "SEVN", "2026-11-20": "2014-06-09", "2025-01-01": "2014-06-05"}


def _line_by_line(block: str, origin: str) -> list[str]:
    for there, here in {"http://127.0.0.1:8000": origin, **_HERE}.items():
        block = block.replace(there, here)
    return [line for line in block.splitlines() if line]


async def test_the_lines_for_notebooks_read_bars(client: Client) -> None:
    [block] = [each for each in _BLOCKS if "pd.read_csv" in each]
    setting: list[str] = []
    reading: list[str] = []
    for line in _line_by_line(block, client.origin):
        (reading if re.match(r"p[dl]\.", line) else setting).append(line)
    assert len(reading) >= 5
    for line in reading:
        names: dict[str, Any] = {}
        await asyncio.to_thread(exec, "\n".join([*setting, f"found = {line}"]), names)
        assert len(names["found"]) >= 1, line


async def test_the_lines_for_the_vendors_client_read_bars(client: Client) -> None:
    [block] = [each for each in _BLOCKS if "RESTClient" in each]
    lines = [line.removeprefix(">>> ") for line in _line_by_line(block, client.origin) if line.startswith(">>> ")]
    names: dict[str, Any] = {}
    await asyncio.to_thread(exec, "\n".join([*lines[:-1], f"found = {lines[-1]}"]), names)
    [bar] = names["found"]
    assert (bar.open, bar.close) == (92.7 / 4, 93.7 / 4)


@pytest.mark.parametrize("block", _BLOCKS)
def test_every_block_is_python(block: str) -> None:
    compile(re.sub(r"^>>> |^\[Agg.*$", "", block, flags=re.M), "README.md", "exec")
