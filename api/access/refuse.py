"""The answer to a request that is refused before any route: in the language of its path, with what HTTP wants said."""

from collections.abc import Sequence

from starlette.responses import Response

from api.access.errors import BodyNotTaken, MissingKey, UnknownKey
from api.dialect import Dialect, translated
from api.errors import RefusedRequest, refuse


def refusal(path: str, refused: RefusedRequest, dialects: Sequence[Dialect] = ()) -> Response:
    """Return the answer to a refused request for `path`."""
    return translated(path, refuse(refused, _headers(refused)), dialects)


def _headers(refused: RefusedRequest) -> dict[str, str]:
    match refused:
        case MissingKey():
            return {"WWW-Authenticate": 'Bearer realm="warehouse"'}
        case UnknownKey():
            return {"WWW-Authenticate": 'Bearer realm="warehouse", error="invalid_token"'}
        case BodyNotTaken():
            # What follows on this connection is the body, and nobody reads it.
            return {"Connection": "close"}
        case _:
            return {}
