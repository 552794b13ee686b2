"""The bounds of a request: its URL, its headers, its parameters, and no body. Knows no caller."""

import re
from collections.abc import Mapping

from starlette.types import Scope

from api.access.errors import BodyNotTaken, HeadersTooLarge, KeyInUrl, TooManyParameters, UrlTooLong

LONGEST_URL_BYTES = 16 * 1024
LARGEST_HEADERS_BYTES = 32 * 1024
MOST_PARAMETERS = 100

# Names under which clients of vendors send keys.
_KEY = re.compile(rb"(?:^|&)(?:x-)?(?:api[-_]?key|access_token)(?:=|&|$)", re.IGNORECASE)


def check_bounds(scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    """Let a request pass that is within the bounds.

    Raises: UrlTooLong; HeadersTooLarge; TooManyParameters; KeyInUrl; BodyNotTaken, for a request to read that has one.
    """
    query: bytes = scope["query_string"]
    length = len(scope["raw_path"]) + len(query)
    if length > LONGEST_URL_BYTES:
        raise UrlTooLong(length, LONGEST_URL_BYTES)
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEADERS_BYTES:
        raise HeadersTooLarge(LARGEST_HEADERS_BYTES)
    if query:
        parameters = query.count(b"&") + 1
        if parameters > MOST_PARAMETERS:
            raise TooManyParameters(parameters, MOST_PARAMETERS)
        if _KEY.search(query):
            raise KeyInUrl
    has_body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
    if has_body and scope["method"] in ("GET", "HEAD"):
        raise BodyNotTaken
