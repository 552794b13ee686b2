"""What can go wrong in the projection.

ProjectError
├── InvalidRules          the rules file cannot be used; says which rule, which value, which bound
├── UndecodablePayload    a payload is JSON of a shape nobody here knows; replay stops before it
├── InvalidDecision       what a person decided cannot be written down; says which part and why
├── RefusedDecision       what a person decided has no object: no such bar, nothing to revoke, nothing to skip
├── DecisionWaits         a decision is archived, but could not be projected yet
├── NothingProjected      there is no projection yet
├── OutdatedProjection    the projection was made by other tables or rule code; it needs a rebuild
├── ProjectorBusy         another process is projecting
├── GenerationChanging    generations are swapped faster than one can be read
└── AuditFailed           raw and cleaned rows do not add up
"""

import datetime as dt
from pathlib import Path

from sql.errors import Misuse, WarehouseError


class ProjectError(WarehouseError):
    """The base of this room's errors."""


class InvalidRules(ProjectError, Misuse):
    """The rules file at `path` cannot be used."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"rules file {path}: {why}")
        self.path = path


class UndecodablePayload(ProjectError):
    """Payload `archive_seq` is JSON, but not of a shape the vendor is known to send."""

    def __init__(self, archive_seq: int, why: str) -> None:
        super().__init__(
            f"payload {archive_seq} cannot be decoded ({why}); nothing after {archive_seq - 1} is projected; "
            f"look at it with `archive show {archive_seq} --body`, or leave it out with "
            f"`--skip-payload {archive_seq} --because …`"
        )
        self.archive_seq = archive_seq


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


class ProjectorBusy(ProjectError):
    """Another process holds the projector's lock."""

    def __init__(self) -> None:
        super().__init__("another process is projecting; wait for it to finish")


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
