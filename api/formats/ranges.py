"""Ranges: a part of a whole answer by its bytes, as readers of Parquet ask for it.

Each part comes from an answer made anew (or remembered), so the bytes of equal answers must be equal. `If-Range` with
the answer's ETag keeps parts of different answers apart.
"""

import re

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.errors import RangeNotSatisfiable, refuse

_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_UNIT = {"Accept-Ranges": "bytes"}


def ranged(request: Request, response: Response) -> Response:
    """Return the range of an answer that its request asks for, else the whole answer.

    What is not one range of bytes is passed over, as if it had not been asked for. Source: RFC 9110 §14.
    """
    if response.status_code != 200 or isinstance(response, StreamingResponse):
        return response
    if "content-encoding" not in response.headers:
        response.headers["Accept-Ranges"] = "bytes"
    asked = _ONE_RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or request.method != "GET" or not _is_of(request, response):
        return response
    body = bytes(response.body)
    try:
        span = _span(asked[1], asked[2], len(body))
    except ValueError:
        return response
    if span is None:
        return refuse(RangeNotSatisfiable(asked.group(), len(body)), {"Content-Range": f"bytes */{len(body)}", **_UNIT})
    first, last = span
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    headers["content-range"] = f"bytes {first}-{last}/{len(body)}"
    return Response(body[first : last + 1], 206, headers)


def _is_of(request: Request, response: Response) -> bool:
    """Tell whether the answer is the one that the caller has other parts of."""
    condition = request.headers.get("if-range")
    return condition is None or condition.strip() == response.headers.get("etag")


def _span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte of a range, None where there is none of them.

    Raises: ValueError for what is no range.
    """
    if not first:
        length = min(int(last), size)
        return (size - length, size - 1) if length else None
    start = int(first)
    if last and int(last) < start:
        raise ValueError(f"{start}-{last} ends before it starts")
    return (start, min(int(last or size), size - 1)) if start < size else None
