"""The pages for people: `/`, where the data is looked at, and /docs, where each route can be tried.

Their files are ours (api/static), held in memory and packed from the start: a page asks nobody but this server.
"""

import hashlib
import mimetypes
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from api.etag import is_held
from api.formats.accept import wishes

_FOLDER = Path(__file__).parent / "static"
_HEADERS = {
    # The page may load and ask this server only, whatever is written into an answer it shows.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types lit-html"
    ),
    # Kept by the browser, and asked about each time: after an upgrade no old file is shown.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
_GZIP_WINDOW = 31
_TYPES = {".js": "text/javascript", ".md": "text/plain", "": "text/plain"}

PAGE_PATHS = ("/", "/audit", "/rules")
PAGE_FOLDERS = ("/symbol/", "/audit/", "/rules/")
"""What is a view of the page: it is for anybody, the key is wanted by what it asks."""


class File(msgspec.Struct, frozen=True):
    """A file of a page, as it is sent."""

    body: bytes
    packed: bytes
    media_type: str
    etag: str


def _read_file(path: Path) -> File:
    body = path.read_bytes()
    packer = zlib.compressobj(9, wbits=_GZIP_WINDOW)
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return File(body, packer.compress(body) + packer.flush(), media_type, hashlib.sha256(body).hexdigest()[:16])


_FILES: Mapping[str, File] = MappingProxyType(
    {path.relative_to(_FOLDER).as_posix(): _read_file(path) for path in sorted(_FOLDER.rglob("*")) if path.is_file()}
)


async def page(request: Request) -> Response:
    """Answer with the page; which of its views is shown is in the address, and its own affair."""
    return _answer(request, "page.html")


async def docs(request: Request) -> Response:
    """Answer with the page of the routes."""
    return _answer(request, "docs.html")


async def static(request: Request) -> Response:
    """Answer with a file of a page."""
    return _answer(request, request.path_params["name"])


def _answer(request: Request, name: str) -> Response:
    file = _FILES.get(name)
    if file is None:
        raise HTTPException(404)
    packs = _takes_gzip(request.headers.get("accept-encoding", ""))
    # Packed bytes are other bytes, so they have a tag of their own.
    headers = {**_HEADERS, "ETag": f'"{file.etag}{"-gzip" * packs}"'}
    if is_held(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(file.packed if packs else file.body, headers=headers, media_type=file.media_type)


def _takes_gzip(accept_encoding: str) -> bool:
    quality = {wish.name: wish.quality for wish in wishes(accept_encoding)}
    return quality.get("gzip", quality.get("*", 0.0)) > 0


def pages_routes() -> list[BaseRoute]:
    """Return the routes of the pages and their files; they are for people and stand in no OpenAPI document."""
    views = [*PAGE_PATHS, *(f"{folder}{{rest:path}}" for folder in PAGE_FOLDERS)]
    return [
        *(Route(path, page, include_in_schema=False) for path in views),
        Route("/docs", docs, include_in_schema=False),
        Route("/static/{name:path}", static, include_in_schema=False),
    ]
