"""Somebody who is told: a real HTTP server on loopback that keeps what it was sent and answers as it is told to."""

from typing import Any, Self

import msgspec
from aiohttp import web

from ops.watch.settings import SecretUrl

SECRET = "hook-0123456789-secret"


class Receiver:
    """A web hook and a heartbeat while its context is open. `statuses` are its next answers, 200 after them."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        self.beats = 0
        self.statuses: list[int] = []
        self.url = ""
        self._runner = web.ServerRunner(web.Server(self._hear, access_log=None))

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def alert_url(self) -> str:
        """The address of the web hook, with a secret in it."""
        return f"{self.url}/hook/{SECRET}?token={SECRET}"

    @property
    def heartbeat_url(self) -> str:
        """The address of the heartbeat, with a secret in it."""
        return f"{self.url}/beat/{SECRET}"

    @property
    def hook(self) -> SecretUrl:
        """The web hook as a setting."""
        return SecretUrl("ALERT_URL", self.alert_url)

    @property
    def heartbeat(self) -> SecretUrl:
        """The heartbeat as a setting."""
        return SecretUrl("HEARTBEAT_URL", self.heartbeat_url)

    async def _hear(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        status = self.statuses.pop(0) if self.statuses else 200
        if request.method == "GET":
            self.beats += 1
        else:
            assert request.headers["Content-Type"] == "application/json"
            self.alerts.append(msgspec.json.decode(body))
        return web.Response(status=status, text=SECRET, headers={"Location": "http://127.0.0.1:1/"})
