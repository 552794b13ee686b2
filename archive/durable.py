"""A file that is there whole or not at all: written under a temporary name, flushed, read back from disk, renamed.

What stands between the writer and the bytes on disk (nothing, or encryption) is a `Wrapping`; sizes and hashes are of
the bytes on disk. It knows no payload and no backup.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import msgspec

from archive.errors import FileNotWritten

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class Wrapping(Protocol):
    """How files are kept on disk; `suffix` is what their names end in for it."""

    suffix: str

    def wrap(self, file: BinaryIO) -> AbstractContextManager[BinaryIO]:
        """Yield what to write plain bytes to, which go into `file` as they are kept."""

    def unwrap(self, file: BinaryIO) -> AbstractContextManager[BinaryIO]:
        """Yield what to read plain bytes from, of a `file` as they are kept."""


class Plain:
    """Files as they are."""

    suffix = ""

    def wrap(self, file: BinaryIO) -> AbstractContextManager[BinaryIO]:
        """Yield the file."""
        return nullcontext(file)

    def unwrap(self, file: BinaryIO) -> AbstractContextManager[BinaryIO]:
        """Yield the file."""
        return nullcontext(file)


PLAIN = Plain()


class Fingerprint(msgspec.Struct, frozen=True):
    """What a file is on disk; `sha256` is hex."""

    file_bytes: int
    sha256: str


class NewFile:
    """A file in the making: write to `file`; `written` says what came of it once it is there."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.written = Fingerprint(0, "")


@contextmanager
def new_file(path: Path, wrapping: Wrapping = PLAIN) -> Iterator[NewFile]:
    """Yield a file to write; when the block ends well it is at `path`, durable and proved readable, else nothing is.

    Raises: FileNotWritten, such as for a full disk, or one that gives back other bytes than it was given.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with _sink(path, temporary) as sink:
            with wrapping.wrap(cast(BinaryIO, sink)) as stream:
                new = NewFile(stream)
                yield new
            sink.sync()
        with _naming(path):
            new.written = sink.fingerprint()
            _require_same(path, fingerprint(temporary), new.written)
            temporary.replace(path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_file(path: Path, data: bytes, wrapping: Wrapping = PLAIN) -> Fingerprint:
    """Put `data` at `path` as `new_file` does, and return what is on disk."""
    with new_file(path, wrapping) as new:
        new.file.write(data)
    return new.written


def fingerprint(path: Path) -> Fingerprint:
    """Return what a file is on disk: read from there, and not left in the memory that others need.

    Raises: OSError.
    """
    with path.open("rb", buffering=0) as file:
        _forget_cached(file.fileno())
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        _forget_cached(file.fileno())
        return Fingerprint(file.tell(), sha256)


def sync_folder(folder: Path) -> None:
    """Make what was renamed or made in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forget_cached(descriptor: int) -> None:
    if hasattr(os, "posix_fadvise"):  # not on macOS
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _require_same(path: Path, found: Fingerprint, written: Fingerprint) -> None:
    if found != written:
        raise FileNotWritten(path, "the disk gives back other bytes than were written")


class _Sink(io.RawIOBase):
    """Bytes on their way to disk, counted and hashed; an error of the disk names the file."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self._bytes, self._sha256 = 0, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        with _naming(self._path):
            written = 0
            while written < len(view):
                written += os.write(self._descriptor, view[written:])
        self._bytes += len(view)
        self._sha256.update(view)
        return len(view)

    def sync(self) -> None:
        with _naming(self._path):
            os.fsync(self._descriptor)

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self._bytes, self._sha256.hexdigest())


@contextmanager
def _sink(path: Path, temporary: Path) -> Iterator[_Sink]:
    with _naming(path):
        descriptor = os.open(temporary, _CREATE, 0o666)
    try:
        yield _Sink(path, descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise FileNotWritten(path, exc.strerror or "unknown error") from exc
