"""The universe: which symbols are wanted, as a setting, an option or a file says it.

Symbols are case-sensitive and kept as written: `BCpC` and `BCPC` are different securities. `all` is the whole market;
`ALL` is Allstate. It knows nothing of what the archive has.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ingest.errors import IngestError, InvalidSymbol

_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,31}")
_WHOLE_MARKET = "all"


class Universe(msgspec.Struct, frozen=True):
    """The symbols wanted, in the order given and each once; None means the whole market."""

    symbols: tuple[str, ...] | None

    def __str__(self) -> str:
        return _WHOLE_MARKET if self.symbols is None else ",".join(self.symbols)


WHOLE_MARKET = Universe(None)


def universe_of(symbols: Iterable[str]) -> Universe:
    """Return a universe of these symbols.

    Raises: InvalidSymbol; IngestError when there is none.
    """
    wanted = tuple(dict.fromkeys(_checked(symbol) for symbol in symbols))
    if not wanted:
        raise IngestError("a universe needs at least one symbol, or `all`")
    return Universe(wanted)


def parse_universe(text: str) -> Universe:
    """Return the universe of comma-separated symbols, or the whole market for `all`.

    Raises: InvalidSymbol.
    """
    if text.strip() == _WHOLE_MARKET:
        return WHOLE_MARKET
    return universe_of(symbol.strip(" ") for symbol in text.split(","))


def read_universe(path: Path) -> Universe:
    """Return the universe of a file: one symbol a line, `#` begins a comment; `all` alone is the whole market.

    Raises: InvalidSymbol; IngestError for a file that cannot be read or holds no symbol.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise IngestError(f"universe file {path} cannot be read as text") from exc
    symbols = [symbol for line in lines if (symbol := line.partition("#")[0].strip())]
    return WHOLE_MARKET if symbols == [_WHOLE_MARKET] else universe_of(symbols)


def _checked(symbol: str) -> str:
    if not _SYMBOL.fullmatch(symbol):
        raise InvalidSymbol(symbol)
    return symbol
