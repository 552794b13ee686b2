"""A vendor that says the key back in every way a vendor can: in bodies, headers, redirects, next pages, broken bytes.

Beside the key always stands a witness, so that a search that does not find the key can be shown to have looked where
it was said.
"""

import gzip
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.fake_polygon import FakePolygon, SyntheticMarket
from tests.fake_polygon.server import LoggedRequest

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Parrot(FakePolygon):
    """A fake vendor with things to say once each to requests whose target holds a text; then it behaves.

    `witness` stands wherever the key is said; `elsewhere` is the origin of a host that must never be asked.
    """

    def __init__(self, market: SyntheticMarket, key: str, witness: str, elsewhere: str) -> None:
        super().__init__(market, key=key)
        self.witness, self.elsewhere = witness, elsewhere
        self.said = f"{key} {witness}"
        self._to_say: list[tuple[str, Answer]] = []

    def say(self, to: str, answer: Answer) -> None:
        """Answer the next request whose target holds `to` with this."""
        self._to_say.append((to, answer))

    @property
    def unsaid(self) -> list[str]:
        """Whom it still has something to say to."""
        return [to for to, _ in self._to_say]

    async def _respond(self, request: web.BaseRequest, logged: LoggedRequest) -> web.StreamResponse:
        for place, (to, answer) in enumerate(self._to_say):
            if to in request.raw_path:
                del self._to_say[place]
                return await answer(request)
        return await super()._respond(request, logged)

    def refusal(self, status: int, **headers: str) -> Answer:
        """Refuse in JSON, with the key in the message and in headers."""
        return self.page(status, json.dumps({"status": "ERROR", "error": f"bad key {self.said}"}), **headers)

    def page(self, status: int, text: str = "", **headers: str) -> Answer:
        """Answer with a text, by default a web page with the key in it, and with the key in headers and cookies."""
        body = (text or f"<html><body>proxy dump: Authorization: Bearer {self.said}</body></html>").encode()
        echoes = {
            "X-Echo": self.said,
            "WWW-Authenticate": f'Bearer realm="{self.key}"',
            "Set-Cookie": f"session={self.key}; Path=/",
            f"X-{self.key}": self.witness,
        }

        async def answer(_request: web.BaseRequest) -> web.StreamResponse:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.Response(status=status, body=body, headers=echoes | named)

        return answer

    def redirect(self) -> Answer:
        """Send the caller to the other host, key in hand."""
        return self.page(302, Location=f"{self.elsewhere}/login?apiKey={self.key}&x={self.witness}")

    def next_url(self, url: str, **facts: str) -> Answer:
        """Answer without rows, and with a next page."""
        return self.page(200, json.dumps({"status": "OK", "results": [], "next_url": url} | facts))

    def cut(self) -> Answer:
        """Promise more than is sent, after the key was said."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.content_length = 10_000
            await response.prepare(request)
            await response.write(f'{{"status":"OK","debug":"{self.said}","results":['.encode())
            assert request.transport is not None
            request.transport.close()
            return response

        return answer

    def broken_gzip(self, level: int, *, cut: bool) -> Answer:
        """Send a gzip stream with the key in it whose end is wrong, or is missing."""
        whole = gzip.compress(f'{{"status":"OK","debug":"{self.said}"}}'.encode() * 3, level, mtime=0)
        body = whole[:-6] if cut else whole[:-8] + bytes(8)

        async def answer(_request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

        return answer
