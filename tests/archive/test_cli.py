"""The `archive` command as a person runs it: facts on stdout, one clear line for what is wrong, the right exit code."""

import datetime as dt
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest

from archive.payload import Endpoint, Request, Response, Transfer
from archive.read import read_payload
from tests.archive.conftest import BODIES
from tests.command import complaint, run_command
from tests.payloads import RUN_ID, archive_all, respond

Tamper = Callable[[str], Awaitable[None]]


def _facts(environ: dict[str, str], *arguments: str) -> dict[str, object]:
    done = run_command(environ, "archive", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    facts: dict[str, object] = msgspec.json.decode(done.stdout)
    return facts


async def test_list_shows_the_newest_first(command_environ: dict[str, str], three: list[Response]) -> None:
    done = run_command(command_environ, "archive", "list", "--json")
    rows = msgspec.json.decode(done.stdout)
    assert [row["archive_seq"] for row in rows] == [3, 2, 1]
    assert [row["body_bytes"] for row in rows] == [len(response.body) for response in reversed(three)]
    assert rows[0]["request"] == three[2].request.target


async def test_list_can_be_narrowed(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool, three: list[Response]
) -> None:
    await archive_all(ingest_pool, [respond(Request(Endpoint.HOLIDAYS, "/v1/marketstatus/upcoming"), b"[]")])
    for options, expected in {
        "--symbol BCpC": [2],
        "--symbol bcpc": [],
        "--limit 2": [4, 3],
        "--endpoint holidays": [4],
        "--endpoint range --limit 1": [3],
    }.items():
        done = run_command(command_environ, "archive", "list", *options.split(), "--json")
        assert [row["archive_seq"] for row in msgspec.json.decode(done.stdout)] == expected


async def test_list_for_a_person_has_a_line_for_each_payload(
    command_environ: dict[str, str], three: list[Response]
) -> None:
    done = run_command(command_environ, "archive", "list")
    assert done.returncode == 0
    for response in three:
        assert response.request.target in done.stdout.decode()


async def test_show_tells_what_was_asked_and_what_came(command_environ: dict[str, str], three: list[Response]) -> None:
    facts = _facts(command_environ, "show", "2")
    assert facts["request"] == three[1].request.target
    assert (facts["ticker"], facts["http_status"], facts["transfer"]) == ("BCpC", 200, "complete")
    assert (facts["run_id"], facts["body_bytes"]) == (str(RUN_ID), 0)
    assert facts["headers"] == [list(header) for header in three[1].headers]
    assert run_command(command_environ, "archive", "show", "2").returncode == 0


async def test_show_body_gives_the_body_byte_for_byte_and_nothing_else(
    command_environ: dict[str, str], three: list[Response]
) -> None:
    for seq, body in enumerate(BODIES, start=1):
        done = run_command(command_environ, "archive", "show", str(seq), "--body")
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == body


async def test_show_names_a_payload_that_is_not_there(command_environ: dict[str, str], three: list[Response]) -> None:
    done = run_command(command_environ, "archive", "show", "4")
    assert done.returncode == 1
    assert complaint(done) == "error: payload 4 is not in the archive"


@pytest.mark.parametrize("seq", ["0", "one"])
def test_show_refuses_what_is_no_number_of_a_payload(tmp_path: Path, seq: str) -> None:
    done = run_command({"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, "archive", "show", seq)
    assert done.returncode == 2
    assert "SEQ" in complaint(done)


async def test_stats_counts_payloads_and_bytes(command_environ: dict[str, str], three: list[Response]) -> None:
    facts = _facts(command_environ, "stats")
    assert (facts["payloads"], facts["body_bytes"]) == (3, sum(map(len, BODIES)))
    assert isinstance(facts["stored_bytes"], int)
    assert 0 < facts["stored_bytes"] < sum(map(len, BODIES))
    assert facts["endpoints"] == [
        {
            "source": "polygon",
            "endpoint": "range",
            "http_status": 200,
            "payloads": 3,
            "body_bytes": facts["body_bytes"],
            "stored_bytes": facts["stored_bytes"],
        }
    ]
    assert isinstance(facts["disk_bytes"], int)
    assert facts["disk_bytes"] > facts["stored_bytes"]
    shown = run_command(command_environ, "archive", "stats")
    assert shown.stdout.decode().endswith(f"on disk: {facts['disk_bytes']:,} bytes, with indexes\n")


async def test_stats_of_an_empty_archive_are_zeros(command_environ: dict[str, str]) -> None:
    facts = _facts(command_environ, "stats")
    assert (facts["payloads"], facts["body_bytes"], facts["stored_bytes"]) == (0, 0, 0)
    assert run_command(command_environ, "archive", "stats").returncode == 0


async def test_verify_says_that_the_archive_is_whole(command_environ: dict[str, str], three: list[Response]) -> None:
    facts = _facts(command_environ, "verify")
    assert (facts["head"], facts["payloads"], facts["first_bad"]) == (3, 3, None)
    done = run_command(command_environ, "archive", "verify")
    assert done.returncode == 0
    assert done.stdout.startswith(b"archive is whole: 3 payloads")


async def test_verify_leaves_with_1_and_names_the_first_bad_payload(
    command_environ: dict[str, str], three: list[Response], tamper: Tamper
) -> None:
    await tamper("UPDATE archive.payload SET body = set_byte(body, 12, 7) WHERE archive_seq IN (1, 3)")
    done = run_command(command_environ, "archive", "verify")
    assert done.returncode == 1
    assert complaint(done).startswith("error: archive verify: payload 1 is damaged: ")
    as_json = run_command(command_environ, "archive", "verify", "--json")
    assert as_json.returncode == 1
    assert msgspec.json.decode(as_json.stdout)["first_bad"] == 1


async def test_a_sampled_verification_says_what_it_read_and_how_to_repeat_it(
    command_environ: dict[str, str], three: list[Response]
) -> None:
    facts = _facts(command_environ, "verify", "--sample", "34%", "--seed", "5")
    assert (facts["payloads"], facts["sampled"], facts["sample_percent"], facts["seed"]) == (3, 2, 34.0, 5)
    assert _facts(command_environ, "verify", "--sample", "34", "--seed", "5") == facts
    whole = _facts(command_environ, "verify")
    assert (whole["sampled"], whole["sample_percent"], whole["seed"]) == (3, None, None)
    done = run_command(command_environ, "archive", "verify", "--sample", "34%")
    assert done.returncode == 0
    found, not_read = done.stdout.decode().splitlines()
    assert found.startswith("no fault found: the hash chain of 3 payloads, 0 seals, and 2 bodies of ")
    assert re.search(r"\(--sample 34% --seed \d+\)$", found)
    assert not_read.startswith("not read: 1 body; a change in those is seen by `archive verify` without --sample")


async def test_a_sampled_verification_leaves_with_1_and_names_payload_and_seed(
    command_environ: dict[str, str], three: list[Response], tamper: Tamper
) -> None:
    await tamper("UPDATE archive.payload SET body = set_byte(body, 12, 7) WHERE archive_seq IN (1, 3)")
    done = run_command(command_environ, "archive", "verify", "--sample", "100%", "--seed", "77")
    assert complaint(done).startswith("error: archive verify: payload 1 is damaged: ")
    assert complaint(done).endswith(" (sample of seed 77)")


@pytest.mark.parametrize("percent", ["0", "100.1%", "nan", "half", ""])
def test_what_is_no_percentage_is_refused(tmp_path: Path, percent: str) -> None:
    done = run_command({"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, "archive", "verify", "--sample", percent)
    assert done.returncode == 2
    assert f"{percent!r} is no percentage above 0 and up to 100" in complaint(done)


def test_a_seed_without_a_sample_is_refused(tmp_path: Path) -> None:
    done = run_command({"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, "archive", "verify", "--seed", "1")
    assert (done.returncode, complaint(done)) == (2, "error: --seed draws a sample: give --sample too")


async def test_headers_that_look_like_markup_are_shown_as_they_came(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool
) -> None:
    request = Request(Endpoint.HOLIDAYS, "/v1/marketstatus/upcoming")
    strange = msgspec.structs.replace(respond(request, b"[]"), headers=[("X-Strange", "[/b] [red]")])
    await archive_all(ingest_pool, [strange])
    done = run_command(command_environ, "archive", "show", "1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"[/b] [red]" in done.stdout


async def test_a_damaged_body_is_not_shown(
    command_environ: dict[str, str], three: list[Response], tamper: Tamper
) -> None:
    await tamper("UPDATE archive.payload SET body = set_byte(body, 12, 7) WHERE archive_seq = 3")
    done = run_command(command_environ, "archive", "show", "3", "--body")
    assert done.returncode == 1
    assert complaint(done).startswith("error: payload 3 is damaged: ")


async def test_seal_notes_the_head_once(command_environ: dict[str, str], three: list[Response]) -> None:
    first, second = (run_command(command_environ, "archive", "seal") for _ in range(2))
    assert first.stdout == b"sealed up to payload 3\n"
    assert second.stdout == b"nothing to seal: the head is sealed already\n"
    assert _facts(command_environ, "verify")["seals"] == 1


async def test_an_error_answer_is_archived_like_any_other(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    body = b'{"status":"ERROR","request_id":"1","error":"Unknown API Key"}'
    request = Request(Endpoint.RANGE, "/v2/x", "AAPL", dt.date(2024, 1, 2), dt.date(2024, 1, 2))
    await archive_all(ingest_pool, [respond(request, body, status=401, transfer=Transfer.COMPLETE)])
    assert (await read_payload(read_pool, 1)).response.http_status == 401
    assert _facts(command_environ, "show", "1")["http_status"] == 401
