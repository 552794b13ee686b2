"""Values as the vendor's JSON text: floats in its number format, keys in the order given. It must not know fields."""

from collections.abc import Mapping, Sequence

from tests.fake_polygon.number import number
from tests.fake_polygon.rows import quoted

Json = str | bool | int | float | None | Sequence["Json"] | Mapping[str, "Json"]


def json_text(value: Json) -> str:
    """Return the compact JSON text of a value; a finite float prints as `number` does, an int plainly."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
        case int():
            return str(value)
        case float():
            return number(value)
        case Mapping():
            return "{" + ",".join(f"{quoted(key)}:{json_text(item)}" for key, item in value.items()) + "}"
        case _:
            return "[" + ",".join(json_text(item) for item in value) + "]"
