"""What a caller would rather have: the quality values of Accept and Accept-Encoding. Knows no format by name."""

from collections.abc import Iterator

import msgspec


class Wish(msgspec.Struct, frozen=True):
    """One member of a header: what is named, without its parameters, and how much it is wanted, from 0 to 1."""

    name: str
    quality: float


def wishes(header: str) -> Iterator[Wish]:
    """Yield the members of an Accept or Accept-Encoding header; one that is not well formed is passed over.

    Source: RFC 9110 §12.4.2.
    """
    for member in header.split(","):
        name, *parameters = (part.strip().lower() for part in member.split(";"))
        quality = _quality(parameters)
        if name and quality is not None:
            yield Wish(name, quality)


def _quality(parameters: list[str]) -> float | None:
    for parameter in parameters:
        name, _, text = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(text)
            except ValueError:
                return None
            return quality if 0 <= quality <= 1 else None
    return 1.0
