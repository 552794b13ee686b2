"""CSV: a line of names, then a row a line, as RFC 4180 says with LF at the end of lines.

Nothing stands for null. A number that may have decimals always shows them (1.0): readers such as polars take the type
of a column from its first rows. Instants are ISO 8601 in UTC; the words of a list are joined by `|`. The lines are put
together from Arrow's texts of the values, since pyarrow's own writer can do neither of these.
"""

import pyarrow as pa
import pyarrow.compute as pc

from api.formats.columnar import INSTANT, TEXTS, batch_of
from api.formats.outline import Outline
from api.formats.table import Rows

BETWEEN_WORDS = "|"
# Source: pyarrow's cast to text; from here on it writes an exponent, below it a whole number without a point.
_EXPONENT_FROM = 1e10
_NEEDS_QUOTES = '[",\r\n]'


class CsvWriter:
    """Writes the rows alone."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline

    def start(self) -> bytes:
        """Return the line of names."""
        return ",".join(self._outline.names).encode() + b"\n"

    def write(self, rows: Rows) -> bytes:
        """Return rows as lines."""
        if not len(rows):
            return b""
        batch = batch_of(rows, self._outline.kind, self._outline.names)
        texts = [_text(column) for column in batch.columns]
        if len(texts) == 1:
            # An empty line would be passed over by readers.
            texts = [pc.fill_null(texts[0], '""')]
        texts[-1] = pc.binary_join_element_wise(texts[-1], "", "\n", null_handling="replace")
        lines = pc.binary_join_element_wise(*texts, ",", null_handling="replace")
        return b"".join(lines.buffers()[2:])

    def finish(self) -> bytes:
        """Return nothing."""
        return b""


def _text(column: pa.Array) -> pa.Array:
    """Return a column as it is written."""
    if column.type == pa.float64():
        return _with_point(column)
    if column.type == INSTANT:
        return pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")
    if column.type == TEXTS:
        return _quoted(pc.binary_join(column, BETWEEN_WORDS))
    return _quoted(column) if column.type == pa.string() else pc.cast(column, pa.string())


def _with_point(numbers: pa.Array) -> pa.Array:
    is_whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), _EXPONENT_FROM))
    return pc.binary_join_element_wise(pc.cast(numbers, pa.string()), pc.if_else(is_whole, ".0", ""), "")


def _quoted(texts: pa.Array) -> pa.Array:
    needs_quotes = pc.match_substring_regex(texts, _NEEDS_QUOTES)
    if not pc.any(needs_quotes).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(needs_quotes, pc.binary_join_element_wise('"', doubled, '"', ""), texts)
