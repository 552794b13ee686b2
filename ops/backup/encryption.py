"""Files encrypted to an age key (https://age-encryption.org), read and written as streams: nothing plain touches disk.

A key file holds an identity (`AGE-SECRET-KEY-1…`), which opens and closes, or a recipient (`age1…`), which only
closes: a box that makes backups need not be able to read them. `age -d -i FILE` opens what was written here.
"""

import datetime as dt
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pyrage import DecryptError, EncryptError, IdentityError, RecipientError, decrypt_io, encrypt_io, x25519

from archive.durable import PLAIN, Wrapping
from ops.backup.errors import IdentityNeeded, InvalidKeyFile, KeyFileExists, NotDecrypted

_IDENTITY, _RECIPIENT = "AGE-SECRET-KEY-1", "age1"


class AgeKey:
    """A key to encrypt to and, where its identity is known, to decrypt with; a `Wrapping`. It shows no secret."""

    suffix = ".age"

    def __init__(self, recipient: str, identity: x25519.Identity | None = None) -> None:
        self.recipient = recipient
        self._identity = identity

    def __repr__(self) -> str:
        return f"AgeKey({self.recipient!r})"

    def require_identity(self) -> None:
        """Refuse a key that opens nothing.

        Raises: IdentityNeeded.
        """
        if self._identity is None:
            raise IdentityNeeded(self.recipient)

    @contextmanager
    def wrap(self, file: BinaryIO) -> Iterator[BinaryIO]:
        """Yield what to write plain bytes to; what `file` raises is raised here."""
        sink = _Remembering(file)

        def encrypt(plain: BinaryIO) -> None:
            try:
                encrypt_io(plain, sink, [x25519.Recipient.from_str(self.recipient)])
            except EncryptError:
                if sink.failure is not None:
                    raise sink.failure from None
                raise

        with _written_through(encrypt) as stream:
            yield stream

    @contextmanager
    def unwrap(self, file: BinaryIO) -> Iterator[BinaryIO]:
        """Yield what to read plain bytes from.

        Raises: IdentityNeeded; NotDecrypted, at the end at the latest.
        """
        self.require_identity()

        def decrypt(plain: BinaryIO) -> None:
            sink = _Remembering(plain)
            try:
                decrypt_io(file, sink, [self._identity])
            except (DecryptError, OSError) as exc:
                # Whoever reads may stop early; that is no fault of the file.
                if not isinstance(sink.failure, BrokenPipeError):
                    raise NotDecrypted(file.name) from exc

        with _read_through(decrypt) as stream:
            yield stream


def wrapping_of(key: AgeKey | None) -> Wrapping:
    """Return how files are kept with this key, or without one."""
    return PLAIN if key is None else key


def read_key(path: Path) -> AgeKey:
    """Return the one key of a key file; blank lines and lines beginning with # mean nothing.

    Raises: InvalidKeyFile, which shows no line of it.
    """
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except OSError as exc:
        raise InvalidKeyFile(path, exc.strerror or "cannot be read") from exc
    except UnicodeDecodeError as exc:
        raise InvalidKeyFile(path, "is no text") from exc
    keys = [_parse(path, line) for line in lines if line and not line.startswith("#")]
    if len({key.recipient for key in keys}) != 1:
        raise InvalidKeyFile(
            path, f"holds {len(keys)} keys; one identity {_IDENTITY}… or recipient {_RECIPIENT}… is needed"
        )
    # The identity of it, where there is one: it can do both.
    return next((key for key in keys if key._identity is not None), keys[0])


def make_key(path: Path, now: dt.datetime) -> AgeKey:
    """Write a new identity to `path`, readable for its owner only, and return it.

    Raises: KeyFileExists; InvalidKeyFile where the file cannot be made.
    """
    identity = x25519.Identity.generate()
    recipient = str(identity.to_public())
    note = f"# made {now:%Y-%m-%dT%H:%M:%SZ} for backups of the market data warehouse"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            try:
                file.write(f"{note}\n# recipient: {recipient}\n{identity}\n")
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                path.unlink()  # half a key is none, and would be in the way of the next
                raise
    except FileExistsError as exc:
        raise KeyFileExists(path) from exc
    except OSError as exc:
        raise InvalidKeyFile(path, exc.strerror or "cannot be written") from exc
    return AgeKey(recipient, identity)


def _parse(path: Path, line: str) -> AgeKey:
    try:
        if line.startswith(_IDENTITY):
            identity = x25519.Identity.from_str(line)
            return AgeKey(str(identity.to_public()), identity)
        if line.startswith(_RECIPIENT):
            x25519.Recipient.from_str(line)
            return AgeKey(line)
    except (IdentityError, RecipientError) as exc:
        raise InvalidKeyFile(path, "holds a key that is mistyped or cut short") from exc
    raise InvalidKeyFile(path, f"holds a line that is neither an identity {_IDENTITY}… nor a recipient {_RECIPIENT}…")


class _Remembering:
    """A file to write to, and what went wrong there: pyrage tells of it in words only."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except BaseException as exc:
            self.failure = exc
            raise

    def flush(self) -> None:
        self._file.flush()


@contextmanager
def _written_through(transform: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
    """Yield what to write to; a thread of its own hands it to `transform`, and what that raises is raised here."""
    read_end, write_end = os.pipe()
    with ThreadPoolExecutor(1, thread_name_prefix="age") as threads:
        done = threads.submit(_closing, transform, os.fdopen(read_end, "rb"))
        try:
            with _closed(os.fdopen(write_end, "wb")) as stream:
                yield stream
        except BrokenPipeError:
            done.result()  # says why nobody reads any more
            raise
        done.result()


@contextmanager
def _read_through(transform: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
    """Yield what to read from; a thread of its own lets `transform` write it, and what that raises is raised here."""
    read_end, write_end = os.pipe()
    with ThreadPoolExecutor(1, thread_name_prefix="age") as threads:
        done: Future[Any] = threads.submit(_closing, transform, os.fdopen(write_end, "wb"))
        try:
            with os.fdopen(read_end, "rb") as stream:
                yield stream
        finally:
            done.result()


def _closing(transform: Callable[[BinaryIO], None], end: BinaryIO) -> None:
    with _closed(end):
        transform(end)


@contextmanager
def _closed(end: BinaryIO) -> Iterator[BinaryIO]:
    """Close an end of a pipe, whatever becomes of the other."""
    try:
        yield end
    finally:
        with suppress(BrokenPipeError):
            end.close()
