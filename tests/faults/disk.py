"""A small disk that can be full and be freed again: a tmpfs of its own, where the user may mount one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PIECE = 4096


class SmallDisk:
    """A mounted file system with room for little."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, leave_bytes: int) -> None:
        """Use up all room but so much."""
        with self._ballast.open("ab") as file:
            while (more := shutil.disk_usage(self.folder).free - leave_bytes) >= _PIECE:
                with suppress(OSError):  # others were faster
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, more // _PIECE * _PIECE)

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk | None]:
    """Yield a small disk mounted at an empty folder, None where mounting is not allowed."""
    options = f"size={megabytes}m,mode=0755"
    command = ["mount", "-t", "tmpfs", "-o", options, "warehouse-faults", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
