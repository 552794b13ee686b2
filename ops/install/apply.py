"""Carrying a plan out, taking it back, and saying each thing that was done with what undoes it.

With a root folder it writes there instead, and tells systemd nothing.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ops.install.errors import SystemdRefused
from ops.install.plan import File, Folder, Plan
from ops.install.units import is_template
from ops.install.written import State, state_of

Say = Callable[[str], None]


class Systemd(msgspec.Struct, frozen=True):
    """The systemd to tell: the machine's, or that of a user."""

    as_user: bool

    @property
    def command(self) -> tuple[str, ...]:
        """The beginning of a command line that tells it something."""
        return ("systemctl", "--user") if self.as_user else ("systemctl",)

    def tell(self, *words: str) -> None:
        """Tell it something.

        Raises: SystemdRefused with its own words.
        """
        command = [*self.command, *words]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
        except OSError as exc:
            raise SystemdRefused(" ".join(command), exc.strerror or type(exc).__name__) from exc
        if done.returncode:
            raise SystemdRefused(" ".join(command), done.stderr.strip())


class Applied(msgspec.Struct, frozen=True):
    """Where a plan is carried out: this machine, or the folder `root`; `systemd` is None where none is told."""

    root: Path | None
    systemd: Systemd | None

    def here(self, path: Path) -> Path:
        """Return where a path of the machine really is."""
        return path if self.root is None else self.root / path.relative_to("/")


def describe(plan: Plan, on: Applied, say: Say) -> None:
    """Say all that `carry_out` would do, with the text of every file."""
    for folder in plan.folders:
        if not on.here(folder.path).is_dir():
            say(f"would make {on.here(folder.path)} (mode {folder.mode:04o}{_of(folder.owner)})")
    for file in plan.files:
        path = on.here(file.path)
        match _fate(file, path, overwrite=False):
            case "write":
                say(f"would write {path} (mode {file.mode:04o}{_of(file.owner)}):\n{file.shown}")
            case fate:
                say(f"would leave {path}: {fate}")
    if on.systemd is not None:
        for words in _commands(plan, [file.path.name for file in plan.files]):
            say(f"would run {' '.join([*on.systemd.command, *words])}")


def carry_out(plan: Plan, on: Applied, say: Say, *, overwrite: bool) -> None:
    """Do it. What was done already is left alone, and so is what a person edited, unless told to `overwrite` it.

    Raises: SystemdRefused.
    """
    for folder in plan.folders:
        _make(folder, on, say)
    changed = [file.path.name for file in plan.files if _write(file, on, say, overwrite=overwrite)]
    if on.systemd is None:
        return
    for words in _commands(plan, changed):
        on.systemd.tell(*words)
    command = " ".join(on.systemd.command)
    for unit in plan.enabled:
        say(f"enabled and started {unit} (undo: {command} disable --now {unit})")


def take_back(paths: Sequence[Path], folder: Path, on: Applied, say: Say, *, dry_run: bool) -> None:
    """Disable units and remove files that `carry_out` wrote; what a person edited stays, and is named.

    `folder` goes too once it is empty.

    Raises: SystemdRefused.
    """
    present = [path for path in paths if state_of(on.here(path)) is not State.ABSENT]
    units = [path.name for path in present if path.suffix in (".service", ".timer") and not is_template(path.name)]
    if on.systemd is not None and units:
        words = ("disable", "--now", *units)
        say(f"{'would run' if dry_run else 'ran'} {' '.join([*on.systemd.command, *words])}")
        if not dry_run:
            on.systemd.tell(*words)
    for path in map(on.here, present):
        if state_of(path) is State.THEIRS:
            say(f"left {path}: it was edited")
            continue
        say(f"{'would remove' if dry_run else 'removed'} {path}")
        if not dry_run:
            path.unlink()
            with contextlib.suppress(OSError):
                on.here(folder).rmdir()  # it may hold what is not ours
    if on.systemd is not None and units and not dry_run:
        on.systemd.tell("daemon-reload")


def _make(folder: Folder, on: Applied, say: Say) -> None:
    path = on.here(folder.path)
    if path.is_dir():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=folder.mode)
    _own(path, folder.owner, on)
    say(f"made {path} (undo: rmdir {path})")


def _write(file: File, on: Applied, say: Say, *, overwrite: bool) -> bool:
    """Write a file at once and whole; tell whether it changed."""
    path = on.here(file.path)
    fate = _fate(file, path, overwrite=overwrite)
    if fate != "write":
        say(f"left {path}: {fate}")
        return False
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode), "w") as out:
        os.fchmod(out.fileno(), file.mode)
        out.write(file.text)
    _own(draft, file.owner, on)
    draft.replace(path)
    say(f"wrote {path} (undo: rm {path})")
    return True


def _fate(file: File, path: Path, *, overwrite: bool) -> str:
    """Return `write`, or why a file is left alone."""
    state = state_of(path)
    if state is State.ABSENT:
        return "write"
    if file.theirs:
        return "the settings are yours"
    if path.read_text(errors="replace") == file.text:
        return "nothing has changed"
    if state is State.THEIRS and not overwrite:
        return "it was edited; --overwrite replaces it"
    return "write"


def _own(path: Path, owner: str | None, on: Applied) -> None:
    """Give a file to its owner, on the machine itself."""
    if on.root is None and owner is not None:
        shutil.chown(path, owner)


def _of(owner: str | None) -> str:
    return f", of {owner}" if owner else ""


def _commands(plan: Plan, changed: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what systemd is told: what runs by a unit that changed begins anew, and what does not run begins."""
    if not plan.enabled:
        return []
    restarted = [unit for unit in plan.enabled if unit in changed]
    return [
        ("daemon-reload",),
        ("enable", *plan.enabled),
        *([("try-restart", *restarted)] if restarted else []),
        ("start", *plan.enabled),
    ]
