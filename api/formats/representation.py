"""The representation of an answer: in which format and in which coding a request gets it.

A suffix of the path decides the format, else the Accept header; the coding is chosen by Accept-Encoding. Both are
worked out from the request alone, so that an ETag can tell the representations of an answer apart before it is made.
"""

from enum import Enum
from functools import lru_cache
from typing import Final

import msgspec
from starlette.requests import Request

from api.errors import NotAcceptable
from api.formats.accept import Wish, wishes

# In the scope of a request to a tabular operation: the format of its suffix, None where it has none.
FORMAT: Final = "warehouse.format"


class Format(Enum):
    """The formats of tabular answers by their suffix, the one we like best first."""

    JSON = "json"
    CSV = "csv"
    NDJSON = "ndjson"
    ARROW = "arrow"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """The media type, without parameters."""
        return MEDIA_TYPES[self]

    @property
    def is_compressed(self) -> bool:
        """Whether its bytes are packed already, so that a coding would only cost time."""
        return self in (Format.ARROW, Format.PARQUET)


class Coding(Enum):
    """The codings of a body by their name in HTTP, the one we like best first."""

    ZSTD = "zstd"
    GZIP = "gzip"
    IDENTITY = "identity"


MEDIA_TYPES: Final = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv",
    Format.NDJSON: "application/x-ndjson",
    Format.ARROW: "application/vnd.apache.arrow.stream",
    Format.PARQUET: "application/vnd.apache.parquet",
}


class Representation(msgspec.Struct, frozen=True):
    """The format and the coding of an answer."""

    format: Format
    coding: Coding


def split_suffix(path: str) -> tuple[str, Format | None]:
    """Return a path without the suffix of a format, and that format; other dots are part of a symbol."""
    stem, dot, suffix = path.rpartition(".")
    if dot and suffix in _SUFFIXES and not stem.endswith("/"):
        return stem, Format(suffix)
    return path, None


def representation_of(request: Request) -> Representation:
    """Return the representation that a request gets; an operation that is not tabular has JSON only.

    Raises: NotAcceptable where the caller takes none of the formats of a tabular answer.
    """
    headers = request.headers
    chosen: Format | None = request.scope.get(FORMAT, Format.JSON)
    if chosen is None:
        chosen = _format_of(headers.get("accept", "*/*"))
    if chosen.is_compressed or "range" in headers:
        # A range is one of the bytes as they are, so that it can be had from an answer of any coding.
        return Representation(chosen, Coding.IDENTITY)
    return Representation(chosen, _coding_of(headers.get("accept-encoding", "")))


_SUFFIXES = frozenset(each.value for each in Format)


@lru_cache(maxsize=256)
def _format_of(accept: str) -> Format:
    """Return the format that is wanted most; of several the one named most closely, then the one named first."""
    wanted = list(wishes(accept))
    best: tuple[float, int, int] = (0.0, 0, 0)
    chosen: Format | None = None
    for each in Format:
        matching = [
            (_closeness(wish, each.media_type), -place) for place, wish in enumerate(wanted) if _matches(wish, each)
        ]
        if matching:
            closeness, place = max(matching)
            rank = (wanted[-place].quality, closeness, place)
            if rank[0] > 0 and (chosen is None or rank > best):
                chosen, best = each, rank
    if chosen is None:
        raise NotAcceptable(accept, tuple(MEDIA_TYPES.values()))
    return chosen


def _matches(wish: Wish, offered: Format) -> bool:
    group = offered.media_type.partition("/")[0]
    return wish.name in (offered.media_type, f"{group}/*", "*/*")


def _closeness(wish: Wish, media_type: str) -> int:
    return 2 if wish.name == media_type else 1 if wish.name != "*/*" else 0


@lru_cache(maxsize=256)
def _coding_of(accept_encoding: str) -> Coding:
    """Return the coding that is wanted most, which is none where none of ours is."""
    quality = {wish.name: wish.quality for wish in wishes(accept_encoding)}
    offered = {each: quality.get(each.value, quality.get("*", 0.0)) for each in Coding}
    best = max(offered.values())
    return next(each for each in Coding if offered[each] == best) if best > 0 else Coding.IDENTITY
