"""GET /api/v1/dry-run: what a rebuild by an edited rules file would change; nothing is written, not even the ruleset.

It takes what a rebuild takes, so it is made in a process of its own, one at a time, and only for as long as its caller
waits. A browser that another site's page has made ask is refused: that page could not read the answer, but it could
keep this machine busy.
"""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS, InvalidParameter
from api.operation import Operation
from api.replay.child import Done
from api.replay.errors import CrossSite, DryRunFailed, DryRunUnderWay
from api.replay.process import replays_of
from project.compare.budget import DEFAULT_MAX_CHANGE
from project.compare.changes import Changes, Counts, RuleChanges, Sample
from project.errors import InvalidRules, UndecodablePayload
from project.ruleset import Ruleset, parse_ruleset
from project.ruleset_text import Difference, differences, text_of

_NOBODY_WAITS = 499
_LONGEST_WHY = 400
_OWN_SITE = ("same-origin", "none")
_EXAMPLE_RULES = """\
validated_from = 0.85
volume_window = 20
[rules]
large_gap = { penalty = 0.2, limit = 0.2 }
"""

Rules = Annotated[
    str,
    Meta(
        description="The text of a whole rules file, as `project --rebuild --rules` takes it.",
        examples=[_EXAMPLE_RULES],
        max_length=16_384,
    ),
]


class DryRunParams(Struct, frozen=True, kw_only=True):
    """Which rules are tried."""

    rules: Rules


class ChangesTold(Struct, frozen=True):
    """What changes, counted and by example; the fields and their values are those of `project --rebuild --dry-run`."""

    ruleset_before: str
    ruleset_after: str
    counts: Counts
    changed_share: Annotated[
        float, Meta(description="Of the live bars, those that change between validated and not, or are lost.")
    ]
    by_rule: dict[str, RuleChanges]
    by_symbol: Annotated[dict[str, Counts], Meta(description="The symbols that change most.")]
    other_symbols: Annotated[int, Meta(description="How many more symbols change.")]
    others: Annotated[Counts, Meta(description="Those, summed.")]
    by_year: dict[str, Counts]
    samples: Annotated[tuple[Sample, ...], Meta(description="Some bars of each kind of change.")]


class DryRunAnswer(Struct, frozen=True):
    """What a rebuild by the ruleset would change in the live projection."""

    ruleset_hash: Annotated[str, Meta(description="The hash that the ruleset would have; it is not recorded.")]
    text: Annotated[str, Meta(description="The ruleset as a rules file: what `project --rebuild --rules` is to read.")]
    differences: Annotated[list[Difference], Meta(description="How it differs from the live ruleset.")]
    max_change: Annotated[float, Meta(description="The changed share at which a rebuild stops unless told otherwise.")]
    within_budget: Annotated[bool, Meta(description="Whether a rebuild goes live without --max-change or --yes.")]
    checkpoint: Annotated[int, Meta(description="The last payload that is replayed: the live projection's.")]
    archive_head: Annotated[int, Meta(description="The last payload of the archive.")]
    calendar_before: str
    calendar_after: str
    changes: ChangesTold


async def dry_run(request: Request, params: DryRunParams) -> Response:
    """Answer with what a rebuild by the rules would change."""
    site = request.headers.get("sec-fetch-site", "none")
    if site not in _OWN_SITE:
        raise CrossSite(site)
    ruleset = _ruleset(params.rules)
    done = await replays_of(request).run(request, ruleset)
    return Response(status_code=_NOBODY_WAITS) if done is None else json_answer(_told(done, ruleset))


def _ruleset(text: str) -> Ruleset:
    try:
        return parse_ruleset(text)
    except InvalidRules as exc:
        raise InvalidParameter("rules", "no rules file", exc.why[:_LONGEST_WHY]) from exc


def _told(done: Done, ruleset: Ruleset) -> DryRunAnswer:
    found, changes = done.found, done.found.changes
    return DryRunAnswer(
        ruleset_hash=ruleset.hash,
        text=text_of(ruleset),
        differences=differences(done.live, ruleset),
        max_change=DEFAULT_MAX_CHANGE,
        within_budget=changes.changed_share <= DEFAULT_MAX_CHANGE,
        checkpoint=found.checkpoint,
        archive_head=found.archive_head,
        calendar_before=found.calendar_before,
        calendar_after=found.calendar_after,
        changes=_changes(changes),
    )


def _changes(changes: Changes) -> ChangesTold:
    return ChangesTold(
        ruleset_before=changes.ruleset_before,
        ruleset_after=changes.ruleset_after,
        counts=changes.counts,
        changed_share=changes.changed_share,
        by_rule=changes.by_rule,
        by_symbol=changes.by_symbol,
        other_symbols=changes.other_symbols,
        others=changes.others,
        by_year={str(year): counts for year, counts in changes.by_year.items()},
        samples=changes.samples,
    )


_BEFORE, _AFTER = "9f86d081884c7d65…", "5b1f6c1a2a2f4d0b…"
_COUNTS = Counts(before=1259, after=1259, newly_validated=1, rejudged=1, changed=1)

OPERATION = Operation(
    path="/api/v1/dry-run",
    summary="What a rebuild by edited rules would change",
    description=(
        "The archive is replayed by the rules beside the live projection, as `project --rebuild --dry-run` does, and "
        "nothing is written. It takes as long as a rebuild (90 s for 14 million bars, and 2 GiB), so each process "
        "of the server has one made at a time, by a process that stands behind all others and ends when its caller "
        "hangs up. Browsers may ask from this server's own page only. `project --rebuild --rules FILE`, with the text "
        "of the answer, applies it."
    ),
    params=DryRunParams,
    answer=DryRunAnswer,
    example=DryRunAnswer(
        ruleset_hash=_AFTER,
        text="# Ruleset 5b1f6c1a…\n\nvalidated_from = 0.85\n…",
        differences=[Difference("large_gap", "limit", "0.1", "0.2")],
        max_change=DEFAULT_MAX_CHANGE,
        within_budget=True,
        checkpoint=1024,
        archive_head=1024,
        calendar_before="exchange_calendars 4.13.2 XNYS",
        calendar_after="exchange_calendars 4.13.2 XNYS",
        changes=ChangesTold(
            ruleset_before=_BEFORE,
            ruleset_after=_AFTER,
            counts=_COUNTS,
            changed_share=_COUNTS.changed_share,
            by_rule={"large_gap": RuleChanges(before=3, after=2, no_longer_failing=1, newly_validated=1)},
            by_symbol={"AAPL": _COUNTS},
            other_symbols=0,
            others=Counts(),
            by_year={"2020": _COUNTS},
            samples=(),
        ),
    ),
    handle=dry_run,
    errors=(
        CrossSite("cross-site"),
        InvalidParameter("rules", "no rules file", "rule large_gap: penalty is 2; it must be a number from 0 to 1"),
        DryRunFailed(str(UndecodablePayload(16, "Expected `array`, got `object` - at `$.results`"))),
        DryRunUnderWay(),
        *READ_ERRORS,
    ),
)
