"""What can go wrong when a backup is put back.

BackupError
├── NotEmpty          the database to restore into holds something already
├── NotThisBackup     no restore of this backup stopped in the database
├── RestoreRunning    another process restores into the database
├── RestoreStopped    the restore was asked to end
├── RestoredOtherwise everything is there, but a replay does not give what the backup recorded
├── DrillRunning      another process drills with this database
├── DrillStopped      the drill was asked to end
├── DrillFailed       what was restored is not what it should be
├── NoRoomForDrill    there is too little space for the drill's database
└── ScratchRefused    the server makes no database for the drill
"""

from ops.backup.errors import BackupError


class NotEmpty(BackupError):
    """The database holds `payloads`, or a projection; a restore writes over nothing."""

    def __init__(self, database: str, payloads: int, is_projected: bool) -> None:
        projection = " and a projection" if is_projected else ""
        super().__init__(
            f"database {database} is not empty: it holds {payloads:,} payloads{projection}; nothing was changed; "
            "restore into an empty one (createdb, or WAREHOUSE_DATA=FOLDER); --resume goes on where a killed restore "
            "stopped"
        )
        self.payloads = payloads


class NotThisBackup(BackupError):
    """The database does not hold the beginning of this backup and nothing else."""

    def __init__(self, database: str, why: str) -> None:
        super().__init__(f"no restore of this backup stopped in database {database}: {why}; nothing was changed")


class RestoreRunning(BackupError):
    """Another process restores into the database."""

    def __init__(self, database: str) -> None:
        super().__init__(f"another process restores into database {database}; wait for it to finish")


class RestoreStopped(BackupError):
    """The signal `name` ended a restore before its time."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the restore was stopped by {name}; the same command with --resume goes on where it stopped")
        self.name = name


class RestoredOtherwise(BackupError):
    """Archive, ledger and keys are restored and proved; the projection differs from what backup `name` recorded."""

    def __init__(self, name: str, checkpoint: int, found: str, recorded: str) -> None:
        super().__init__(
            f"everything of backup {name} is restored, but a replay of its first {checkpoint:,} payloads gives content "
            f"{found[:12]}, and the backup recorded {recorded[:12]}: the projection was not what its archive says"
        )


class DrillRunning(BackupError):
    """Another process drills with this database."""

    def __init__(self) -> None:
        super().__init__("another process is at a drill of this database; wait for it to finish")


class DrillStopped(BackupError):
    """The signal `name` ended a drill before its time."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the drill was stopped by {name}; its scratch database is dropped")
        self.name = name


class DrillFailed(BackupError):
    """What came of restoring backup `name` is not what it should be."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"drill of backup {name} failed: {why}")
        self.name = name


class NoRoomForDrill(BackupError):
    """`folder` has fewer bytes `free` than the scratch database is estimated to need."""

    def __init__(self, folder: str, needed: int, free: int, instead: str) -> None:
        super().__init__(
            f"the drill's database needs about {needed:,} bytes in {folder}, {free:,} are free; or: {instead}"
        )


class ScratchRefused(BackupError):
    """The server makes no database `name`; `why` is its own word."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the server makes no database {name} for the drill ({why}); --scratch embedded needs none")
