"""GET /docs: a page that shows /openapi.json and lets a person try each route; its files are ours and served here."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

_FOLDER = Path(__file__).parent / "static"
_PAGE = (_FOLDER / "docs.html").read_bytes()
_HEADERS = {
    # The page may load and ask this server only, whatever is written into an answer it shows.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}


async def docs(request: Request) -> Response:
    """Answer with the page."""
    return Response(_PAGE, headers=_HEADERS, media_type="text/html")


async def front(request: Request) -> Response:
    """Lead a browser that asks for the host alone to the page."""
    return RedirectResponse("/docs")


def docs_routes() -> list[BaseRoute]:
    """Return the routes of the page and its files; they are for people and stand in no OpenAPI document."""
    return [
        Route("/", front, include_in_schema=False),
        Route("/docs", docs, include_in_schema=False),
        Mount("/static", StaticFiles(directory=_FOLDER), name="static"),
    ]
