"""Who is told what: real web hooks and real commands, tried a few times; and the addresses are shown nowhere."""

import asyncio
import datetime as dt
import logging
import sys
from pathlib import Path

import msgspec
import pytest
from tenacity.wait import wait_none

from api.watch.check import Check
from ops.watch.errors import NobodyToTell, NotTold
from ops.watch.settings import AlertSettings, SecretUrl
from ops.watch.told import read_told
from ops.watch.watch import announce, send_test
from sql.errors import InvalidSetting
from sql.settings import DatabaseSettings
from tests.ops.watch.receiver import SECRET, Receiver

NOW = dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
PASSWORD = "pass-0123456789"
DATABASE = DatabaseSettings(f"postgresql://user:{PASSWORD}@db.example:5432/market", Path("unused"))
BAD = Check("backup", "failed", 9.0, 8.0, "the last good backup ended 9 days ago", "run: ops backup DIR")
WELL = Check("backup", "ok", 0.1, 8.0, "the last good backup ended at night")
_KEEPS = """
import os, sys, time
folder, code = sys.argv[1:]
with open(folder + "/calls", "a") as calls:
    calls.write("x")
open(folder + "/said", "w").write(sys.stdin.read())
open(folder + "/environ", "w").write(repr(dict(os.environ)))
sys.exit(int(code))
"""


class Box:
    """A box whose watch comes by the hour."""

    def __init__(self, settings: AlertSettings, told: Path) -> None:
        self.settings, self.told, self.now = settings, told, NOW

    async def watch(self, check: Check) -> None:
        """Announce what one watch found, an hour after the last."""
        self.now += HOUR
        await announce([check], self.settings, DATABASE, self.told, self.now, wait_none())


@pytest.fixture
def box(receiver: Receiver, tmp_path: Path) -> Box:
    """Return a box with a web hook and a heartbeat."""
    return Box(AlertSettings(receiver.hook, (), receiver.heartbeat), tmp_path / "watch.json")


def keeping(folder: Path, code: int = 0) -> tuple[str, ...]:
    """Return a command that keeps what it is told in a folder, and ends with this exit code."""
    return (sys.executable, "-c", _KEEPS, str(folder), str(code))


async def test_trouble_is_told_at_once_and_once_a_day_and_its_end_once(box: Box, receiver: Receiver) -> None:
    for _ in range(25):
        await box.watch(BAD)
    assert len(receiver.alerts) == 2
    assert receiver.beats == 0
    alert = receiver.alerts[0]
    assert alert["text"].endswith("backup: the last good backup ended 9 days ago. Do: run: ops backup DIR")
    assert alert["warehouse"] == "db.example:5432/market"
    assert alert["at"] == "2026-11-22T04:00:00Z"
    assert alert["troubles"] == [msgspec.to_builtins(BAD)]
    assert (alert["over"], alert["test"]) == ([], False)
    for _ in range(3):
        await box.watch(WELL)
    assert len(receiver.alerts) == 3
    assert receiver.alerts[2]["over"] == ["backup"]
    assert receiver.alerts[2]["text"].endswith("backup: over, it is well again")
    assert receiver.beats == 3
    assert PASSWORD not in str(receiver.alerts)


async def test_a_hook_that_fails_for_a_moment_is_tried_again(box: Box, receiver: Receiver) -> None:
    receiver.statuses = [500, 429]
    await box.watch(BAD)
    assert len(receiver.alerts) == 3
    await box.watch(BAD)
    assert len(receiver.alerts) == 3


@pytest.mark.parametrize(("status", "tries"), [(503, 3), (404, 1), (302, 1)])
async def test_what_was_not_delivered_is_told_by_the_next_watch(
    box: Box, receiver: Receiver, caplog: pytest.LogCaptureFixture, status: int, tries: int
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.statuses = [status] * tries
    with pytest.raises(NotTold, match=f"ALERT_URL: it answered {status}") as caught:
        await box.watch(BAD)
    assert len(receiver.alerts) == tries
    await box.watch(BAD)
    assert len(receiver.alerts) == tries + 1
    # The end of it, too.
    receiver.statuses = [status] * tries
    with pytest.raises(NotTold):
        await box.watch(WELL)
    await box.watch(WELL)
    assert receiver.alerts[-1]["over"] == ["backup"]
    assert read_told(box.told) == {}
    assert SECRET not in repr(caught.value) + str(caught.getrepr(style="long", funcargs=True, showlocals=True))
    assert SECRET not in caplog.text


async def test_an_address_where_nobody_answers_is_not_shown(tmp_path: Path) -> None:
    nowhere = [SecretUrl(name, f"http://127.0.0.1:1/{SECRET}") for name in ("ALERT_URL", "HEARTBEAT_URL")]
    box = Box(AlertSettings(nowhere[0], (), nowhere[1]), tmp_path / "watch.json")
    with pytest.raises(NotTold, match=r"ALERT_URL: no connection can be made to it \(Connection refused\)") as told:
        await box.watch(BAD)
    with pytest.raises(NotTold, match="HEARTBEAT_URL was not heard: no connection") as unheard:
        await box.watch(WELL)
    for caught in (told, unheard):
        assert SECRET not in str(caught.getrepr(style="long", showlocals=True))
        assert caught.value.__cause__ is None
    assert SECRET not in repr(box.settings) + msgspec.json.encode(vars(box), enc_hook=repr).decode()


async def test_a_command_hears_it_on_stdin_and_gets_none_of_our_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("POLYGON_API_KEY", "DATABASE_URL", "ALERT_URL", "FLAT_FILES_SECRET", "WAREHOUSE_API_PASSWORD"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("MAILTO", "me@example.com")
    box = Box(AlertSettings(None, keeping(tmp_path)), tmp_path / "watch.json")
    await box.watch(BAD)
    await box.watch(BAD)
    assert (tmp_path / "calls").read_text() == "x"
    said = msgspec.json.decode((tmp_path / "said").read_bytes())
    assert said["troubles"] == [msgspec.to_builtins(BAD)]
    environ = (tmp_path / "environ").read_text()
    assert "the last good backup ended 9 days ago" in environ
    assert "me@example.com" in environ
    assert SECRET not in environ


async def test_one_way_that_fails_does_not_keep_the_other_from_telling(receiver: Receiver, tmp_path: Path) -> None:
    box = Box(AlertSettings(receiver.hook, keeping(tmp_path, 3)), tmp_path / "watch.json")
    with pytest.raises(NotTold, match="ALERT_COMMAND: it ended with exit code 3"):
        await box.watch(BAD)
    assert len(receiver.alerts) == 1
    assert (tmp_path / "calls").read_text() == "xxx"
    await box.watch(BAD)  # somebody knows
    assert len(receiver.alerts) == 1
    box.settings = AlertSettings(None, (str(tmp_path / "missing"),))
    box.now += 24 * HOUR
    with pytest.raises(NotTold, match=r"ALERT_COMMAND: it cannot be started \(No such file"):
        await box.watch(BAD)


async def test_trouble_that_nobody_was_told_of_is_told_when_there_is_somebody(
    receiver: Receiver, tmp_path: Path
) -> None:
    box = Box(AlertSettings(), tmp_path / "watch.json")
    await box.watch(BAD)
    box.settings = AlertSettings(receiver.hook)
    await box.watch(BAD)
    assert len(receiver.alerts) == 1


async def test_a_state_that_cannot_be_kept_is_an_error_after_the_alert(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    box = Box(AlertSettings(receiver.hook), tmp_path / "file" / "watch.json")
    with pytest.raises(NotTold, match=r"cannot be remembered in .*watch\.json"):
        await box.watch(BAD)
    assert len(receiver.alerts) == 1


async def test_two_watches_at_once_tell_once(box: Box, receiver: Receiver) -> None:
    def in_a_thread() -> None:
        asyncio.run(announce([BAD], box.settings, DATABASE, box.told, NOW, wait_none()))

    await asyncio.gather(*(asyncio.to_thread(in_a_thread) for _ in range(3)))
    assert len(receiver.alerts) == 1


async def test_a_test_message_is_sent_whatever_was_told_before(receiver: Receiver) -> None:
    assert await send_test(AlertSettings(receiver.hook), DATABASE, NOW) == 1
    assert receiver.alerts[0]["test"] is True
    with pytest.raises(NobodyToTell, match="ALERT_URL or ALERT_COMMAND"):
        await send_test(AlertSettings(heartbeat=receiver.heartbeat), DATABASE, NOW)


@pytest.mark.parametrize("name", ["ALERT_URL", "HEARTBEAT_URL"])
@pytest.mark.parametrize(
    "text", ["hooks.example/x", "ftp://h/x", "http://", "http://h:0/x", "http://h/a b", "http://[/"]
)
def test_an_address_that_cannot_be_called_is_refused_and_not_shown(name: str, text: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"{name} is '\(hidden\)'") as caught:
        AlertSettings.from_environ({name: text})
    assert text not in str(caught.value)


def test_a_command_is_words_and_no_shell() -> None:
    assert AlertSettings.from_environ({"ALERT_COMMAND": "mail -s 'a; b' me"}).command == ("mail", "-s", "a; b", "me")
    with pytest.raises(InvalidSetting, match="ALERT_COMMAND"):
        AlertSettings.from_environ({"ALERT_COMMAND": "mail 'me"})
