"""A check: what was looked at, what was found, the bound it is held to, and what to do. It knows no database."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

Level = Literal["ok", "warn", "failed"]


class Check(Struct, frozen=True):
    """One thing that was looked at."""

    name: Annotated[str, Meta(description="A stable word.")]
    status: Annotated[Level, Meta(description="warn: something to know of; it alone turns nothing red.")]
    value: Annotated[str | int | float | None, Meta(description="What was found; null where nothing was.")]
    bound: Annotated[str | int | float | None, Meta(description="What it is held to.")]
    message: Annotated[str, Meta(description="One sentence for a person.")]
    todo: Annotated[str | None, Meta(description="What to do; null where there is nothing to do.")] = None


def passed(checks: Sequence[Check]) -> bool:
    """Tell whether none of them failed."""
    return all(check.status != "failed" for check in checks)
