"""How the vendor prints a number: Go's shortest form, with an exponent from a million on.

`33166048.0` is sent as `3.3166048e+07`, `245.0` as `245`, `2000000.0` as `2e+06`; counts and times are Go integers
and are sent plain. It must not know what the numbers mean.

Source: Go strconv.FormatFloat(x, 'g', -1, 64); recorded responses of the vendor.
"""

import math

import msgspec
import numpy as np

from tests.fake_polygon.market import Floats

_EXPONENT_FROM = 1e6
_EXPONENT_BELOW = 1e-3  # below 1e-4 to be exact; the slow way is right for every number


def number(x: float) -> str:
    """Return one finite double as the vendor prints it."""
    if x == 0:
        return "-0" if math.copysign(1, x) < 0 else "0"
    sign = "-" if x < 0 else ""
    digits, point = _digits(abs(x))
    exponent = point - 1
    if exponent < -4 or exponent >= 6:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{rest}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _digits(x: float) -> tuple[str, int]:
    """The shortest digits that parse back to x, and where the decimal point stands before or after them."""
    mantissa, _, exponent = repr(x).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    return digits.rstrip("0"), len(whole) - leading + int(exponent or 0)


def numbers(column: Floats) -> list[str]:
    """Return a whole column as the vendor prints it; what is not finite comes as "null"."""
    if not len(column):
        return []
    # msgspec prints the same shortest digits thirty times as fast as the loop below, but never an exponent.
    printed = msgspec.json.encode(column.tolist())[1:-1].decode()
    texts = (printed + ",").replace(".0,", ",")[:-1].split(",")
    size = np.abs(column)
    with np.errstate(invalid="ignore"):
        odd = np.flatnonzero((size >= _EXPONENT_FROM) | (size < _EXPONENT_BELOW))
    for at in odd.tolist():
        text = texts[at]
        texts[at] = _large(text) if text[0].isdigit() and text[0] != "0" and "e" not in text else _one(column[at])
    return texts


def _large(text: str) -> str:
    """Give a plainly printed number of at least a million its exponent."""
    whole, _, fraction = text.partition(".")
    digits = whole[1:] + fraction if fraction else whole[1:].rstrip("0")
    return f"{whole[0]}.{digits}e+{len(whole) - 1:02d}" if digits else f"{whole[0]}e+{len(whole) - 1:02d}"


def _one(x: float) -> str:
    return number(float(x)) if math.isfinite(x) else "null"
