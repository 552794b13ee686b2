"""The wall clock of the machine in which a story takes place: it can be set while everything there runs.

Processes see it through a small library that is loaded into them (clock.c), the database's too. Where there is no C
compiler, or the library cannot be loaded, nobody's clock can be set.
"""

import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")
_LOOK = "import time; print(time.time())"


class Clock:
    """The clock; `environ` is what a process needs in order to live by it."""

    def __init__(self, file: Path, library: Path) -> None:
        self._file = file
        self.environ = {"LD_PRELOAD": str(library), "FAULT_CLOCK": str(file)}
        self.set_by(0)

    def set_by(self, seconds: int) -> None:
        """Let it be so many seconds later than it is."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", seconds))

    def works(self) -> bool:
        """Tell whether a process lives by it."""
        self.set_by(86_400)
        try:
            seen = subprocess.run(
                [sys.executable, "-c", _LOOK], env={**os.environ, **self.environ}, capture_output=True, check=True
            )
            return float(seen.stdout) - time.time() > 80_000
        except (subprocess.CalledProcessError, ValueError):
            return False
        finally:
            self.set_by(0)


def make_clock(folder: Path) -> Clock | None:
    """Return a clock whose files are in a folder that all users can read, None where there can be none."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    library, file = folder / "clock.so", folder / "clock"
    made = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        return None
    file.write_bytes(struct.pack("q", 0))
    for each in (library, file):
        each.chmod(0o755)
    clock = Clock(file, library)
    return clock if clock.works() else None
