"""GET /api/v1/rulesets: every ruleset that was ever used; one of them whole; and what one has that another has not."""

import datetime as dt
from typing import Annotated

import asyncpg
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS, UnknownRuleset
from api.generation import Generation
from api.operation import Operation
from api.overview.ruleset import Digest, RuleFacts, RulesetFacts, facts_of, find_rulesets, rules_of
from api.params import NoParams
from api.warehouse import warehouse_of
from project.ruleset_text import Difference, differences, text_of
from project.rulesets import known_rulesets


class RulesetParams(Struct, frozen=True, kw_only=True):
    """Which ruleset is asked for."""

    digest: Digest


class DiffParams(Struct, frozen=True, kw_only=True):
    """Which two rulesets are compared."""

    digest: Digest
    other: Digest


class Rulesets(Struct, frozen=True):
    """Every ruleset that was ever used, the oldest first."""

    rulesets: list[RulesetFacts]


class RulesetAnswer(Struct, frozen=True):
    """A ruleset, whole."""

    ruleset: RulesetFacts
    validated_from: Annotated[float, Meta(description="The score from which on a bar is validated.")]
    volume_window: Annotated[int, Meta(description="Sessions of the trailing median of volume.")]
    test_tickers: list[str]
    rules: list[RuleFacts]
    text: Annotated[str, Meta(description="The whole of it as a rules file: `project --rebuild --rules` takes it.")]


class RulesetDiff(Struct, frozen=True):
    """How the second ruleset differs from the first."""

    before: str
    after: str
    differences: Annotated[
        list[Difference], Meta(description="Settings first, whose rule is null, then rules; null is what one lacks.")
    ]


async def rulesets(request: Request, params: NoParams) -> Response:
    """Answer with every ruleset that was ever used; a rollback changes what they are in use by, so no tag stands."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> Rulesets:
        return Rulesets([facts_of(known) for known in await known_rulesets(connection)])

    return json_answer(await warehouse_of(request).projection.read(read))


async def ruleset(request: Request, params: RulesetParams) -> Response:
    """Answer with one ruleset."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> RulesetAnswer:
        [known] = await find_rulesets(connection, [("digest", params.digest)])
        return RulesetAnswer(
            facts_of(known),
            known.ruleset.validated_from,
            known.ruleset.volume_window,
            list(known.ruleset.test_tickers),
            rules_of(known),
            text_of(known.ruleset),
        )

    return json_answer(await warehouse_of(request).projection.read(read))


async def ruleset_diff(request: Request, params: DiffParams) -> Response:
    """Answer with how two rulesets differ."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> RulesetDiff:
        before, after = await find_rulesets(connection, [("digest", params.digest), ("other", params.other)])
        return RulesetDiff(before.hash, after.hash, differences(before.ruleset, after.ruleset))

    return json_answer(await warehouse_of(request).projection.read(read))


_HASH = "5b1f6c1a2a2f4d0bb3f0a6c8f8f0f1d7a9b6e5c4d3b2a1908f7e6d5c4b3a2910"
_OTHER = "c0ffee5e2a2f4d0bb3f0a6c8f8f0f1d7a9b6e5c4d3b2a1908f7e6d5c4b3a2910"
_EXAMPLE = RulesetFacts(_HASH, dt.datetime(2026, 11, 1, 7, tzinfo=dt.UTC), ["live"], True, ["large_gap"])
_ERRORS = (UnknownRuleset("abcd", "digest"), *READ_ERRORS)

OPERATIONS = (
    Operation(
        path="/api/v1/rulesets",
        summary="Every ruleset that was ever used",
        description="The oldest first, each with its hash and which of the generations that are there it judged.",
        params=NoParams,
        answer=Rulesets,
        example=Rulesets([_EXAMPLE]),
        handle=rulesets,
        errors=READ_ERRORS,
    ),
    Operation(
        path="/api/v1/rulesets/{digest}",
        summary="One ruleset, whole",
        description="Its rules with penalties and thresholds, and all of it as a rules file.",
        params=RulesetParams,
        answer=RulesetAnswer,
        example=RulesetAnswer(
            _EXAMPLE,
            validated_from=0.85,
            volume_window=20,
            test_tickers=["ZVZZT"],
            rules=[
                RuleFacts(
                    name="large_gap",
                    version=1,
                    penalty=0.2,
                    group=None,
                    limits={"max_gap": 0.1},
                    meaning="Open far from the previous close, after undoing splits and dividends of the session.",
                    source="design §4",
                )
            ],
            text="# Ruleset 5b1f6c1a…\n\nvalidated_from = 0.85\n…",
        ),
        handle=ruleset,
        errors=_ERRORS,
    ),
    Operation(
        path="/api/v1/rulesets/{digest}/diff/{other}",
        summary="How two rulesets differ",
        description="What the second has that the first has not, and what both have and not alike.",
        params=DiffParams,
        answer=RulesetDiff,
        example=RulesetDiff(_HASH, _OTHER, [Difference("large_gap", "penalty", "0.2", "0.25")]),
        handle=ruleset_diff,
        errors=_ERRORS,
    ),
)
