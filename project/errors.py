"""What can go wrong in the projection.

ProjectError
├── InvalidRules          the rules file cannot be used; says which rule, which value, which bound
├── UnknownRuleset        no ruleset is called so, or several are
├── UndecodablePayload    a payload is JSON of a shape nobody here knows; replay stops before it
├── SpoolFull             rows cannot be put aside in the folder for temporary files
├── WorkerFailed          a process that decodes payloads ended too early
├── InvalidDecision       what a person decided cannot be written down; says which part and why
├── RefusedDecision       what a person decided has no object: no such bar, nothing to revoke, nothing to skip
├── DecisionWaits         a decision is archived, but could not be projected yet
├── NothingProjected      there is no projection yet
├── OutdatedProjection    the projection was made by other tables or rule code; it needs a rebuild
├── IncomparableProjection  the live projection cannot be read by this software
├── ChangeBudgetExceeded  a rebuild would change more than it may; nothing went live
├── VerificationFailed    the live projection is not what the archive says
├── NothingToRollBack     there is no generation to go back to
├── UnknownSymbols        no payload ever spoke of them
├── ProjectorBusy         another process is projecting
├── OutdatedDump          a dump was made by other tables, rule code or calendar; the archive is replayed instead
├── DamagedDump           the files of a dump do not hold what it says
├── GenerationChanging    generations are swapped faster than one can be read
└── AuditFailed           raw and cleaned rows do not add up
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sql.errors import Misuse, WarehouseError

if TYPE_CHECKING:
    from project.compare.changes import Changes


class ProjectError(WarehouseError):
    """The base of this room's errors."""


class InvalidRules(ProjectError, Misuse):
    """The rules file at `path` cannot be used; `why` says which rule, which value, which bound."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"rules file {path}: {why}")
        self.path, self.why = path, why


class UnknownRuleset(ProjectError, Misuse):
    """The text `name` does not tell one ruleset from all others."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"ruleset {name!r}: {why}")
        self.name = name


class UndecodablePayload(ProjectError):
    """Payload `archive_seq` is JSON, but not of a shape the vendor is known to send."""

    def __init__(self, archive_seq: int, why: str) -> None:
        super().__init__(
            f"payload {archive_seq} cannot be decoded ({why}); nothing after {archive_seq - 1} is projected; "
            f"look at it with `archive show {archive_seq} --body`, or leave it out with "
            f"`--skip-payload {archive_seq} --because …`"
        )
        self.archive_seq = archive_seq


class SpoolFull(ProjectError):
    """Decoded rows cannot be put aside in `folder`."""

    def __init__(self, folder: str, why: str) -> None:
        super().__init__(f"cannot put rows aside in {folder}: {why}; free space there, or set TMPDIR to another folder")
        self.folder = folder


class WorkerFailed(ProjectError):
    """A process that decodes payloads did not do its work."""

    def __init__(self, why: str) -> None:
        super().__init__(f"a process that decodes payloads failed: {why}; run the command again")


class InvalidDecision(ProjectError, Misuse):
    """The part `name` of a decision cannot be what it is."""

    def __init__(self, name: str, value: str, why: str) -> None:
        super().__init__(f"decision: {name} is {value!r}: {why}")
        self.name, self.value = name, value


class RefusedDecision(ProjectError):
    """There is nothing that could be decided so; nothing was archived."""


class DecisionWaits(ProjectError):
    """Decision `archive_seq` is archived and holds, but the projection does not show it yet."""

    def __init__(self, archive_seq: int, why: ProjectError) -> None:
        super().__init__(f"the decision is payload {archive_seq} and takes effect with the next replay; now {why}")
        self.archive_seq = archive_seq


class NothingProjected(ProjectError):
    """There is no projection yet."""

    def __init__(self) -> None:
        super().__init__("nothing is projected yet; run `project`")


class OutdatedProjection(ProjectError):
    """The live projection cannot be continued by this software."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the projection cannot be continued: {why}; run `project --rebuild`")


class IncomparableProjection(ProjectError):
    """The live projection cannot be set against another one."""

    def __init__(self) -> None:
        super().__init__(
            "the live projection cannot be compared with: its tables have another shape than this software's; "
            "`project --rebuild --yes` replaces it unseen"
        )


class ChangeBudgetExceeded(ProjectError):
    """A rebuild that makes these `changes` to the live projection was not promoted."""

    def __init__(self, changes: "Changes", most: float) -> None:
        super().__init__(
            f"the rebuild would change the validated status of {100 * changes.changed_share:.3g}% of the live bars, at "
            f"most {100 * most:.3g}% may change; the live projection is untouched; `project --rebuild --yes` applies it"
        )
        self.changes = changes


class VerificationFailed(ProjectError):
    """The live projection is not what the archive says by its rules."""

    def __init__(self, why: str) -> None:
        super().__init__(f"verification failed: {why}; `project --rebuild` makes it right")


class NothingToRollBack(ProjectError):
    """There is no generation to go back to."""

    def __init__(self, why: str) -> None:
        super().__init__(f"cannot roll back: {why}")


class UnknownSymbols(ProjectError, Misuse):
    """No payload ever spoke of these symbols."""

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__(f"no payload ever spoke of {', '.join(map(repr, symbols))}; upper and lower case matter")
        self.symbols = tuple(symbols)


class ProjectorBusy(ProjectError):
    """Another process holds the projector's lock."""

    def __init__(self) -> None:
        super().__init__("another process is projecting; wait for it to finish")


class OutdatedDump(ProjectError):
    """The dump of a generation is not what this software would have built; `why` says in what."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the dump of the projection cannot be loaded: {why}; replay the archive instead")
        self.why = why


class DamagedDump(ProjectError):
    """The files of a dump do not hold what it says; nothing of it went live."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the dump of the projection is damaged: {why}; nothing of it went live")


class GenerationChanging(ProjectError):
    """Generations are swapped faster than one can be read."""

    def __init__(self) -> None:
        super().__init__("the projection was swapped again and again while it was read; run the command again")


class AuditFailed(ProjectError):
    """The rows of a session, or else of a payload, do not add up."""

    def __init__(self, session: dt.date | None, why: str, archive_seq: int | None = None) -> None:
        super().__init__(f"audit {session or f'of payload {archive_seq}'}: {why}")
        self.session = session
        self.archive_seq = archive_seq
