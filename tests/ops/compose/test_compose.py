"""docker-compose.yml, as far as it can be tried without Docker: what it says is what we can run, and hold, and hide."""

import ast
import re
import shlex
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest

from ops.compose.logins import JOBS, PREFIX
from tests.ops.compose.composed import FILE, ROOT, Unset, ours, read_compose, services

SET = {
    "POSTGRES_PASSWORD": "owner-password",
    "WAREHOUSE_INGEST_PASSWORD": "ingest-password",
    "WAREHOUSE_PROJECT_PASSWORD": "project-password",
    "WAREHOUSE_READ_PASSWORD": "read-password",
    "WAREHOUSE_BACKUP_PASSWORD": "backup-password",
    "POLYGON_API_KEY": "vendor-key",
    "BACKUP_DIR": "/mnt/backup",
}
# Who holds which secret; the owner's and the vendor's too, where a person works by hand.
HOLDS = {
    "database": {"POSTGRES_PASSWORD"},
    "migrate": {"POSTGRES_PASSWORD", *(job.setting for job in JOBS.values())},
    "ingest": {"WAREHOUSE_INGEST_PASSWORD", "WAREHOUSE_PROJECT_PASSWORD", "POLYGON_API_KEY"},
    "api": {"WAREHOUSE_READ_PASSWORD"},
    "backup": {"WAREHOUSE_BACKUP_PASSWORD"},
    "projector": {"WAREHOUSE_PROJECT_PASSWORD"},
    "owner": {"POSTGRES_PASSWORD", "POLYGON_API_KEY"},
}
LOGIN_OF = {"ingest": "ingest", "api": "api", "backup": "backup", "projector": "projector"}
# Read by the system and by Python, not by our code.
SYSTEMS_OWN = {"TZ"}
BOX_BYTES = 16 * 2**30
UNITS = {"m": 2**20, "g": 2**30}

SERVICES = read_compose()["services"]
BY_HAND = {name for name, each in SERVICES.items() if "profiles" in each}
ONCE = BY_HAND | {"migrate"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_no_more_than_its_job(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(int(number) > 0 for number in service["user"].split(":"))
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "userns_mode"} & service.keys()
    assert "docker.sock" not in str(service.get("volumes", ""))
    assert service["pids_limit"] <= 512


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_kept_up_and_within_bounds(name: str) -> None:
    service = SERVICES[name]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert _bytes(service["mem_limit"]) > 0
    check = service["healthcheck"]
    assert check == {"disable": True} if name in ONCE else {"test", "interval", "timeout", "retries"} <= check.keys()
    assert re.fullmatch(r"[\w./-]+:\d+(\.\d+)+(-pg\d+)?", service["image"]), "pinned by version"


def test_all_that_runs_at_once_leaves_the_box_some_memory() -> None:
    held = sum(_bytes(each["mem_limit"]) for name, each in SERVICES.items() if name not in ONCE)
    assert held <= BOX_BYTES - 2 * 2**30
    settings = dict(word.removeprefix("-c").split("=") for word in SERVICES["database"]["command"][1:])
    given = _bytes(SERVICES["database"]["mem_limit"])
    assert _bytes(settings["shared_buffers"]) <= given / 4
    assert _bytes(settings["effective_cache_size"]) <= given
    # Sessions: the API's pools in each worker, the others' at most four each, and some for people.
    assert int(settings["max_connections"]) >= 40


def test_the_database_is_reached_by_the_services_only_and_the_api_by_this_machine_only() -> None:
    published = {name: each["ports"] for name, each in services(**SET).items() if "ports" in each}
    assert published == {"api": ["127.0.0.1:8000:8000"]}
    assert SERVICES["database"]["networks"] == ["store"]
    assert read_compose()["networks"]["store"] == {"internal": True}
    # Without keys it must not answer for names of strangers; with this setting it does not.
    assert "--trust-network" in SERVICES["api"]["command"]
    assert services(**SET)["api"]["environment"]["API_ALLOWED_HOSTS"] == "localhost"


def test_everything_waits_for_what_it_needs() -> None:
    healthy, done = {"condition": "service_healthy"}, {"condition": "service_completed_successfully"}
    for name in ("ingest", "api", "backup", "projector"):
        assert SERVICES[name]["depends_on"] == {"database": healthy, "migrate": done}
    for name in ("migrate", "owner"):
        assert SERVICES[name]["depends_on"] == {"database": healthy}


def test_ingest_has_the_time_it_needs_to_stop() -> None:
    assert SERVICES["ingest"]["stop_grace_period"] == "4m"
    assert all("stop_grace_period" in each for name, each in SERVICES.items() if name != "migrate")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_holds_no_secret_but_those_of_its_job(name: str) -> None:
    text = str(services(**SET)[name])
    secrets = SET.keys() - {"BACKUP_DIR"}
    assert {setting for setting in secrets if SET[setting] in text} == HOLDS[name]
    assert not any(SET[setting] in str(services(**SET)[name].get("command")) for setting in secrets)


@pytest.mark.parametrize("name", LOGIN_OF)
def test_a_service_connects_as_the_login_of_its_job(name: str) -> None:
    job = JOBS[LOGIN_OF[name]]
    expected = f"postgresql://{PREFIX}{job.name}:{SET[job.setting]}@database:5432/warehouse"
    assert services(**SET)[name]["environment"]["DATABASE_URL"] == expected


@pytest.mark.parametrize("name", SET)
def test_a_secret_that_is_not_set_is_asked_for_by_name(name: str) -> None:
    with pytest.raises(Unset, match=rf"{name}: set it in \.env"):
        services(**SET | {name: ""})


def test_no_secret_has_a_default() -> None:
    assert not re.search(r"\$\{\w*(PASSWORD|_KEY)\w*(?::-[^}]|\})", FILE.read_text().replace("BACKUP_KEY_FILE", ""))


@pytest.mark.parametrize("name", ours())
def test_every_command_and_health_check_is_one_of_ours(name: str, tmp_path: Path) -> None:
    service = ours()[name]
    lines = [service["command"], *([service["healthcheck"]["test"][1:]] if "test" in service["healthcheck"] else [])]
    if lines[0][:2] == ["sh", "-c"]:
        lines[:1] = [shlex.split(line) for line in lines[0][2].split("&&")]
    for words in lines:
        _parse([str(tmp_path) if word == "/backup" else word for word in words])


@pytest.mark.parametrize("words", [["ingest", "servee"], ["api", "--trust-netwerk"], ["ops", "cron"], ["nothing"]])
def test_a_command_that_is_not_ours_would_be_found(words: list[str]) -> None:
    with pytest.raises((click.ClickException, KeyError)):
        _parse(words)


def test_every_variable_is_one_that_our_code_reads() -> None:
    given = {variable for each in ours().values() for variable in each["environment"]}
    assert given - SYSTEMS_OWN <= _names_in_our_code()


def test_every_variable_of_the_file_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    listed = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert asked - listed == set()


def test_what_is_mounted_is_declared_or_in_the_clone() -> None:
    file = read_compose()
    for service in services(**SET).values():
        for volume in service.get("volumes", ()):
            if isinstance(volume, dict):
                # A disk that is not mounted must not be taken for an empty folder.
                assert (volume["source"], volume["bind"]) == (SET["BACKUP_DIR"], {"create_host_path": False})
            else:
                source = volume.partition(":")[0]
                assert source in file["volumes"] or (ROOT / source).is_dir()
        assert set(service["networks"]) <= file["networks"].keys()
        assert set(service.get("secrets", ())) <= file["secrets"].keys()


def test_rules_that_are_edited_in_the_clone_are_those_of_the_projector() -> None:
    for name in ours():
        assert ours()[name]["environment"]["RULES"] == "/config/rules.toml"
        assert "./ops:/config:ro" in ours()[name]["volumes"]
    assert (ROOT / "ops" / "rules.toml").is_file()


def test_the_image_has_the_version_of_the_product() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {each["image"] for each in ours().values()} == {f"market-data-warehouse:{version}"}


def _parse(words: list[str]) -> None:
    """Read a command line with our own commands, down to the last subcommand, and run nothing.

    Raises: click.ClickException; KeyError for a command that is none of ours.
    """
    scripts = {script.name: script for script in entry_points(group="console_scripts") if script.dist is not None}
    command: click.Command = scripts[words[0]].load()
    parent, name, rest = None, words[0], words[1:]
    while True:
        context: Any = command.make_context(name, rest, parent=parent)
        rest = [*context._protected_args, *context.args]
        if not isinstance(command, click.Group) or not rest:
            return
        found, resolved, rest = command.resolve_command(context, rest)
        assert found is not None
        assert resolved is not None
        parent, name, command = context, found, resolved


def _names_in_our_code() -> set[str]:
    return {
        node.value
        for room in ("sql", "archive", "ingest", "project", "api", "ops")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _bytes(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1].lower()] if text[-1].lower() in UNITS else _bytes(text[:-1])
