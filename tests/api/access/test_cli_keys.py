"""`api keys` as a person uses it."""

import json

from tests.command import complaint, run_command


def test_a_key_is_made_shown_once_listed_and_revoked(command_environ: dict[str, str]) -> None:
    made = run_command(command_environ, "api", "keys", "create", "notebook", "--per-minute", "60")
    [key] = made.stdout.decode().split()
    assert "It is shown this once" in made.stderr.decode()
    assert "60 requests a minute" in made.stderr.decode()
    assert complaint(run_command(command_environ, "api", "keys", "create", "notebook")).startswith(
        "error: a key in force is called notebook already"
    )
    revoked = run_command(command_environ, "api", "keys", "revoke", "notebook")
    assert revoked.stdout.decode() == f"notebook ({key.split('_')[1]}) is revoked\n"
    listed = run_command(command_environ, "api", "keys", "list", "--json")
    [fact] = json.loads(listed.stdout)
    assert (fact["key_id"], fact["name"], fact["per_minute"]) == (key.split("_")[1], "notebook", 60)
    assert fact["revoked_at"] >= fact["created_at"]
    assert key.split("_")[2] not in listed.stdout.decode()
