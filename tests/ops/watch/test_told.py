"""What is told: new trouble at once, the same once a day, its end once; and nothing of what cannot be known."""

import datetime as dt
from pathlib import Path

import pytest

from api.watch.check import Check, Level
from ops.watch.errors import StateNotKept
from ops.watch.told import Trouble, find_news, read_told, told_file, write_told
from sql.settings import DatabaseSettings

NOW = dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)
HOUR, MINUTE = dt.timedelta(hours=1), dt.timedelta(minutes=1)


def check(name: str, status: Level = "failed") -> Check:
    """Return a check that stands so."""
    return Check(name, status, None, None, "found", "do")


def told(hours_ago: float) -> Trouble:
    """Return a trouble of two days that was told so long ago."""
    return Trouble(NOW - 48 * HOUR, NOW - hours_ago * HOUR)


@pytest.mark.parametrize(
    ("before", "checks", "to_tell", "over", "going_on"),
    [
        ({}, [check("backup", "warn")], [], [], []),
        ({}, [check("backup")], ["backup"], [], ["backup"]),
        ({"backup": Trouble(NOW)}, [check("backup")], ["backup"], [], ["backup"]),
        ({"backup": told(20)}, [check("backup")], [], [], ["backup"]),
        ({"backup": told(23.9)}, [check("backup")], ["backup"], [], ["backup"]),
        ({"backup": told(-5)}, [check("backup")], ["backup"], [], ["backup"]),  # the clock was set back
        ({"backup": told(1)}, [check("backup"), check("drill")], ["drill"], [], ["backup", "drill"]),
        ({"backup": told(1)}, [check("backup", "ok")], [], ["backup"], ["backup"]),
        ({"backup": told(1)}, [check("backup", "warn")], [], ["backup"], ["backup"]),
        ({"backup": Trouble(NOW)}, [check("backup", "ok")], [], [], []),
        # With the database away nothing is known of backups.
        ({"backup": told(1)}, [check("database")], ["database"], [], ["backup", "database"]),
    ],
)
def test_news(
    before: dict[str, Trouble], checks: list[Check], to_tell: list[str], over: list[str], going_on: list[str]
) -> None:
    news = find_news(before, checks, NOW)
    assert [each.name for each in news.to_tell] == to_tell
    assert list(news.over) == over
    assert sorted(news.going_on) == going_on
    after = news.when_told(NOW)
    assert sorted(after) == [name for name in going_on if name not in over]
    assert all(after[name].told_at == NOW for name in to_tell)
    assert find_news(after, checks, NOW + HOUR).to_tell == ()


def test_what_was_told_is_kept_and_a_file_that_cannot_be_read_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "state" / "watch.json"
    assert read_told(path) == {}
    troubles = {"backup": told(1), "drill": Trouble(NOW)}
    write_told(path, troubles)
    assert read_told(path) == troubles
    for text in (b"", b"{", b'{"backup": 7}', b"\xff"):
        path.write_bytes(text)
        assert read_told(path) == {}
    with pytest.raises(StateNotKept, match="cannot be remembered"):
        write_told(path / "below.json", troubles)


def test_each_warehouse_has_a_file_of_its_own(tmp_path: Path) -> None:
    def named(url: str | None, **environ: str) -> Path:
        return told_file(DatabaseSettings(url, tmp_path), environ)

    assert named(None).parent == tmp_path
    one = named("postgresql://u:secret@h:1/a", WAREHOUSE_DATA=str(tmp_path))
    assert one.parent == tmp_path
    assert named("postgresql://u@h:1/a").name == one.name
    assert named("postgresql://u@h:1/a").parent != tmp_path
    assert len({named(None).name, one.name, named("postgresql://u@h:1/b").name}) == 3
