"""Pages: the address of the next one, which says everything that the first one was asked.

Clients follow its path and query on the host they know, so nothing of it is kept here between two requests.
"""

from urllib.parse import quote, urlencode

from starlette.requests import Request


def next_url(request: Request, cursor: str) -> str:
    """Return the URL of the page that `cursor` begins, on the host as the caller wrote it."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    path = quote(request.scope["path"], safe="/:@!$&'()*+,;=~")
    return f"{request.url.scheme}://{request.url.netloc}{path}?{urlencode([*query, ('cursor', cursor)])}"
