"""`--skip-payload` of the `project` command: payloads that nobody here can decode are left out, on a person's word."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

import asyncpg
import click
import msgspec

from project.decide.cli_decide import because_option, by_option, who
from project.decide.decide import decide_to_skip
from project.errors import DecisionWaits, ProjectError
from project.options import utc_now, with_pool
from project.ruleset import Ruleset
from sql.connect import Role

Command = Callable[..., None]


class SkipsAsked(msgspec.Struct, frozen=True):
    """What the command line asks to leave out, why, and who asks; `payloads` is empty where it asks for none."""

    payloads: tuple[int, ...]
    because: str
    by: str


def skip_options(command: Command) -> Command:
    """Add --skip-payload, --because and --by to a command, which gets them as one argument `skips`."""

    @click.option(
        "--skip-payload",
        "payloads",
        multiple=True,
        type=click.IntRange(min=1),
        metavar="SEQ",
        help="Leave out payload SEQ, which cannot be decoded: a decision, archived and replayed. May be repeated.",
    )
    @because_option(required=False, help_text="Why a payload is skipped, one line.")
    @by_option
    @wraps(command)
    def with_skips(*args: Any, payloads: tuple[int, ...], because: str | None, by: str | None, **options: Any) -> None:
        if payloads and because is None:
            raise click.UsageError("--skip-payload is a decision that is archived: say why with --because")
        if not payloads and (because is not None or by is not None):
            raise click.UsageError("--because and --by go with --skip-payload")
        asked = SkipsAsked(payloads, because.strip(), who(by)) if because is not None else SkipsAsked((), "", "")
        command(*args, skips=asked, **options)

    return with_skips


def archive_skips(skips: SkipsAsked, ruleset: Ruleset) -> dict[int, int]:
    """Archive what was asked; return each payload with its decision's archive_seq.

    Raises: UnknownPayload; RefusedDecision for a payload that decodes.
    """
    if not skips.payloads:
        return {}

    async def decide(pool: asyncpg.Pool) -> dict[int, int]:
        return await decide_to_skip(pool, ruleset, skips.payloads, skips.because, skips.by, utc_now())

    return with_pool(Role.INGEST, decide)


@contextmanager
def decided(decisions: Mapping[int, int]) -> Iterator[None]:
    """Let an error of the replay inside say that decisions were archived before it.

    Raises: DecisionWaits.
    """
    try:
        yield
    except ProjectError as exc:
        if not decisions:
            raise
        raise DecisionWaits(max(decisions.values()), exc) from exc


def skip_facts(decisions: Mapping[int, int]) -> dict[str, object]:
    """Return what a run adds to its facts: each payload that it was told to skip, and the decision that says so."""
    return {"skipped_payloads": dict(decisions)} if decisions else {}
