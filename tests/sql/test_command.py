"""What every command does around its job: one line for its own errors, the right exit code, facts on stdout."""

import datetime as dt
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from sql.command import WarehouseCommand, WarehouseGroup, print_json, print_table, run
from sql.connect import open_owner
from sql.errors import DatabaseError, Misuse
from tests.command import complaint, run_command


@pytest.fixture(autouse=True)
def log_of_before() -> Iterator[None]:
    """Put the log back: commands that run in this process send it to a stream that ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@click.group(cls=WarehouseGroup)
def made_up() -> None:
    """A made-up command."""


@made_up.command()
def fail() -> None:
    """Fail at the job."""
    raise DatabaseError("the disk is gone")


@made_up.command()
def misuse() -> None:
    """Refuse what was given."""
    raise Misuse("--speed is 11; it must be at most 10")


@made_up.command()
def interrupt() -> None:
    """Behave as if Ctrl-C was pressed."""
    raise KeyboardInterrupt


@made_up.command()
def work() -> None:
    """Do the job."""
    print_json({"rows": 3})


@pytest.mark.parametrize(
    ("word", "code", "out", "err"),
    [
        ("work", 0, '{\n  "rows": 3\n}\n', ""),
        ("fail", 1, "", "error: the disk is gone\n"),
        ("misuse", 2, "", "error: --speed is 11; it must be at most 10\n"),
        ("interrupt", 130, "", "\n"),
    ],
)
def test_a_command_ends_with_the_code_of_what_became_of_it(
    word: str, code: int, out: str, err: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    with pytest.raises(SystemExit) as caught:
        made_up([word])
    assert (caught.value.code or 0) == code
    found = capsys.readouterr()
    assert found.out == out
    assert found.err == err


def test_a_settings_file_that_cannot_be_read_is_misuse_and_none_of_it_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes("POLYGON_API_KEY=schlüssel".encode("latin-1"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        made_up(["work"])
    assert caught.value.code == 2
    said = f"error: settings file {tmp_path / '.env'} cannot be read (UnicodeDecodeError)\n"
    assert capsys.readouterr() == ("", said)


def test_an_option_that_does_not_exist_is_misuse(tmp_path_environ: dict[str, str]) -> None:
    done = run_command(tmp_path_environ, "archive", "stats", "--no-such-option")
    assert done.returncode == 2
    assert complaint(done) == "error: No such option '--no-such-option'."


@pytest.mark.parametrize("option", ["--help", "stats --help"])
def test_help_is_no_failure(tmp_path_environ: dict[str, str], option: str) -> None:
    done = run_command(tmp_path_environ, "archive", *option.split())
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_group_without_a_word_shows_its_help(tmp_path_environ: dict[str, str]) -> None:
    done = run_command(tmp_path_environ, "archive")
    assert done.returncode == 2
    assert done.stderr.startswith(b"Usage: archive [OPTIONS] COMMAND")


def test_a_table_in_a_pipe_is_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    long = "/v2/aggs/ticker/AAPL/range/1/day/" + "x" * 200
    print_table("payloads", ("seq", "request"), [("1", long)])
    assert any(long in line for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (True, "yes"),
        (False, "no"),
        (1234567, "1,234,567"),
        (0.5, "0.50"),
        (dt.datetime(2024, 7, 1, 12, 0, tzinfo=dt.UTC), "2024-07-01 12:00:00"),
        (dt.date(2024, 7, 1), "2024-07-01"),
        ("BCpC", "BCpC"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_cell_is_what_a_person_reads(value: object, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table("one", ("fact",), [(value,)])
    assert capsys.readouterr().out.split()[-1 if " " not in shown else slice(-2, None)] == (
        shown if " " not in shown else shown.split()
    )


def test_facts_as_json_are_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"session": dt.date(2024, 7, 1), "rows": [1, 2]})
    assert msgspec.json.decode(capsys.readouterr().out) == {"session": "2024-07-01", "rows": [1, 2]}


def test_a_database_that_goes_away_in_the_middle_is_one_line(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command(cls=WarehouseCommand)
    def lose_the_connection() -> None:
        """End the own backend, as a server that is stopped does."""

        async def job() -> None:
            async with open_owner(database_url) as connection:
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        run(job())

    with pytest.raises(SystemExit) as ended:
        lose_the_connection.main([])
    assert ended.value.code == 1
    assert re.fullmatch(
        r"error: the database went away in the middle \(\w+\); run the command again\n", capsys.readouterr().err
    )
