"""What can go wrong in the projection.

ProjectError
├── InvalidRules          the rules file cannot be used; says which rule, which value, which bound
├── UndecodablePayload    a payload is JSON of a shape nobody here knows; replay stops before it
├── NothingProjected      there is no projection yet
├── OutdatedProjection    the projection was made by other tables or rule code; it needs a rebuild
├── ProjectorBusy         another process is projecting
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
            f"look at it with `archive show {archive_seq} --body`"
        )
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


class AuditFailed(ProjectError):
    """The rows of a session do not add up."""

    def __init__(self, session: dt.date, why: str) -> None:
        super().__init__(f"audit {session}: {why}")
        self.session = session
