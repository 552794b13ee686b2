"""The source itself: linted, formatted and typed, free of what must not be in it, with every setting documented."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import console_command

ROOT = Path(__file__).parents[1]
COMMANDS = sorted(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"])
ROOMS = ("sql", "archive", "ingest", "project", "api", "ops")

# Written apart, so that this file does not hold what it forbids.
REGISTRY_HOSTS = [f"{name}.{end}" for name, end in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))]
REGISTRY_HOSTS += [f"{name}.{end}" for name, end in (("anaconda", "org"), ("jsdelivr", "net"), ("unpkg", "com"))]
MACHINE_PATH = re.compile(r"(?<![\w.])/" + "work/")
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b|NotImplemented" + "Error")
SETTING = re.compile(
    r"""read_(?:setting|postgres_url)\(\s*\w+,\s*"(\w+)"|environ(?:\.get\(|\[)\s*"(\w+)"|getenv\(\s*"(\w+)\""""
    r"""|(?:envvar|setting)="(\w+)\""""
)
# Of the system and of the shell, not of ours.
NOT_OURS = {"PATH", "HOME", "MONITOR_UNIT", "NOTIFY_SOCKET", "SUDO_USER"}


def test_ruff_finds_nothing() -> None:
    _passes("ruff", "check", ".")


def test_ruff_would_reformat_nothing() -> None:
    _passes("ruff", "format", "--check", ".")


def test_mypy_strict_finds_nothing() -> None:
    _passes("mypy")


def _passes(tool: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", tool, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_names_a_package_registry() -> None:
    _find_none(re.compile("|".join(map(re.escape, REGISTRY_HOSTS)), re.IGNORECASE))


def test_no_file_knows_a_path_of_this_machine() -> None:
    _find_none(MACHINE_PATH)


def test_nothing_is_left_unfinished() -> None:
    _find_none(UNFINISHED)


def _find_none(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, "\n" + "\n".join(found)


def _files() -> Iterator[Path]:
    """Yield what is in the repository or would be added to it: everything that .gitignore does not name."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    yield from (ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_and_no_function_is_too_long_to_read(room: str) -> None:
    long = []
    for path in sorted((ROOT / room).rglob("*.py")):
        text = path.read_text()
        if text.count("\n") > 400:
            long.append(f"{path.relative_to(ROOT)} has more than 400 lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno >= 60:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has more than 60 lines")
    assert not long, "\n" + "\n".join(long)


@pytest.mark.parametrize("document", [".env.example", "README.md"])
def test_every_setting_that_the_code_reads_is_documented(document: str) -> None:
    text = (ROOT / document).read_text()
    missing = sorted(name for name in _settings() if not re.search(rf"\b{name}\b", text))
    assert not missing, f"{document} does not name {', '.join(missing)}"


def test_every_setting_of_the_example_is_read_by_the_code() -> None:
    listed = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    composed = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert listed - _settings() - composed == set()


def _settings() -> set[str]:
    names = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            names |= {name for match in SETTING.findall(path.read_text()) for name in match if name}
    assert "DATABASE_URL" in names, "the pattern finds no setting at all"
    return names - NOT_OURS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_help(command: str, tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [console_command(command), "--help"], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: {command} ")
    assert done.stderr == ""
