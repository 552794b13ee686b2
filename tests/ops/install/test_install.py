"""`ops install` and `ops uninstall`, into a folder instead of a machine: what is written, shown, kept and removed."""

import os
import re
import stat
from pathlib import Path

import click
import pytest

from ops.cli import ops
from ops.install.apply import Applied, Systemd, take_back
from ops.install.crontab import parse_crontab, shipped_crontab
from ops.install.errors import CannotInstall, SystemdRefused
from ops.install.machine import service_user
from ops.install.plan import CRON_FILE
from ops.install.units import shipped_units
from ops.install.written import marked
from tests.command import complaint, run_command
from tests.ops.install.schedules import cron_lines

_SECRET = "a-key-of-mine-4711"
_SETTINGS = "etc/market-data-warehouse/settings"
_UNITS = "etc/systemd/system"
_FOR_DAEMON = ("install", "--user", "daemon")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be a person with a `.env` in the folder they are in, and nothing of the caller's; return that folder."""
    (tmp_path / ".env").write_text(f"POLYGON_API_KEY={_SECRET}\nUNIVERSE=AAPL,MSFT\nDATABASE_URL=\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("BACKUP_DIR", "DATABASE_URL", "WAREHOUSE_DATA", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty folder that stands for a machine."""
    folder = tmp_path / "machine"
    folder.mkdir()
    return folder


def _files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def _said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command of `ops` here, which takes a hundredth of the time of a process, and return what it printed."""
    capsys.readouterr()
    command = ops.commands[words[0]]
    command.invoke(command.make_context(words[0], list(words[1:])))
    return capsys.readouterr().out


def _shown(text: str) -> dict[str, str]:
    """Return the files that --dry-run said it would write, with their texts."""
    parts = re.split(r"^would write (\S+) \(mode \d{4}.*\):\n", text, flags=re.MULTILINE)[1:]
    return {path: body.split("\nwould ", 1)[0] for path, body in zip(parts[::2], parts[1::2], strict=True)}


def test_what_is_installed_is_what_was_shown_and_uninstalling_removes_it(
    capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    options = ["--backup-dir", "/mnt/backup"]
    shown = _said(capsys, *_FOR_DAEMON, "--root", str(root), *options, "--dry-run")
    assert _files(root) == {}

    said = _said(capsys, *_FOR_DAEMON, "--root", str(root), *options)
    files = _files(root)
    assert set(files) == {_SETTINGS, *(f"{_UNITS}/{unit}" for unit in shipped_units())}
    promised = _shown(shown)
    assert set(promised) == {str(root / path) for path in files}
    for path, text in files.items():
        if path != _SETTINGS:
            assert promised[str(root / path)].rstrip("\n") == text.rstrip("\n")
        assert f"wrote {root / path} (undo: rm {root / path})" in said

    again = _said(capsys, *_FOR_DAEMON, "--root", str(root), *options)
    assert "wrote" not in again
    assert "made" not in again
    assert _files(root) == files

    _said(capsys, "uninstall", "--root", str(root))
    assert _files(root) == {}
    assert not (root / _SETTINGS).parent.exists()
    assert (root / "var/lib/market-data-warehouse").exists(), "the data are nobody's to remove"


def test_secrets_are_in_the_settings_alone_which_only_their_user_reads(
    capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    shown = _said(capsys, *_FOR_DAEMON, "--root", str(root), "--dry-run")
    said = _said(capsys, *_FOR_DAEMON, "--root", str(root))
    files = _files(root)
    assert [path for path, text in files.items() if _SECRET in text] == [_SETTINGS]
    assert _SECRET not in shown + said
    assert "POLYGON_API_KEY=" in shown
    assert stat.S_IMODE((root / _SETTINGS).stat().st_mode) == 0o600
    assert stat.S_IMODE((root / _UNITS / "warehouse-api.service").stat().st_mode) == 0o644
    assert stat.S_IMODE((root / "var/lib/market-data-warehouse").stat().st_mode) == 0o700
    settings = files[_SETTINGS].splitlines()
    assert "DATABASE_URL='postgresql://postgres@/postgres?host=/var/lib/market-data-warehouse/postgres'" in settings
    assert "UNIVERSE=AAPL,MSFT" in settings


def test_what_a_person_edited_stays(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    _said(capsys, *_FOR_DAEMON, "--root", str(root))
    unit, settings = root / _UNITS / "warehouse-api.service", root / _SETTINGS
    edited = unit.read_text().replace("ExecStart=", "Nice=5\nExecStart=")
    unit.write_text(edited)
    settings.write_text(settings.read_text().replace(_SECRET, "another"))

    said = _said(capsys, *_FOR_DAEMON, "--root", str(root))
    assert f"left {unit}: it was edited; --overwrite replaces it" in said
    assert unit.read_text() == edited
    _said(capsys, "uninstall", "--root", str(root))
    assert set(_files(root)) == {f"{_UNITS}/{unit.name}", _SETTINGS}

    _said(capsys, *_FOR_DAEMON, "--root", str(root), "--overwrite")
    assert "Nice=5" not in unit.read_text()
    assert "another" in settings.read_text()


def test_a_database_of_ones_own_needs_no_unit_for_the_embedded_one(
    capsys: pytest.CaptureFixture[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://kim:se%40cret@db.example/warehouse"
    monkeypatch.setenv("DATABASE_URL", url)
    shown = _said(capsys, *_FOR_DAEMON, "--root", str(root), "--dry-run")
    said = _said(capsys, *_FOR_DAEMON, "--root", str(root))
    assert not (root / _UNITS / "warehouse-database.service").exists()
    assert f"DATABASE_URL={url}" in (root / _SETTINGS).read_text()
    assert "se%40cret" not in shown + said
    # Later on the settings decide, not the shell that happens to call.
    monkeypatch.delenv("DATABASE_URL")
    assert "warehouse-database" not in _said(capsys, *_FOR_DAEMON, "--root", str(root))


def test_without_a_backup_folder_it_says_that_nothing_is_backed_up(
    capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    assert "Nothing is backed up" in _said(capsys, *_FOR_DAEMON, "--root", str(root))
    assert not (root / _UNITS / "warehouse-backup.timer").exists()


def test_for_cron_it_writes_the_crontab_with_user_and_folders(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    options = ["--cron", "--backup-dir", "/mnt/backup"]
    shown = _said(capsys, *_FOR_DAEMON, "--root", str(root), *options, "--dry-run")
    _said(capsys, *_FOR_DAEMON, "--root", str(root), *options)
    [(path, text)] = _files(root).items()
    assert path == "etc/cron.d/market-data-warehouse"  # a dot in the name, and cron would not read it
    assert _shown(shown)[str(root / path)].strip() == text.strip()
    assert "BACKUP_DIR=/mnt/backup" in text
    system_wide = list(cron_lines(text))
    assert len(system_wide) == len(parse_crontab(shipped_crontab()))
    for (fields, command), (shipped_fields, shipped_command) in zip(
        system_wide, cron_lines(shipped_crontab()), strict=True
    ):
        assert (fields, command) == (shipped_fields, f"daemon {shipped_command}")
    _said(capsys, "uninstall", "--root", str(root))
    assert _files(root) == {}


@pytest.mark.parametrize(
    ("words", "settings", "said"),
    [
        (["--user", "root"], {}, "do not run as root"),
        (["--user", "nobody-of-that-name"], {}, "there is no user nobody-of-that-name"),
        (["--user", "daemon", "--backup-dir", "/mnt/my disk"], {}, "/mnt/my disk: a path in a unit"),
        (
            ["--user", "daemon"],
            {"WAREHOUSE_DATA": "/mnt/" + "d" * 90},
            "is 95 bytes long; for a socket in it at most 84",
        ),
        (["--user", "daemon", "--cron"], {}, "--cron wants --backup-dir"),
        (["--as-user", "--cron"], {}, "--as-user goes neither"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    words: list[str],
    settings: dict[str, str],
    said: str,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises((CannotInstall, click.UsageError)) as refused:
        _said(capsys, "install", "--root", str(root), *words)
    assert said in str(refused.value)
    assert _files(root) == {}


def test_settings_that_lack_a_database_are_refused_with_the_line_to_add(
    capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    (root / _SETTINGS).parent.mkdir(parents=True)
    (root / _SETTINGS).write_text("WAREHOUSE_DATA=/srv/w\nDATABASE_URL=\n")
    with pytest.raises(CannotInstall, match="DATABASE_URL='postgresql://"):
        _said(capsys, *_FOR_DAEMON, "--root", str(root))


def test_as_user_it_writes_into_the_persons_own_folders(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, root: Path, home: Path
) -> None:
    monkeypatch.setenv("WAREHOUSE_DATA", "/srv/w")
    said = _said(capsys, "install", "--as-user", "--root", str(root))
    config = root / home.relative_to("/") / ".config"
    assert (config / "systemd/user/warehouse-ingest.service").exists()
    assert stat.S_IMODE((config / "market-data-warehouse/settings").stat().st_mode) == 0o600
    assert "enable-linger" in said
    _said(capsys, "uninstall", "--as-user", "--root", str(root))
    assert _files(root) == {}


def test_the_command_leaves_with_one_line_where_there_is_no_systemd_to_tell(home: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "WAREHOUSE_DATA": "/srv/w"}
    done = run_command(environ, "ops", "install", "--as-user")
    assert done.returncode == 2
    assert "no systemd running" in complaint(done)


def test_systemd_is_told_to_stop_no_template(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    """It can stop what was made of one, but not the template itself, and would refuse all of them."""
    _said(capsys, *_FOR_DAEMON, "--root", str(root), "--backup-dir", "/mnt/backup")
    said: list[str] = []
    paths = [Path("/", _UNITS, unit) for unit in shipped_units()]
    take_back(paths, Path("/etc"), Applied(root, Systemd(as_user=False)), said.append, dry_run=True)
    told = said[0].removeprefix("would run systemctl disable --now ").split()
    assert set(told) == set(shipped_units()) - {"warehouse-watch@.service"}


def test_what_was_installed_for_cron_is_removed_where_there_is_no_systemd(
    monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.setenv("PATH", str(root))
    written = root / CRON_FILE.name
    written.write_text(marked("a crontab"))
    said: list[str] = []
    take_back([written], root / "config", Applied(None, Systemd(as_user=False)), said.append, dry_run=False)
    assert said == [f"removed {written}"]
    with pytest.raises(SystemdRefused, match="`systemctl daemon-reload` failed: No such file"):
        Systemd(as_user=False).tell("daemon-reload")


def test_a_person_whom_the_machine_has_no_name_for_is_asked_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(CannotInstall, match="user 4000000000 has no name here: name one with --user"):
        service_user(None, {})
