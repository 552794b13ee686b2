"""What ingest reads from the environment, and that the key cannot be seen."""

import msgspec
import pytest

from ingest.errors import MissingKey
from ingest.settings import IngestSettings, VendorKey
from sql.errors import InvalidSetting

KEY = "sk-secret-0123456789"


def test_the_defaults_are_the_vendor_the_default_universe_and_the_free_plan() -> None:
    settings = IngestSettings.from_environ({})
    assert settings.key is None
    assert settings.base_url == "https://api.massive.com"
    assert settings.rate_limit_per_minute == 5
    assert settings.universe.symbols is not None
    assert settings.universe.symbols[:2] == ("AAPL", "MSFT")
    assert len(settings.universe.symbols) == 15


def test_settings_are_read_from_the_environment() -> None:
    settings = IngestSettings.from_environ(
        {
            "POLYGON_API_KEY": f" {KEY}\n",
            "POLYGON_BASE_URL": "http://127.0.0.1:9999/",
            "UNIVERSE": "all",
            "RATE_LIMIT_PER_MINUTE": "0",
        }
    )
    assert settings.key is not None
    assert settings.key.reveal() == KEY
    assert settings.base_url == "http://127.0.0.1:9999"
    assert settings.universe.symbols is None
    assert settings.rate_limit_per_minute == 0


def test_the_key_shows_in_no_text_of_the_settings() -> None:
    settings = IngestSettings.from_environ({"POLYGON_API_KEY": KEY})
    assert KEY not in f"{settings!r} {settings} {settings.key!r} {settings.key}"
    with pytest.raises(TypeError):
        msgspec.json.encode(settings)


@pytest.mark.parametrize(
    "url",
    [
        "api.massive.com",
        "ftp://api.massive.com",
        "https://",
        "https://api.massive.com/v2",
        "https://api.massive.com?x=1",
        "https://host:99999999",
        f"https://api.massive.com?apiKey={KEY}",
        f"https://me:{KEY}@api.massive.com",
    ],
)
def test_a_base_url_with_more_or_less_than_a_host_is_refused(url: str) -> None:
    with pytest.raises(InvalidSetting, match="POLYGON_BASE_URL") as caught:
        IngestSettings.from_environ({"POLYGON_BASE_URL": url})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("RATE_LIMIT_PER_MINUTE", "-1"), ("RATE_LIMIT_PER_MINUTE", "five"), ("UNIVERSE", "AAPL,A B")],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=name) as caught:
        IngestSettings.from_environ({name: value})
    assert repr(value) in str(caught.value)


def test_a_key_that_is_no_key_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidSetting, match="POLYGON_API_KEY") as caught:
        IngestSettings.from_environ({"POLYGON_API_KEY": f"{KEY}\nX-Header: 1"})
    assert KEY not in str(caught.value)


def test_a_missing_key_names_its_variable() -> None:
    assert "POLYGON_API_KEY" in str(MissingKey())
    assert isinstance(MissingKey(), InvalidSetting)


def test_an_echoed_key_is_blanked_out_to_the_same_length() -> None:
    key = VendorKey(KEY)
    assert key.blanked(f"a {KEY} b {KEY}".encode()) == b"a " + b"*" * 20 + b" b " + b"*" * 20


def test_what_is_too_short_to_be_a_secret_is_left_alone() -> None:
    assert VendorKey("demo").blanked(b"a demo") == b"a demo"
