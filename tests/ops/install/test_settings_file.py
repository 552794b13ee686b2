"""The settings file: systemd, a shell and python-dotenv read the same values from it."""

import re
import subprocess
from pathlib import Path

import pytest

from ops.install.errors import CannotInstall
from ops.install.settings_file import embedded_url, read_settings, settings_text
from ops.install.written import State, marked, state_of

_VALUES = {
    "PLAIN": "AAPL,MSFT",
    "SPACES": "a b  c",
    "DOLLAR": "pa$$word`id`",
    "ONLY_DOLLAR": "pa$$word",
    "HASH": "before # after",
    "QUOTES": 'say "x"',
    "APOSTROPHE": "it's",
    "BACKSLASH": r"a\b",
    "UMLAUT": "Zürich",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a settings file with values that are hard to quote."""
    path = tmp_path / "settings"
    data = tmp_path / "data"
    path.write_text(marked(settings_text(data, embedded_url(data), _VALUES, tmp_path / ".env")))
    return path


def test_dotenv_reads_what_was_written(file: Path) -> None:
    assert _VALUES.items() <= read_settings(file).items()


def test_a_shell_reads_what_was_written(file: Path) -> None:
    script = f". {file}; env -0"
    done = subprocess.run(["/bin/sh", "-ac", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=True)
    found = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line)
    assert _VALUES.items() <= found.items()


def test_systemd_reads_what_was_written(file: Path) -> None:
    """By its rules: within '' everything is literal, within "" all but a backslash, " $ and `."""
    found = {}
    for line in file.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, text = line.partition("=")
        literal = re.fullmatch(r"""'([^']*)'|"([^"$`\\]*)"|([^\s'"\\$`#]*)""", text)
        assert literal, line
        found[name] = next(part for part in literal.groups() if part is not None)
    assert _VALUES.items() <= found.items()


@pytest.mark.parametrize("value", ["two\nlines", "it's $5"])
def test_a_value_that_no_file_can_hold_is_refused_without_being_shown(value: str, tmp_path: Path) -> None:
    with pytest.raises(CannotInstall, match="setting SECRET") as refused:
        settings_text(tmp_path, "postgresql://h/d", {"SECRET": value}, tmp_path)
    assert value not in str(refused.value)


def test_what_was_edited_is_known_from_what_was_not(file: Path) -> None:
    assert state_of(file) is State.OURS
    file.write_text(file.read_text().replace("AAPL", "IBM"))
    assert state_of(file) is State.THEIRS
    file.write_text("by hand\n")
    assert state_of(file) is State.THEIRS
    assert state_of(file.with_name("nothing")) is State.ABSENT
