"""What ingest reads from the environment, once, at the start: the vendor's address and key, the universe, the rate.

The key is kept where no repr, log line, error or encoder can show it.
"""

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from ingest.errors import IngestError
from ingest.universe import Universe, parse_universe, read_universe
from sql.errors import InvalidSetting
from sql.settings import read_setting

_BASE_URL = "https://api.massive.com"
_UNIVERSE_FILE = Path(__file__).parents[1] / "ops" / "universe.txt"
_FREE_PLAN = 5
_SHORTEST_SECRET = 8
_TWO_IN_THE_MORNING = dt.time(2)


class VendorKey:
    """A vendor's key. Only `reveal` gives it out, for the Authorization header."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "VendorKey(hidden)"

    def reveal(self) -> str:
        """Return the key itself."""
        return self._text

    def blanked(self, text: bytes) -> bytes:
        """Return a text with the key, should it be in there, blanked out to the same length.

        A vendor that echoes the key must not bring it into the archive. Under eight characters it is no secret, and
        may be in any text by chance.
        """
        secret = self._text.encode()
        return text.replace(secret, b"*" * len(secret)) if len(secret) >= _SHORTEST_SECRET else text


class IngestSettings(msgspec.Struct, frozen=True):
    """How to talk to the vendor, and for which symbols.

    Units: rate_limit_per_minute in requests; 0 sets no limit of ours. `vendor_plan` is the name of the subscription:
    what the vendor refused under one name is asked for again under another. `nightly_at` is on New York's clock.
    """

    key: VendorKey | None
    base_url: str
    universe: Universe
    rate_limit_per_minute: int
    vendor_plan: str = ""
    nightly_at: dt.time = _TWO_IN_THE_MORNING

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "IngestSettings":
        """Read POLYGON_API_KEY, POLYGON_BASE_URL, POLYGON_PLAN, UNIVERSE, RATE_LIMIT_PER_MINUTE and NIGHTLY_AT.

        Raises: InvalidSetting; IngestError when the default universe cannot be read.
        """
        return cls(
            key=_key(environ),
            base_url=_base_url(environ),
            universe=_universe(environ),
            rate_limit_per_minute=read_setting(
                environ, "RATE_LIMIT_PER_MINUTE", _FREE_PLAN, _whole_number, "must be 0 (no limit) or more, per minute"
            ),
            vendor_plan=environ.get("POLYGON_PLAN", "").strip(),
            nightly_at=read_setting(
                environ, "NIGHTLY_AT", _TWO_IN_THE_MORNING, time_of_day, "must be a time from 00:00 to 23:59, New York"
            ),
        )


def _key(environ: Mapping[str, str]) -> VendorKey | None:
    text = environ.get("POLYGON_API_KEY", "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidSetting("POLYGON_API_KEY", "(hidden)", "must be one word of ASCII")
    return VendorKey(text)


def _base_url(environ: Mapping[str, str]) -> str:
    text = environ.get("POLYGON_BASE_URL", "").strip() or _BASE_URL
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        # Only what cannot hold a password or a key is shown.
        shown = text if not set("@?#") & set(text) else "(hidden)"
        raise InvalidSetting("POLYGON_BASE_URL", shown, "must be http(s)://host[:port] with nothing after it")
    return f"{parts.scheme}://{parts.netloc}"


def _universe(environ: Mapping[str, str]) -> Universe:
    text = environ.get("UNIVERSE", "").strip()
    if not text:
        return read_universe(_UNIVERSE_FILE)
    try:
        return parse_universe(text)
    except IngestError as exc:
        raise InvalidSetting("UNIVERSE", text, str(exc)) from exc


def _whole_number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def time_of_day(text: str) -> dt.time:
    """Return the time that HH:MM means.

    Raises: ValueError for anything else.
    """
    return dt.datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007
