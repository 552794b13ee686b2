"""What `ops install` wrote, told from what a person wrote or edited: each file ends with the hash of the rest of it."""

import hashlib
from enum import Enum
from pathlib import Path

_MARK = "# `ops install` wrote the lines above; it leaves them alone once they differ from "


class State(Enum):
    """How a file stands to us."""

    ABSENT = "absent"
    OURS = "as we wrote it"
    THEIRS = "written or edited by somebody else"


def marked(text: str) -> str:
    """Return a text with the mark by which `state_of` knows it again."""
    return f"{text}\n{_MARK}{_hash(text)}\n"


def state_of(path: Path) -> State:
    """Return whether a file is there, and whose it is."""
    try:
        written = path.read_text(errors="replace")
    except FileNotFoundError:
        return State.ABSENT
    text, mark, digest = written.rpartition(f"\n{_MARK}")
    return State.OURS if mark and digest == f"{_hash(text)}\n" else State.THEIRS


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
