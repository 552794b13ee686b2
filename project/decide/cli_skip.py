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


_MOST_AT_ONCE = 10_000


class _Payloads(click.ParamType[range]):
    """A payload, or the first and the last of several that follow each other."""

    name = "payloads"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> range:
        first, dash, last = str(value).partition("-")
        numbers = [int(each) for each in ([first, last] if dash else [first]) if each.isascii() and each.isdigit()]
        if len(numbers) != 1 + len(dash):
            self.fail(f"{value!r} is neither a payload such as 20 nor a range of them such as 20-34", param, ctx)
        asked = range(numbers[0], numbers[-1] + 1)
        if not asked.start:
            self.fail(f"{value!r}: payloads are numbered from 1", param, ctx)
        if not asked:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        if len(asked) > _MOST_AT_ONCE:
            self.fail(
                f"{value!r} is {len(asked):,} payloads, at most {_MOST_AT_ONCE:,} are skipped at once", param, ctx
            )
        return asked


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
        type=_Payloads(),
        metavar="SEQ[-SEQ]",
        help="Leave out payload SEQ, or all of a range, which cannot be decoded: a decision for each, archived and "
        "replayed. May be repeated.",
    )
    @because_option(required=False, help_text="Why a payload is skipped, one line.")
    @by_option
    @wraps(command)
    def with_skips(
        *args: Any, payloads: tuple[range, ...], because: str | None, by: str | None, **options: Any
    ) -> None:
        if payloads and because is None:
            raise click.UsageError("--skip-payload is a decision that is archived: say why with --because")
        if not payloads and (because is not None or by is not None):
            raise click.UsageError("--because and --by go with --skip-payload")
        asked = SkipsAsked((), "", "")
        if because is not None:
            asked = SkipsAsked(tuple(seq for each in payloads for seq in each), because.strip(), who(by))
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
