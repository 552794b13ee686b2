"""What can go wrong while the warehouse is watched. No message holds an address that is called.

OpsError
├── InTrouble            something that is watched did not happen, or failed
├── FailedChecks         the doctor found something that does not work
├── NotTold              an alert or the heartbeat was not delivered
├── ScrubStopped         a scrub was ended by a signal
├── StateNotKept         whom was told of what cannot be written down
└── NobodyToTell         a test message without an address to send it to (a misuse)
"""

from collections.abc import Sequence
from pathlib import Path

from ops.errors import OpsError
from sql.errors import Misuse


class InTrouble(OpsError):
    """Something that is watched did not happen, or failed; `names` are the checks."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"the warehouse is in trouble: {', '.join(names)}")
        self.names = tuple(names)


class FailedChecks(OpsError):
    """The doctor found something that does not work; `names` are the checks."""

    def __init__(self, names: Sequence[str], looked_at: int) -> None:
        super().__init__(f"{len(names)} of {looked_at} checks failed: {', '.join(names)}")
        self.names = tuple(names)


class NotTold(OpsError):
    """What should have been told was not; `failures` are the reasons, each naming the setting it is about."""

    def __init__(self, failures: Sequence[str]) -> None:
        super().__init__("; ".join(failures))
        self.failures = tuple(failures)


class ScrubStopped(OpsError):
    """A scrub was ended by the signal `name`; nothing is proved."""

    def __init__(self, name: str) -> None:
        super().__init__(f"scrub stopped by {name}: nothing is proved; run it again")
        self.name = name


class StateNotKept(OpsError):
    """What was told cannot be remembered in `path`."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"what was told cannot be remembered in {path} ({why}), so the same trouble is told each time; "
            "point WAREHOUSE_DATA at a folder that can be written"
        )
        self.path = path


class NobodyToTell(OpsError, Misuse):
    """There is nobody to send a test message to."""

    def __init__(self) -> None:
        super().__init__("nobody is told of trouble: set ALERT_URL or ALERT_COMMAND")
