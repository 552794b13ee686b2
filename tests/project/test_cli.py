"""The `project` and `audit` commands as a person runs them: facts, exit codes, and one clear line for what is wrong."""

import datetime as dt
import os
from pathlib import Path

import asyncpg
import msgspec
import pytest

from project.rebuild import rebuild
from project.replay import projector
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.command import complaint, run_command
from tests.payloads import archive_all, bar, range_response
from tests.project.random_archive import SESSIONS

NOW = dt.datetime(2024, 7, 2, tzinfo=dt.UTC)
RULES = DEFAULT_RULES.read_text()
GAP_AT = SESSIONS[4]
# A gap of 8 %: none at the shipped limit of 10 %, one at 5 %.
ROWS = [bar(session, 10.0 if session < GAP_AT else 10.8) for session in SESSIONS]


def _facts(environ: dict[str, str], *words: str, **settings: str) -> dict[str, object]:
    done = run_command(environ, *words, "--json", **settings)
    assert done.returncode == 0, done.stderr
    facts: dict[str, object] = msgspec.json.decode(done.stdout)
    return facts


@pytest.fixture
async def archived(ingest_pool: asyncpg.Pool) -> int:
    """Return how many payloads a fresh archive holds."""
    return len(await archive_all(ingest_pool, [range_response("AAPL", ROWS), range_response("BCpC", [])]))


@pytest.fixture
async def projected(archived: int, project_pool: asyncpg.Pool) -> str:
    """Return the content hash of what is live once those payloads are projected by the shipped rules."""
    replayed = await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: NOW)
    return replayed.generation.content_hash


@pytest.fixture
def strict_rules(tmp_path: Path) -> str:
    """Return the path of a rules file in which a gap begins at 5 %."""
    path = tmp_path / "strict.toml"
    path.write_text(RULES.replace("limit = 0.10", "limit = 0.05"))
    return str(path)


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a command whose database is away."""
    url = "postgresql://user:hunter2@127.0.0.1:1/warehouse"
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LOG_LEVEL": "WARNING", "DATABASE_URL": url}


async def test_the_first_run_builds_and_the_next_has_nothing_to_do(
    command_environ: dict[str, str], archived: int
) -> None:
    first, second = (run_command(command_environ, "project") for _ in range(2))
    assert (first.returncode, first.stderr) == (0, b"")
    assert first.stdout.startswith(b"projection rebuilt from 2 payloads")
    assert (second.returncode, second.stderr) == (0, b"")
    assert second.stdout.startswith(b"projection caught up by 0 payloads")


async def test_facts_of_a_run_are_those_of_the_tables(
    command_environ: dict[str, str], archived: int, read_pool: asyncpg.Pool
) -> None:
    facts = _facts(command_environ, "project")
    row = await read_pool.fetchrow("SELECT * FROM projection.generation")
    assert (facts["content_hash"], facts["ruleset_hash"]) == (row["content_hash"], row["ruleset_hash"])
    assert (facts["checkpoint"], facts["archive_head"], facts["lag_payloads"]) == (archived, archived, 0)
    assert (facts["symbols"], facts["bars"], facts["rejections"]) == (1, len(SESSIONS), 0)
    assert facts["gaps_flagged"] == 0
    assert facts["rules_changed"] is False


async def test_status_changes_nothing_and_tells_the_lag(
    command_environ: dict[str, str], projected: str, ingest_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    assert run_command(command_environ, "project", "--status").returncode == 0
    facts = _facts(command_environ, "project", "--status")
    assert (facts["checkpoint"], facts["archive_head"], facts["lag_payloads"]) == (2, 3, 1)
    assert facts["content_hash"] == projected


async def test_edited_rules_are_warned_of_and_applied_by_a_rebuild(
    command_environ: dict[str, str], projected: str, ingest_pool: asyncpg.Pool, strict_rules: str
) -> None:
    shipped = read_ruleset(DEFAULT_RULES).hash
    await archive_all(ingest_pool, [range_response("BCpC", ROWS)])
    plain = run_command(command_environ, "project", "--json", RULES=strict_rules)
    facts = msgspec.json.decode(plain.stdout)
    assert plain.returncode == 0
    assert b"WARNING" in plain.stderr
    assert b"run `project --rebuild` to apply it" in plain.stderr
    assert len(plain.stderr.splitlines()) == 1
    assert (facts["ruleset_hash"], facts["rules_changed"]) == (shipped, True)
    assert (facts["bars"], facts["gaps_flagged"]) == (2 * len(SESSIONS), 0)
    rebuilt = _facts(command_environ, "project", "--rebuild", "--yes", RULES=strict_rules)
    assert rebuilt["ruleset_hash"] != shipped
    assert (rebuilt["gaps_flagged"], rebuilt["rules_changed"]) == (2, False)


async def test_audit_sets_raw_against_cleaned(command_environ: dict[str, str], projected: str) -> None:
    facts = _facts(command_environ, "audit", str(GAP_AT))
    assert (facts["session"], facts["raw_rows"], facts["current"]) == (str(GAP_AT), 1, 1)
    done = run_command(command_environ, "audit", str(GAP_AT), "AAPL")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(f"audit {GAP_AT}".encode())


async def test_audit_leaves_with_1_when_the_table_was_tampered_with(
    command_environ: dict[str, str], projected: str, owner: asyncpg.Connection
) -> None:
    await owner.execute("UPDATE projection.bar SET close = 1 WHERE session = $1", GAP_AT)
    done = run_command(command_environ, "audit", str(GAP_AT))
    assert done.returncode == 1
    assert complaint(done) == (
        f"error: audit {GAP_AT}: AAPL: close is 1 in bar, by payload 1 it is 10.8; `project --rebuild` makes it anew"
    )


async def test_before_the_first_projection_status_and_audit_say_so(
    command_environ: dict[str, str], archived: int
) -> None:
    for words in (("project", "--status"), ("audit", "2024-01-02")):
        done = run_command(command_environ, *words)
        assert done.returncode == 1
        assert complaint(done) == "error: nothing is projected yet; run `project`"


async def test_an_undecodable_payload_stops_with_its_number(
    command_environ: dict[str, str], projected: str, ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", b'{"results":{"o":1}}'), range_response("AAPL", ROWS)])
    for words in (("project",), ("project", "--rebuild")):
        done = run_command(command_environ, *words)
        assert done.returncode == 1
        assert complaint(done).startswith("error: payload 3 cannot be decoded (")
        assert "look at it with `archive show 3 --body`, or leave it out with `--skip-payload 3" in complaint(done)
    assert await read_pool.fetchval("SELECT content_hash FROM projection.generation") == projected


async def test_a_second_projector_is_told_to_wait(
    command_environ: dict[str, str], archived: int, project_pool: asyncpg.Pool
) -> None:
    async with projector(project_pool):
        done = run_command(command_environ, "project")
    assert done.returncode == 1
    assert complaint(done) == "error: another process is projecting; wait for it to finish"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (("large_gap", "large_gpa"), "unknown rule 'large_gpa'; known are high_brackets, "),
        (("penalty = 0.2", "penalty = -0.2"), "rule large_gap: penalty is -0.2; it must be a number from 0 to 1"),
        (("validated_from = 0.85", "validated_from = "), "is not TOML: "),
    ],
    ids=["unknown rule", "negative penalty", "not TOML"],
)
def test_a_rules_file_that_cannot_be_used_is_misuse(
    nowhere: dict[str, str], tmp_path: Path, edit: tuple[str, str], said: str
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES.replace(*edit))
    done = run_command(nowhere, "project", RULES=str(path))
    assert done.returncode == 2
    assert complaint(done).startswith(f"error: rules file {path}: {said}")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("project",), 1, "error: database 127.0.0.1:1/warehouse cannot be reached"),
        (("audit", "2024-01-02"), 1, "error: database 127.0.0.1:1/warehouse cannot be reached"),
        (("audit", "2024-02-30"), 2, "error: Invalid value for 'DATE': '2024-02-30' does not match the format"),
        (("audit", "yesterday"), 2, "error: Invalid value for 'DATE': 'yesterday'"),
        (("audit",), 2, "error: Missing argument 'DATE'"),
        (("project", "--rebuild", "--status"), 2, "error: --rebuild and --status exclude each other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_one_line(nowhere: dict[str, str], words: tuple[str, ...], code: int, said: str) -> None:
    done = run_command(nowhere, *words)
    assert done.returncode == code
    assert complaint(done).startswith(said)
    assert "hunter2" not in complaint(done)


def test_a_rules_file_that_is_not_there_is_misuse(nowhere: dict[str, str]) -> None:
    done = run_command(nowhere, "project", RULES="no_such.toml")
    assert done.returncode == 2
    assert complaint(done) == "error: rules file no_such.toml: No such file or directory"


async def test_a_rollback_brings_the_generation_before_back_and_says_what_is_live(
    command_environ: dict[str, str], projected: str, strict_rules: str
) -> None:
    stricter = _facts(command_environ, "project", "--rebuild", "--yes", RULES=strict_rules)
    assert stricter["content_hash"] != projected
    back = _facts(command_environ, "project", "--rollback")
    assert (back["content_hash"], back["rules_changed"]) == (projected, False)
    forth = _facts(command_environ, "project", "--rollback", RULES=strict_rules)
    assert (forth["content_hash"], forth["rules_changed"]) == (stricter["content_hash"], False)


async def test_a_rollback_to_nothing_is_one_clear_line(command_environ: dict[str, str], projected: str) -> None:
    done = run_command(command_environ, "project", "--rollback")
    assert done.returncode == 1
    assert complaint(done) == "error: cannot roll back: no generation came before the live one"


async def test_a_rebuild_of_some_bars_mends_them(
    command_environ: dict[str, str], projected: str, owner: asyncpg.Connection
) -> None:
    await owner.execute("UPDATE projection.bar SET close = 1 WHERE session = $1", SESSIONS[5])
    choice = ("--symbols", "AAPL", "--from", str(SESSIONS[2]))
    assert run_command(command_environ, "project", "--verify").returncode == 1
    done = run_command(command_environ, "project", "--rebuild", "--yes", *choice)
    assert (done.returncode, done.stderr) == (0, b"")
    assert run_command(command_environ, "project", "--verify").returncode == 0
    assert _facts(command_environ, "project", "--status")["content_hash"] == projected


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--symbols", "AAPL"), "--symbols goes with --rebuild"),
        (("--from", "2024-01-02"), "--from goes with --rebuild"),
        (("--rebuild", "--symbols", " ,"), "--symbols is ' ,': at least one symbol is needed"),
        (("--rebuild", "--from", "January"), "'January' is no date; it must be YYYY-MM-DD"),
        (("--rebuild", "--symbols", "aapl"), "no payload ever spoke of 'aapl'; upper and lower case matter"),
        (("--rebuild", "--symbols", "AAPL", "--rules", str(DEFAULT_RULES)), "--symbols and --rules exclude each other"),
        (("--rebuild", "--symbols", "AAPL", "--dry-run"), "--dry-run shows what rules change"),
        (("--rebuild", "--rollback"), "--rebuild and --rollback exclude each other"),
        (("--rollback", "--skip-payload", "1", "--because", "x"), "--skip-payload is a decision"),
    ],
)
async def test_what_makes_no_sense_together_is_refused(
    command_environ: dict[str, str], projected: str, words: tuple[str, ...], why: str
) -> None:
    done = run_command(command_environ, "project", *words)
    assert done.returncode == 2
    assert why in complaint(done)
