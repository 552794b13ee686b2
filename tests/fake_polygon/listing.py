"""A reference list as the vendor sells it: filtered, sorted, in pages. It must not know what is listed.

Filters are `field` and `field.gt|gte|lt|lte|any_of`; parameters it does not know are ignored, as the official
client sends some. The cursor of a page carries the whole query and the offset.
"""

import operator
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tests.fake_polygon.ask import Ask, Reply
from tests.fake_polygon.body import Body
from tests.fake_polygon.json_text import Json, json_text
from tests.fake_polygon.refusals import Refusal
from tests.fake_polygon.shelf import Shelf

Row = Mapping[str, Json]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


class Listing(msgspec.Struct, frozen=True):
    """The rules of one list: page sizes, the order where none is asked for, the fields to filter and sort by."""

    path: str
    default_limit: int
    max_limit: int
    sort: str
    descending: bool
    fields: frozenset[str]
    counted: bool = False


class Lists:
    """Pages of lists, each list filtered and sorted once for all its pages."""

    def __init__(self) -> None:
        self._chosen: Shelf[list[Row]] = Shelf(12, lambda _: 1)

    def page(
        self,
        ask: Ask,
        listing: Listing,
        edition: Hashable,
        rows: Callable[[], Iterable[Row]],
        finish: Callable[[Row], Row] = dict,
    ) -> Reply:
        """Return one page; `finish` completes the rows of the page, for fields that cost something."""
        limit = ask.limit(listing.default_limit, listing.max_limit)
        offset = _offset(ask)
        asked = {k: v for k, v in ask.query.items() if k not in ("apiKey", "offset")}
        key = (listing.path, edition, tuple(sorted(asked.items())))
        chosen = self._chosen.get(key, lambda: _chosen(ask, listing, rows()))
        page = [finish(row) for row in chosen[offset : offset + limit]]
        end = f'"status":"OK","request_id":"{ask.request_id}"'
        if listing.counted:
            end += f',"count":{len(page)}'
        if offset + limit < len(chosen) or ask.twisted("foreign_next_url"):
            next_url = ask.next_url(listing.path, {**asked, "offset": str(offset + limit)})
            end += f',"next_url":{json_text(next_url)}'
        return Reply(200, Body(_results(ask, page).encode()), (end + "}").encode(), ask.request_id)


def _offset(ask: Ask) -> int:
    text = ask.query.get("offset", "0")
    if not text.isdecimal():
        raise Refusal(400, f"Could not parse the cursor: offset {text}")
    return int(text)


def _chosen(ask: Ask, listing: Listing, rows: Iterable[Row]) -> list[Row]:
    return _sorted(ask, listing, [row for row in rows if _fits(ask, listing, row)])


def _results(ask: Ask, page: Sequence[Row]) -> str:
    if page:
        return f'{{"results":{json_text(page)},'
    return {"absent": "{", "list": '{"results":[],', "null": '{"results":null,'}[ask.plan.empty_results]


def _fits(ask: Ask, listing: Listing, row: Row) -> bool:
    for parameter, wanted in ask.query.items():
        field, _, comparison = parameter.partition(".")
        if field in listing.fields and not _passes(row.get(field), comparison, wanted):
            return False
    return True


def _passes(value: Json, comparison: str, wanted: str) -> bool:
    if value is None:
        return False
    if comparison == "any_of":
        return any(_passes(value, "", each) for each in wanted.split(","))
    target = _like(value, wanted)
    if not comparison:
        return value == target
    compare = _COMPARE.get(comparison)
    if compare is None:
        raise Refusal(400, f"Unknown filter '{comparison}'")
    return compare(value, target)


def _like(value: Json, text: str) -> object:
    """Read a filter's text as the type of what it is compared with."""
    if isinstance(value, bool):
        return text.lower() == "true"
    if isinstance(value, int | float):
        try:
            return float(text)
        except ValueError as exc:
            raise Refusal(400, f"Could not parse the number '{text}'") from exc
    return text


def _sorted(ask: Ask, listing: Listing, rows: list[Row]) -> list[Row]:
    # v3 says sort=field&order=desc, the newer routes sort=field.desc.
    sort, _, direction = ask.query.get("sort", "").partition(".")
    asked = direction or ask.query.get("order")
    if sort and sort not in listing.fields:
        raise Refusal(400, f"Field validation for 'Sort' failed: {sort}")
    descending = asked == "desc" if asked or sort else listing.descending
    rows.sort(key=lambda row: str(row.get("ticker")))
    rows.sort(key=lambda row: _rank(row.get(sort or listing.sort)), reverse=descending)
    return rows


def _rank(value: Json) -> tuple[bool, float, str]:
    number = float(value) if isinstance(value, int | float) else 0.0
    return value is not None, number, value if isinstance(value, str) else ""
