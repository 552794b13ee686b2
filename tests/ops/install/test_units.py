"""The shipped units, filled in: commands that exist, one sandbox for all, no secret, and systemd has no complaint."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ops.install.settings_file import embedded_url
from ops.install.units import Place, enabled_units, shipped_units, unit_names, unit_text
from tests.ops.install.known_commands import check_command
from tests.ops.install.unit_files import command_lines, read_unit, values

_COMMANDS = Path(sys.executable).absolute().parent
_PLACE = Place(
    commands=_COMMANDS,
    user="daemon",
    data=Path("/var/lib/market-data-warehouse"),
    settings=Path("/etc/market-data-warehouse/settings"),
    backup_dir=Path("/mnt/backup"),
    embedded=True,
)
_OF_A_USER = msgspec.structs.replace(_PLACE, user=None)
_UNITS = {name: read_unit(unit_text(name, _PLACE)) for name in shipped_units()}
_SERVICES = {name: unit for name, unit in _UNITS.items() if name.endswith(".service")}
_TIMED = {name.replace(".timer", ".service") for name in _UNITS if name.endswith(".timer")}
_WATCHES = ("warehouse-watch.service", "warehouse-watch@.service")
_HARDENED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "PrivateUsers": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "MemoryDenyWriteExecute": "yes",
    "SystemCallFilter": "@system-service",
    "UMask": "0077",
}
_GIBIBYTE = {"M": 1 / 1024, "G": 1}


def _require_systemd_analyze() -> None:
    """Skip where the program is missing, or knows no --offline."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    said = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.split()[1]) < 250:
        pytest.skip(f"systemd-analyze here is older than 250: {said.splitlines()[0]}")


def _service(name: str, directive: str) -> list[str]:
    return values(_UNITS[name], "Service", directive)


def test_every_unit_there_is_is_installed() -> None:
    assert sorted(unit_names(_PLACE)) == sorted(shipped_units())


def test_without_a_backup_folder_and_with_a_database_of_its_own_there_are_fewer() -> None:
    names = unit_names(msgspec.structs.replace(_PLACE, backup_dir=None, embedded=False))
    missing = set(shipped_units()) - set(names)
    jobs = {f"warehouse-{job}.{kind}" for job in ("backup", "drill") for kind in ("service", "timer")}
    assert missing == {"warehouse-database.service", *jobs}


def test_services_are_enabled_but_those_of_timers_and_the_one_of_failures() -> None:
    assert set(enabled_units(unit_names(_PLACE))) == set(_UNITS) - _TIMED - {"warehouse-watch@.service"}


@pytest.mark.parametrize("name", _SERVICES)
def test_its_command_and_its_options_exist(name: str) -> None:
    [words] = command_lines(_SERVICES[name])
    command = Path(words[0])
    assert command.parent == _COMMANDS
    assert command.exists()
    check_command([command.name, *words[1:]])


@pytest.mark.parametrize("name", _SERVICES)
def test_it_is_in_the_sandbox_and_runs_as_the_user(name: str) -> None:
    for directive, value in _HARDENED.items():
        assert value in _service(name, directive), directive
    assert _service(name, "User") == ["daemon"]
    assert _service(name, "EnvironmentFile") == ["/etc/market-data-warehouse/settings"]
    assert _service(name, "MemoryMax")


def test_the_sandbox_is_one() -> None:
    """Nine tenths of a unit are the same in all; a service that needs less of it must say so here."""
    sandboxes = {
        re.search(r"# What it may touch.*?UMask=0077\n", unit_text(name, _PLACE), re.DOTALL)[0]  # type: ignore[index]
        for name in _SERVICES
    }
    assert len(sandboxes) == 1


def test_only_their_own_folders_are_written_to() -> None:
    written = {name: _service(name, "ReadWritePaths") for name in _SERVICES}
    data, backups = ["/var/lib/market-data-warehouse"], ["-/mnt/backup"]
    assert written == {
        "warehouse-database.service": data,
        **dict.fromkeys(_WATCHES, data),
        "warehouse-backup.service": backups,
        "warehouse-drill.service": backups,
        "warehouse-ingest.service": [],
        "warehouse-api.service": [],
        "warehouse-scrub.service": [],
    }


@pytest.mark.parametrize("path", ["/home/kim/clone/.venv/bin", "/root/clone/.venv/bin"])
def test_homes_are_hidden_unless_something_is_in_one(path: str) -> None:
    text = unit_text("warehouse-api.service", msgspec.structs.replace(_PLACE, commands=Path(path)))
    assert values(read_unit(text), "Service", "ProtectHome") == ["read-only"]
    named = msgspec.structs.replace(_PLACE, read=(Path("/usr/lib"), Path("~/rules.toml")))
    assert "ProtectHome=read-only" in unit_text("warehouse-api.service", named)
    assert "ProtectHome=yes" in unit_text(
        "warehouse-api.service", msgspec.structs.replace(_PLACE, read=(Path("/usr"),))
    )


def test_what_fails_is_told_at_once_by_its_name_but_for_the_one_who_tells() -> None:
    """By a unit of its own for each that fails: to one that several would start, systemd does not say which did."""
    for name, unit in _SERVICES.items():
        assert values(unit, "Unit", "OnFailure") == ([] if name in _WATCHES else ["warehouse-watch@%n.service"])
    assert "MONITOR_UNIT=%i" in _service("warehouse-watch@.service", "Environment")


def test_the_two_watches_differ_in_who_starts_them_only() -> None:
    by_the_hour, on_failure = (
        {line for line in unit_text(name, _PLACE).splitlines() if not line.startswith("#")} for name in _WATCHES
    )
    assert {line.partition("=")[0] for line in by_the_hour ^ on_failure} == {
        "Description",
        "Environment",
        "StartLimitIntervalSec",
        "StartLimitBurst",
    }


def test_ingest_has_the_time_to_archive_what_is_on_the_wire() -> None:
    assert _service("warehouse-ingest.service", "KillMode") == ["mixed"]
    assert _service("warehouse-ingest.service", "TimeoutStopSec") == ["240"]
    assert _service("warehouse-ingest.service", "Restart") == ["on-failure"]
    assert _service("warehouse-ingest.service", "RestartSec") == ["60"]


def test_no_unit_but_its_own_can_start_the_embedded_server() -> None:
    """Who starts the server has it in its control group, and takes it along when it stops."""
    assert _service("warehouse-database.service", "UnsetEnvironment") == ["DATABASE_URL"]
    for name, unit in _SERVICES.items():
        if name != "warehouse-database.service":
            assert "warehouse-database.service" in values(unit, "Unit", "After")
            assert "warehouse-database.service" in values(unit, "Unit", "Wants")
            assert not _service(name, "UnsetEnvironment")
    assert embedded_url(_PLACE.data).startswith("postgresql://")


def test_what_may_run_at_once_fits_into_16_gb() -> None:
    limits = {
        name: float(text[:-1]) * _GIBIBYTE[text[-1]] for name in _SERVICES for text in _service(name, "MemoryMax")
    }
    always = sum(limit for name, limit in limits.items() if name not in {*_TIMED, *_WATCHES})
    assert always + max(limits[name] for name in _TIMED) + limits["warehouse-watch.service"] < 15


def test_timers_make_up_for_what_was_missed_and_long_jobs_give_way() -> None:
    for name in _UNITS:
        if name.endswith(".timer"):
            assert values(_UNITS[name], "Timer", "Persistent") == ["true"]
    for job in ("backup", "drill", "scrub"):
        assert _service(f"warehouse-{job}.service", "Nice") == ["10"]
        assert _service(f"warehouse-{job}.service", "IOSchedulingClass") == ["best-effort"]


def test_every_placeholder_is_filled_in_and_the_rest_is_read_alike_by_other_readers() -> None:
    for place in (_PLACE, _OF_A_USER):
        for name in shipped_units():
            text = unit_text(name, place)
            assert not re.search(r"@[A-Z_]+@", text), name
            other = configparser.ConfigParser(interpolation=None, strict=False)
            other.optionxform = str  # type: ignore[assignment, method-assign]
            other.read_string(text)
            assert set(other.sections()) == set(read_unit(text))


def test_a_users_systemd_is_asked_for_nothing_that_only_root_may() -> None:
    for name in shipped_units():
        unit = read_unit(unit_text(name, _OF_A_USER))
        names = {directive for directive, _ in unit.get("Service", [])}
        assert not {
            one
            for one in names
            if one.startswith(("Protect", "Private", "Capability")) or one in ("User", "IPAddressDeny")
        }
        assert values(unit, "Install", "WantedBy") in ([], ["default.target"], ["timers.target"])
        assert ("NoNewPrivileges" in names) == name.endswith(".service")


@pytest.mark.parametrize("place", [_PLACE, _OF_A_USER], ids=["system", "user"])
def test_systemd_has_no_complaint(place: Place, tmp_path: Path) -> None:
    _require_systemd_analyze()
    for name in shipped_units():
        (tmp_path / name).write_text(unit_text(name, place))
    mode = "--system" if place.user else "--user"
    done = subprocess.run(
        ["systemd-analyze", mode, "--man=no", "verify", *(str(tmp_path / name) for name in shipped_units())],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "warehouse-" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@pytest.mark.parametrize("name", _SERVICES)
def test_systemd_finds_it_little_exposed(name: str, tmp_path: Path) -> None:
    _require_systemd_analyze()
    file = tmp_path / name
    file.write_text(unit_text(name, _PLACE))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
