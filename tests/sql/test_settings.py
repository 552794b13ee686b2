"""Settings: an unset variable has its default, one that cannot be used is named with its bound, and no secret shows."""

from pathlib import Path

import pytest

from sql.errors import InvalidSetting, Misuse
from sql.settings import DatabaseSettings, read_setting


@pytest.mark.parametrize("text", [None, "", "  "], ids=["unset", "empty", "blank"])
def test_a_variable_without_a_value_gives_its_default(text: str | None) -> None:
    environ = {} if text is None else {"ANSWER": text}
    assert read_setting(environ, "ANSWER", 42, int, "must be a number") == 42


def test_a_variable_is_read_without_the_space_around_it() -> None:
    assert read_setting({"ANSWER": " 7 "}, "ANSWER", 42, int, "must be a number") == 7


def test_a_value_that_cannot_be_used_is_named_with_its_bound() -> None:
    with pytest.raises(InvalidSetting) as caught:
        read_setting({"ANSWER": "many"}, "ANSWER", 42, int, "must be a number")
    assert str(caught.value) == "setting ANSWER is 'many': must be a number"
    assert (caught.value.name, caught.value.value) == ("ANSWER", "many")
    assert isinstance(caught.value, Misuse)


def test_without_a_url_the_database_is_the_embedded_one_in_the_users_data_folder() -> None:
    settings = DatabaseSettings.from_environ({})
    assert settings.url is None
    assert settings.folder.name == "market-data-warehouse"
    assert settings.folder.is_absolute()


def test_the_data_folder_may_begin_at_home() -> None:
    assert DatabaseSettings.from_environ({"WAREHOUSE_DATA": "~/w"}).folder == (Path.home() / "w").resolve()


def test_a_data_folder_of_nobody_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="WAREHOUSE_DATA is '~nobody-of-that-name/w': must be a folder"):
        DatabaseSettings.from_environ({"WAREHOUSE_DATA": "~nobody-of-that-name/w"})


@pytest.mark.parametrize("url", ["postgresql://h/d", "postgres://h/d"])
def test_a_url_of_postgres_is_taken_as_it_is(url: str) -> None:
    assert DatabaseSettings.from_environ({"DATABASE_URL": url}).url == url


def test_a_url_of_something_else_is_refused_and_its_password_is_not_shown() -> None:
    with pytest.raises(InvalidSetting, match=r"DATABASE_URL .*must begin with postgresql://") as caught:
        DatabaseSettings.from_environ({"DATABASE_URL": "mysql://user:hunter2@host/database"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(vars(caught.value))
