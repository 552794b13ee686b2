"""Key files, and files encrypted to their keys: what opens them, and what is said where nothing does."""

import io
import os
import stat
import subprocess
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from archive.durable import new_file, write_file
from archive.errors import FileNotWritten
from ops.backup.encryption import AgeKey, make_key, read_key
from ops.backup.errors import IdentityNeeded, InvalidKeyFile, KeyFileExists, NotDecrypted
from tests.ops.backup.making import START, flip

DATA = os.urandom(1_000_000)


def _opened(path: Path, key: AgeKey) -> bytes:
    with path.open("rb") as file, key.unwrap(file) as plain:
        return plain.read()


def test_what_was_written_to_a_recipient_opens_with_its_identity_only(tmp_path: Path) -> None:
    key, other = make_key(tmp_path / "key", START), make_key(tmp_path / "other", START)
    recipient = AgeKey(key.recipient)
    write_file(tmp_path / "file", DATA, recipient)
    assert _opened(tmp_path / "file", read_key(tmp_path / "key")) == DATA
    assert DATA[:64] not in (tmp_path / "file").read_bytes()
    with pytest.raises(NotDecrypted, match=str(tmp_path / "file")):
        _opened(tmp_path / "file", other)
    with pytest.raises(IdentityNeeded, match=key.recipient):
        _opened(tmp_path / "file", recipient)


@pytest.mark.parametrize("at", [0, 300, 70_000, -1])
def test_an_altered_file_does_not_open(tmp_path: Path, at: int) -> None:
    key = make_key(tmp_path / "key", START)
    write_file(tmp_path / "file", DATA, key)
    flip(tmp_path / "file", at)
    with pytest.raises(NotDecrypted):
        _opened(tmp_path / "file", key)


def test_a_file_that_is_cut_short_does_not_open(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", START)
    write_file(tmp_path / "file", DATA, key)
    os.truncate(tmp_path / "file", 500_000)
    with pytest.raises(NotDecrypted):
        _opened(tmp_path / "file", key)


def test_who_reads_may_stop_early(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", START)
    write_file(tmp_path / "file", DATA, key)
    with (tmp_path / "file").open("rb") as file, key.unwrap(file) as plain:
        assert plain.read(10) == DATA[:10]


def test_a_disk_that_takes_no_more_is_named_through_the_encryption(tmp_path: Path) -> None:
    class Full(io.RawIOBase):
        def write(self, data: object) -> int:
            raise FileNotWritten(tmp_path / "file", "No space left on device")

    key = make_key(tmp_path / "key", START)
    with pytest.raises(FileNotWritten, match="No space left"), key.wrap(cast(BinaryIO, Full())) as plain:
        plain.write(DATA)


def test_what_breaks_off_the_writing_leaves_nothing(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", START)
    with pytest.raises(RuntimeError, match="broken off"), new_file(tmp_path / "file", key) as new:
        new.file.write(DATA)
        raise RuntimeError("broken off")
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_key_file_is_its_owners_and_is_never_written_over(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", START)
    text = (tmp_path / "key").read_text()
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert key.recipient in text
    with pytest.raises(KeyFileExists):
        make_key(tmp_path / "key", START)
    assert (tmp_path / "key").read_text() == text


def test_a_key_shows_no_secret(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", START)
    assert "AGE-SECRET-KEY" not in f"{key} {key!r} {vars(key)}"


@pytest.mark.parametrize("kind", ["none", "mistyped", "other words", "two keys", "bytes", "missing"])
def test_a_file_without_a_usable_key_is_refused_without_showing_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key"
    key, other = make_key(tmp_path / "a", START), make_key(tmp_path / "b", START)
    identity = (tmp_path / "a").read_text().splitlines()[-1]
    match kind:
        case "none":
            path.write_text("# a comment\n\n")
        case "mistyped":
            path.write_text(identity[:-1] + "\n")
        case "other words":
            path.write_text(f"password={identity}\n")
        case "two keys":
            path.write_text(f"{key.recipient}\n{other.recipient}\n")
        case "bytes":
            path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidKeyFile, match=f"key file {path}: ") as refused:
        read_key(path)
    assert identity[20:40] not in str(refused.value)


def test_a_file_may_hold_an_identity_and_its_recipient(tmp_path: Path) -> None:
    key = make_key(tmp_path / "a", START)
    (tmp_path / "key").write_text(f"{key.recipient}\n" + (tmp_path / "a").read_text())
    read_key(tmp_path / "key").require_identity()


def test_age_itself_opens_what_was_written(tmp_path: Path) -> None:
    try:
        subprocess.run(["age", "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no `age` command here")
    key = make_key(tmp_path / "key", START)
    write_file(tmp_path / "file", DATA, key)
    done = subprocess.run(["age", "-d", "-i", tmp_path / "key", tmp_path / "file"], check=True, capture_output=True)
    assert done.stdout == DATA
