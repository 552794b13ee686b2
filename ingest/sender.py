"""What a fetcher asks of a source: send a request, return what came back. One file a source stands beside this one."""

from collections.abc import Callable
from typing import Protocol

from archive.payload import Request, Response
from ingest.assess import Assessment

Judge = Callable[[Response], Assessment]


class Sender(Protocol):
    """Somebody who has answers. `base_url` is where, for next pages to be held against."""

    base_url: str

    async def get(self, request: Request) -> Response:
        """Return what came back, whatever it is, ready to be archived.

        Raises: NoResponse when nothing came back; a FetchError when there is nothing to ask.
        """
