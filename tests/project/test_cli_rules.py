"""`project rules`, --rules, --dry-run and the change budget as a person meets them on the command line."""

import datetime as dt
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from project.errors import UnknownRuleset
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, Ruleset, read_ruleset
from project.rulesets import KnownRuleset, find_ruleset
from tests.command import complaint, run_command
from tests.payloads import archive_all, bar, range_response
from tests.project.random_archive import SESSIONS

NOW = dt.datetime(2024, 7, 2, tzinfo=dt.UTC)
SHIPPED = read_ruleset(DEFAULT_RULES)
# A gap of 8 %: none at the shipped limit of 10 %, one at 5 %.
ROWS = [bar(session, 10.0 if place < 4 else 10.8) for place, session in enumerate(SESSIONS)]


def _json(environ: dict[str, str], *words: str, **settings: str) -> Any:
    done = run_command(environ, *words, "--json", **settings)
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout)


def _words(stdout: bytes) -> str:
    return " ".join(stdout.decode().split())


@pytest.fixture
def strict_rules(tmp_path: Path) -> Path:
    """Return a rules file in which a gap begins at 5 %."""
    path = tmp_path / "strict.toml"
    path.write_text(DEFAULT_RULES.read_text().replace("limit = 0.10", "limit = 0.05"))
    return path


@pytest.fixture
async def projected(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    """Project two symbols by the shipped rules."""
    await archive_all(ingest_pool, [range_response("AAPL", ROWS), range_response("BCpC", ROWS[:4])])
    await rebuild(project_pool, SHIPPED, lambda: NOW)


async def test_a_rule_is_tightened_looked_at_refused_applied_and_listed(
    command_environ: dict[str, str], projected: None, strict_rules: Path, read_pool: asyncpg.Pool
) -> None:
    """The whole way a person goes, from the edited file to what is live."""
    flags = ("--rules", str(strict_rules))
    strict = read_ruleset(strict_rules)
    dry = _json(command_environ, "project", "--rebuild", "--dry-run", *flags)
    changes = dry["changes"]
    assert (changes["ruleset_before"], changes["ruleset_after"]) == (SHIPPED.hash, strict.hash)
    assert changes["counts"]["no_longer_validated"] == changes["by_rule"]["large_gap"]["newly_failing"] == 1
    assert changes["by_symbol"]["AAPL"]["changed"] == 1
    [sample] = changes["samples"]
    assert (sample["session"], sample["rules_after"], sample["score_after"]) == (str(SESSIONS[4]), ["large_gap"], 0.8)
    told = run_command(command_environ, "project", "--rebuild", "--dry-run", *flags)
    assert (told.returncode, told.stderr) == (0, b"")
    assert f"AAPL {SESSIONS[4]} no longer validated 1.00 → 0.80 none large_gap +8.0%" in _words(told.stdout)

    refused = run_command(command_environ, "project", "--rebuild", *flags)
    assert refused.returncode == 1
    assert b"no longer validated" in refused.stdout
    [line] = refused.stderr.decode().splitlines()
    share = 100 / (len(ROWS) + 4)
    assert line == (
        f"error: the rebuild would change the validated status of {share:.3g}% of the live bars, at most 1% may "
        "change; the live projection is untouched; `project --rebuild --yes` applies it"
    )
    as_json = run_command(command_environ, "project", "--rebuild", "--json", "--max-change", "0.5%", *flags)
    assert as_json.returncode == 1
    assert msgspec.json.decode(as_json.stdout)["changes"] == changes
    assert _json(command_environ, "project", "--status")["ruleset_hash"] == SHIPPED.hash

    within = _json(command_environ, "project", "--rebuild", "--max-change", "50%", *flags)
    assert (within["ruleset_hash"], within["bars_changed"], within["bars_changed_status"]) == (strict.hash, 1, 1)
    listed = _json(command_environ, "project", "rules", "list")
    assert [(each["hash"], each["is"], each["runs_here"]) for each in listed] == [
        (SHIPPED.hash, ["previous", "file"], True),
        (strict.hash, ["live"], True),
    ]
    back = _json(command_environ, "project", "--rebuild", "--yes")
    assert (back["ruleset_hash"], "bars_changed" in back) == (SHIPPED.hash, False)


async def test_a_ruleset_is_shown_as_a_file_that_makes_it_again(
    command_environ: dict[str, str], projected: None, tmp_path: Path
) -> None:
    shown = run_command(command_environ, "project", "rules", "show", SHIPPED.hash[:6])
    assert (shown.returncode, shown.stderr) == (0, b"")
    path = tmp_path / "again.toml"
    path.write_bytes(shown.stdout)
    assert read_ruleset(path) == SHIPPED
    facts = _json(command_environ, "project", "rules", "show", "live")
    assert (facts["hash"], facts["is"]) == (SHIPPED.hash, ["live", "file"])
    assert facts["rules"][5]["name"] == "large_gap"
    assert facts["rules"][5]["source"].startswith("design §4")


async def test_a_file_that_was_never_used_is_listed_and_compared(
    command_environ: dict[str, str], projected: None, strict_rules: Path
) -> None:
    listed = run_command(command_environ, "project", "rules", "list", RULES=str(strict_rules))
    assert b"never used" in listed.stdout
    assert _json(command_environ, "project", "rules", "diff", "live", "file", RULES=str(strict_rules)) == {
        "before": SHIPPED.hash,
        "after": read_ruleset(strict_rules).hash,
        "differences": [{"rule": "large_gap", "what": "limit", "before": "0.1", "after": "0.05"}],
    }
    same = run_command(command_environ, "project", "rules", "diff", "live", SHIPPED.hash)
    assert same.stdout.decode() == f"{SHIPPED.hash[:12]} and {SHIPPED.hash[:12]} are the same ruleset\n"
    told = run_command(command_environ, "project", "rules", "diff", "live", "file", "--rules", str(strict_rules))
    assert "large_gap limit 0.1 0.05" in _words(told.stdout)


async def test_before_the_first_projection_there_is_only_the_file(command_environ: dict[str, str]) -> None:
    [only] = _json(command_environ, "project", "rules", "list")
    assert (only["hash"], only["recorded_at"], only["is"]) == (SHIPPED.hash, None, ["file"])
    for words, code, said in (
        (("rules", "show", "live"), 1, "error: nothing is projected yet; run `project`"),
        (("--rebuild", "--dry-run"), 1, "error: nothing is projected yet; run `project`"),
        (("--verify",), 1, "error: nothing is projected yet; run `project`"),
        (("rules", "show", "previous"), 2, "error: ruleset 'previous': there is no previous generation; "),
    ):
        done = run_command(command_environ, "project", *words)
        assert (done.returncode, complaint(done).startswith(said)) == (code, True), complaint(done)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--dry-run",), "--dry-run goes with --rebuild"),
        (("--yes", "--status"), "--yes goes with --rebuild"),
        (("--max-change", "2%"), "--max-change goes with --rebuild"),
        (("--rebuild", "--yes", "--dry-run"), "--dry-run and --yes exclude each other"),
        (("--rebuild", "--verify"), "--rebuild and --verify exclude each other"),
        (
            ("--rebuild", "--dry-run", "--skip-payload", "3", "--because", "it is broken"),
            "--skip-payload is a decision: it goes with a replay, not with what replays nothing",
        ),
        (
            ("--rebuild", "--max-change", "0.01"),
            "Invalid value for '--max-change': '0.01' is no share; it must be from 0% to 100%, with the percent sign",
        ),
        (("--rebuild", "--max-change", "101%"), "Invalid value for '--max-change': '101%' is no share; it must be "),
        (("--rebuild", "--max-change", "-1%"), "Invalid value for '--max-change': '-1%' is no share; it must be "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_that_make_no_sense_are_misuse(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DATABASE_URL": "postgresql://127.0.0.1:1/nowhere"}
    done = run_command(environ, "project", *words)
    assert (done.returncode, complaint(done)[: len(said) + 7]) == (2, f"error: {said}")


def _known(*hashes: str) -> list[KnownRuleset]:
    return [KnownRuleset(each, NOW, (), True, Ruleset(0.85, 20, (), ())) for each in hashes]


def test_a_ruleset_is_found_by_the_beginning_of_its_hash_in_any_case() -> None:
    known = _known("abcd" + "0" * 60, "abce" + "0" * 60)
    assert find_ruleset(known, "ABCE0") == known[1]
    assert find_ruleset(known, known[0].hash) == known[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("abc", "ruleset 'abc': it must be live, previous, file, or 4 or more digits of a hash"),
        ("large_gap", "ruleset 'large_gap': it must be live, previous, file, or 4 or more digits of a hash"),
        ("", "ruleset '': it must be live, previous, file, or 4 or more digits of a hash"),
        ("ffff", "ruleset 'ffff': no ruleset begins so; `project rules list` has them"),
        ("abcd", "ruleset 'abcd': 2 rulesets begin so: abcd00000000, abcd10000000"),
    ],
)
def test_a_name_that_is_no_ruleset_or_several_is_refused(name: str, said: str) -> None:
    with pytest.raises(UnknownRuleset) as caught:
        find_ruleset(_known("abcd" + "0" * 60, "abcd1" + "0" * 59), name)
    assert str(caught.value) == said
