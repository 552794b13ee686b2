"""What can be wrong with what the fake vendor was started with; what it answers over HTTP is in `refusals`.

FakePolygonError
├── NoMarketInFolder     .path
├── BadMarketFile        .path .line
├── UnknownSymbol        .path .symbol
└── BadSyntheticMarket   .parameter .value
"""

from pathlib import Path


class FakePolygonError(Exception):
    """The fake vendor cannot start with what it was given."""


class NoMarketInFolder(FakePolygonError):
    """A folder that should hold a market holds no bars; `path` is that folder."""

    def __init__(self, path: Path) -> None:
        why = "does not exist" if not path.is_dir() else "has neither bars/SYMBOL.csv nor grouped/DATE.csv.gz"
        super().__init__(f"market folder {path} {why}")
        self.path = path


class BadMarketFile(FakePolygonError):
    """A file of a market folder cannot be read; `path` and `line` (1-based) say where."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(f"market file {path} line {line}: {why}")
        self.path = path
        self.line = line


class UnknownSymbol(FakePolygonError):
    """A symbol was asked for that a market folder has no file for; `path` and `symbol` name both."""

    def __init__(self, path: Path, symbol: str) -> None:
        super().__init__(f"market folder {path} has no bars/{symbol}.csv")
        self.path = path
        self.symbol = symbol


class BadSyntheticMarket(FakePolygonError):
    """A synthetic market was asked for with a value it cannot have; `parameter` and `value` name it."""

    def __init__(self, parameter: str, value: object, why: str) -> None:
        super().__init__(f"market with {parameter}={value}: {why}")
        self.parameter = parameter
        self.value = value
