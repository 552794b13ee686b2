"""Where flat files are, and what a session's file is called there: in a bucket, or in a folder. It fetches nothing.

Source: the vendor's documentation of flat files: us_stocks_sip/day_aggs_v1/YYYY/MM/YYYY-MM-DD.csv.gz in `flatfiles`.
"""

import datetime as dt
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec

from archive.payload import Endpoint, Request

FLAT_SOURCE = "massive_flat"
VENDORS_BUCKET = "https://files.massive.com/flatfiles"
EXPECTED = "must be a folder with YYYY-MM-DD.csv.gz in it, or http(s)://host[:port]/bucket[/prefix]"
_DATASET = "us_stocks_sip/day_aggs_v1"


class Bucket(msgspec.Struct, frozen=True):
    """A bucket of an S3-compatible server; files stand under `prefix`, quoted as in a URL, as YYYY/MM/YYYY-MM-DD."""

    base_url: str
    name: str
    prefix: str = _DATASET

    def __str__(self) -> str:
        return f"{self.base_url}/{self.name}/{self.prefix}"

    def request(self, session: dt.date) -> Request:
        """Return the request for a session's file; its target is the key, without host and bucket."""
        return file_request(f"/{self.prefix}/{session:%Y/%m}/{_file_name(session)}", session)

    def url(self, request: Request) -> str:
        """Return the address of a file."""
        return f"{self.base_url}/{self.name}{request.target}"


class Folder(msgspec.Struct, frozen=True):
    """A folder of files, as the bucket has them or all in one place; `files` are paths below `path` by session."""

    path: Path
    files: dict[dt.date, str]

    def __str__(self) -> str:
        return str(self.path)

    def request(self, session: dt.date) -> Request:
        """Return the request for a session's file; its target is the path below the folder."""
        return file_request(f"/{self.files.get(session, _file_name(session))}", session)


def file_request(target: str, session: dt.date) -> Request:
    """Return the request for the bars of every ticker of one session, as a file."""
    return Request(Endpoint.GROUPED, target, None, session, session)


def parse_source(text: str) -> Bucket | Folder:
    """Return the source that a person named.

    Raises: ValueError when it is neither a folder with such files in it nor the URL of a bucket.
    """
    return _bucket(text) if "://" in text else _folder(Path(text).expanduser())


def shown(text: str) -> str:
    """Return a source as an error may name it: hidden where it can hold a password or a key."""
    return text if not set("@?#") & set(text) or "://" not in text else "(hidden)"


def _bucket(text: str) -> Bucket:
    parts = urlsplit(text)
    segments = [segment for segment in parts.path.split("/") if segment]
    usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and segments
    if not usable or parts.query or parts.fragment or "@" in parts.netloc or {".", ".."}.intersection(segments):
        raise ValueError(text)
    name, *prefix = (quote(segment, safe="%") for segment in segments)
    base_url = f"{parts.scheme}://{parts.netloc}"
    return Bucket(base_url, name, "/".join(prefix)) if prefix else Bucket(base_url, name)


def _folder(path: Path) -> Folder:
    files: dict[dt.date, str] = {}
    for layout in ("", "????/??/", f"{_DATASET}/????/??/"):
        for found in path.glob(f"{layout}????-??-??.csv.gz"):
            session = _session_of(found.name)
            if session is not None:
                files.setdefault(session, found.relative_to(path).as_posix())
    if not files:
        raise ValueError(path)
    return Folder(path.resolve(), files)


def _session_of(name: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(name.removesuffix(".csv.gz"))
    except ValueError:
        return None


def _file_name(session: dt.date) -> str:
    return f"{session}.csv.gz"
