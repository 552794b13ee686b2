"""A ruleset as answers tell of it, and finding the one that a caller means. Knows no route."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal

import asyncpg
from msgspec import Meta, Struct

from api.errors import UnknownRuleset
from project import errors
from project.rules import RULES
from project.rulesets import KnownRuleset, find_ruleset, known_rulesets

Digest = Annotated[
    str,
    Meta(
        description="The hash of a ruleset, its first 4 or more digits, or live or previous: the one in use.",
        examples=["live"],
        max_length=64,
        pattern=r"^(live|previous|[0-9A-Fa-f]{4,64})\Z",
    ),
]

Role = Literal["live", "previous"]


class RulesetFacts(Struct, frozen=True):
    """A ruleset that judged a generation."""

    hash: Annotated[str, Meta(description="Of the whole ruleset, versions of the rules included.")]
    recorded_at: Annotated[dt.datetime | None, Meta(description="When it was first used.")]
    judged: Annotated[list[Role], Meta(description="Which of the generations that are there it judged.")]
    runs_here: Annotated[bool, Meta(description="Whether this software has its rules in the versions it was used in.")]
    rules: Annotated[list[str], Meta(description="The names of its rules, in their order.")]


class RuleFacts(Struct, frozen=True):
    """A rule as a ruleset uses it."""

    name: str
    version: int
    penalty: Annotated[float, Meta(description="What a bar that fails it loses of its score of 1.")]
    group: Annotated[str | None, Meta(description="Of the rules of a group that fail only the dearest counts.")]
    limits: Annotated[dict[str, float], Meta(description="Its thresholds by name.")]
    meaning: Annotated[str | None, Meta(description="When a bar fails it; null where this software lacks the rule.")]
    source: Annotated[str | None, Meta(description="Where it comes from; null where this software lacks the rule.")]


def facts_of(known: KnownRuleset) -> RulesetFacts:
    """Return what a list of rulesets says of one."""
    roles: list[Role] = [role for role in ("live", "previous") if role in known.roles]
    names = [use.name for use in known.ruleset.rules]
    return RulesetFacts(known.hash, known.recorded_at, roles, known.runs_here, names)


def rules_of(known: KnownRuleset) -> list[RuleFacts]:
    """Return the rules of a ruleset with their thresholds, and what they mean where their code is here."""
    return [
        RuleFacts(use.name, use.version, use.penalty, use.group, use.limits, _meaning(use.name), _source(use.name))
        for use in known.ruleset.rules
    ]


async def find_rulesets(connection: asyncpg.Connection, names: Sequence[tuple[str, str]]) -> list[KnownRuleset]:
    """Return the rulesets that callers mean by a name; each comes with the parameter it was given in.

    Raises: UnknownRuleset.
    """
    known = await known_rulesets(connection)
    return [_find(known, parameter, name) for parameter, name in names]


def _find(known: list[KnownRuleset], parameter: str, name: str) -> KnownRuleset:
    try:
        return find_ruleset(known, name)
    except (errors.UnknownRuleset, errors.NothingProjected) as exc:
        raise UnknownRuleset(name, parameter) from exc


def _meaning(name: str) -> str | None:
    return (RULES[name].check.__doc__ or "").strip().partition("\n")[0] if name in RULES else None


def _source(name: str) -> str | None:
    return RULES[name].source if name in RULES else None
