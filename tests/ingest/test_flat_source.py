"""Where flat files are, as a person names it, and the keys for it."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from ingest.flat.settings import FlatFilesSettings
from ingest.flat.source import Bucket, Folder, parse_source
from sql.errors import InvalidSetting

DAY = dt.date(2024, 6, 4)
VENDORS = "/us_stocks_sip/day_aggs_v1/2024/06/2024-06-04.csv.gz"
KEYS = {"FLAT_FILES_KEY_ID": "flat-key-id-012345", "FLAT_FILES_SECRET": "flat-secret-543210"}


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://files.massive.com/flatfiles", f"https://files.massive.com/flatfiles{VENDORS}"),
        ("https://files.massive.com/flatfiles/", f"https://files.massive.com/flatfiles{VENDORS}"),
        ("http://127.0.0.1:9000/b/a/b", "http://127.0.0.1:9000/b/a/b/2024/06/2024-06-04.csv.gz"),
        ("http://[::1]:9000/b", f"http://[::1]:9000/b{VENDORS}"),
        ("https://h/b/a%20b/ü", "https://h/b/a%20b/%C3%BC/2024/06/2024-06-04.csv.gz"),
    ],
)
def test_a_url_names_server_bucket_and_where_in_it(text: str, url: str) -> None:
    bucket = parse_source(text)
    assert isinstance(bucket, Bucket)
    request = bucket.request(DAY)
    assert bucket.url(request) == url
    assert (request.ticker, request.from_date, request.to_date) == (None, DAY, DAY)


@pytest.mark.parametrize(
    "text",
    [
        "s3://flatfiles",
        "ftp://h/b",
        "https://",
        "https:///b",
        "https://h",
        "https://h/",
        "https://h:0/b",
        "https://h:port/b",
        "https://[/b",
        "https://me:hush@h/b",
        "https://h/b?x=1",
        "https://h/b#x",
        "https://h/b/../c",
        "/no/such/folder",
        "",
    ],
)
def test_what_is_neither_a_folder_nor_a_bucket_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        parse_source(text or str(tmp_path))


def test_a_folder_knows_its_sessions_and_nothing_of_other_data_sets(tmp_path: Path) -> None:
    for name in (
        "2024-06-04.csv.gz",
        "2024/06/2024-06-05.csv.gz",
        "us_stocks_sip/minute_aggs_v1/2024/06/2024-06-06.csv.gz",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    folder = parse_source(str(tmp_path))
    assert isinstance(folder, Folder)
    assert folder.files == {DAY: "2024-06-04.csv.gz", dt.date(2024, 6, 5): "2024/06/2024-06-05.csv.gz"}
    assert folder.request(dt.date(2024, 6, 5)).target == "/2024/06/2024-06-05.csv.gz"
    assert folder.request(dt.date(2024, 6, 6)).target == "/2024-06-06.csv.gz"


def test_nothing_set_is_the_vendors_bucket_without_a_key() -> None:
    settings = FlatFilesSettings.from_environ(environ={})
    assert str(settings.source) == "https://files.massive.com/flatfiles/us_stocks_sip/day_aggs_v1"
    with pytest.raises(InvalidSetting, match="FLAT_FILES_KEY_ID"):
        settings.required_keys()


def test_what_a_person_names_goes_before_the_setting(tmp_path: Path) -> None:
    (tmp_path / "2024-06-04.csv.gz").touch()
    environ = KEYS | {"FLAT_FILES": "https://h/b"}
    assert isinstance(FlatFilesSettings.from_environ(environ=environ).source, Bucket)
    assert isinstance(FlatFilesSettings.from_environ(parse_source(str(tmp_path)), environ).source, Folder)


def test_no_repr_and_no_encoder_shows_the_keys() -> None:
    settings = FlatFilesSettings.from_environ(environ=KEYS | {"FLAT_FILES_REGION": "eu-central-1"})
    keys = settings.required_keys()
    assert keys.region == "eu-central-1"
    with pytest.raises(TypeError):
        msgspec.json.encode(keys)
    for secret in KEYS.values():
        assert secret not in repr(settings)
        assert secret.encode() not in keys.blanked(f"x{secret}y".encode())
