"""What `archive verify` and `ops scrub` share: the sample that is asked for, and the lines that say what was found."""

import secrets
from collections.abc import Callable
from typing import TypeVar

import click

from archive.sample import Sample
from archive.verify import Verification, VerificationFailed
from sql.command import print_json

F = TypeVar("F", bound=Callable[..., object])
_SEEDS = 1_000_000


def sample_options(command: F) -> F:
    """Give a command `percent` and `seed`, for `sample_of`."""
    seeded = click.option(
        "--seed", type=click.IntRange(min=0), help="Draw the sample that this number gives. Default: another each time."
    )
    sampled = click.option(
        "--sample",
        "percent",
        metavar="PERCENT",
        callback=_as_percent,
        help="Read the bodies of so many payloads only, drawn at random; still check everything else of all.",
    )
    return sampled(seeded(command))


def sample_of(percent: float | None, seed: int | None) -> Sample | None:
    """Return the sample that is asked for, None for every body."""
    if percent is None:
        if seed is not None:
            raise click.UsageError("--seed draws a sample: give --sample too")
        return None
    return Sample(percent, secrets.randbelow(_SEEDS) if seed is None else seed)


def tell_verified(found: Verification, sample: Sample | None, *, as_json: bool) -> None:
    """Print what was found.

    Raises: VerificationFailed where the archive is not whole.
    """
    if as_json:
        print_json(found)
    if found.first_bad is not None:
        raise VerificationFailed(found)
    if not as_json:
        _print_whole(found) if sample is None else _print_sampled(found, sample)


def _as_percent(_ctx: click.Context, _param: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 100:
        raise click.BadParameter(f"{text!r} is no percentage above 0 and up to 100, such as 5%")
    return percent


def _print_whole(found: Verification) -> None:
    seals = _counted(found.seals, "seal")
    click.echo(f"archive is whole: {_counted(found.payloads, 'payload')}, {found.body_bytes:,} bytes, {seals}")


def _print_sampled(found: Verification, sample: Sample) -> None:
    seals, bodies = _counted(found.seals, "seal"), _counted(found.sampled, "body", "bodies")
    click.echo(
        f"no fault found: the hash chain of {_counted(found.payloads, 'payload')}, {seals}, and {bodies} of "
        f"{found.body_bytes:,} bytes (--sample {sample.percent:g}% --seed {sample.seed})"
    )
    unread = _counted(found.payloads - found.sampled, "body", "bodies")
    click.echo(f"not read: {unread}; a change in those is seen by `archive verify` without --sample")


def _counted(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
