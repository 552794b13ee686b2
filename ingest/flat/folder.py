"""Flat files from a folder: the bytes of a file as if a server had sent them."""

import asyncio
import datetime as dt
import email.utils
from collections.abc import Callable
from pathlib import Path

from archive.payload import Request, Response, Transfer
from ingest.errors import FetchError, NotFound, NotYet, VendorUnavailable
from ingest.flat.source import FLAT_SOURCE, Folder
from ingest.period import last_surely_absent


class FlatFolder:
    """Reads the files of a folder."""

    def __init__(self, folder: Folder, now: Callable[[], dt.datetime]) -> None:
        self.base_url = folder.path.as_uri()
        self._folder, self._now = folder, now

    async def get(self, request: Request) -> Response:
        """Return a file, byte for byte, with its length and age as headers.

        Raises: NotYet, NotFound when there is none; VendorUnavailable when it cannot be read.
        """
        path = self._folder.path / request.target.lstrip("/")
        try:
            body, changed_at_s = await asyncio.to_thread(_read, path)
        except FileNotFoundError as exc:
            raise _absent(request, self._now()) from exc
        except OSError as exc:
            raise VendorUnavailable(request, f"its file cannot be read ({exc.strerror})", 1) from exc
        headers = [
            ("Content-Length", str(len(body))),
            ("Last-Modified", email.utils.formatdate(changed_at_s, usegmt=True)),
        ]
        return Response(FLAT_SOURCE, request, self._now(), 200, headers, Transfer.COMPLETE, body)


def _read(path: Path) -> tuple[bytes, float]:
    with path.open("rb") as file:
        return file.read(), path.stat().st_mtime


def _absent(request: Request, now: dt.datetime) -> FetchError:
    may_come = request.from_date is not None and request.from_date > last_surely_absent(now)
    return NotYet(request, "no such file yet") if may_come else NotFound(request, "no such file")
