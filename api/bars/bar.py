"""The bar as it is answered: one session or window of one symbol, with the verdict on it; and columns of them."""

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import asyncpg
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct, convert, defstruct
from msgspec.structs import asdict

from api.bars.columns import BarColumns
from api.formats.table import Table
from project.rows import Floats
from sql import load_queries

_RULES = load_queries("api.sql")["rule_names"]

Price = Annotated[float, Meta(description="USD per share.")]
GapNote = Literal["moderate", "large", "extreme"]

# Design §4: the note says how large a gap is, whatever the threshold of the rule.
_GAP_STEPS = (0.02, 0.05, 0.10)
_GAP_NOTES: tuple[GapNote | None, ...] = (None, "moderate", "large", "extreme")


class Bar(Struct, frozen=True, gc=False):
    """One session of one symbol, or a longer window, with the verdict on it."""

    session: Annotated[
        dt.date, Meta(description="The exchange's trading date; of a longer timeframe, the first date of the window.")
    ]
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[float, Meta(description="Shares; may have decimals.")]
    vwap: Annotated[float | None, Meta(description="Volume-weighted average price; null where the vendor sent none.")]
    trades: Annotated[float | None, Meta(description="Number of trades; null where the vendor sent none.")]
    quality_score: Annotated[float, Meta(description="1 less the penalties of the failed rules.", ge=0, le=1)]
    validated: Annotated[
        bool,
        Meta(description="Whether the score reaches the ruleset's threshold, or what a person decided in its place."),
    ]
    gap_detected: Annotated[bool, Meta(description="Whether the rule large_gap failed.")]
    volume_anomaly: Annotated[bool, Meta(description="Whether the rule volume_anomaly failed.")]
    failed_rules: Annotated[list[str], Meta(description="The rules that failed, in the order of the ruleset.")]
    gap: Annotated[
        float | None,
        Meta(description="open / previous close − 1, after undoing splits and dividends; null where none went before."),
    ]
    volume_ratio: Annotated[
        float | None, Meta(description="volume / trailing median; null where too few sessions went before.")
    ]
    gap_note: Annotated[GapNote | None, Meta(description="Size of the gap: from 2, 5 and 10 percent on; null below.")]


if TYPE_CHECKING:

    class SymbolBar(Bar, frozen=True, gc=False):
        """A bar of one of many symbols."""

        symbol: str

else:
    # Its symbol comes first, before the fields of a bar: a subclass could only add it at the end.
    SymbolBar = defstruct(
        "SymbolBar",
        [
            ("symbol", Annotated[str, Meta(description="The symbol, case-sensitive.")]),
            *((name, Bar.__annotations__[name]) for name in Bar.__struct_fields__),
        ],
        module=__name__,
        namespace={"__doc__": "A bar of one of many symbols."},
        frozen=True,
        gc=False,
    )


def table_of(bars: BarColumns, rule_names: Mapping[int, str], symbols: npt.NDArray[Any] | None = None) -> Table:
    """Return bars as they are answered, with the symbol of each where there are several."""
    verdicts, which = np.unique(bars.failed_rules, return_inverse=True)
    failed = [_failed(verdict, rule_names) for verdict in verdicts.tolist()]
    columns = {
        "session": bars.sessions,
        "open": bars.open,
        "high": bars.high,
        "low": bars.low,
        "close": bars.close,
        "volume": bars.volume,
        "vwap": bars.vwap,
        "trades": bars.trades,
        "quality_score": bars.quality_score,
        "validated": bars.validated,
        "gap_detected": np.array(["large_gap" in rules for rules in failed], np.bool_)[which],
        "volume_anomaly": np.array(["volume_anomaly" in rules for rules in failed], np.bool_)[which],
        "failed_rules": _objects(failed)[which],
        "gap": bars.gap,
        "volume_ratio": bars.volume_ratio,
        "gap_note": _gap_notes(bars.gap),
    }
    if symbols is None:
        return Table(Bar, columns)
    return Table(SymbolBar, {"symbol": symbols, **columns})


def rule_names_of(row: Mapping[str, Any]) -> Mapping[int, str]:
    """Return the name of each rule by its bit, of a row of a function of the generation (sql/generation.sql)."""
    return dict(enumerate(row["rule_names"] or ()))


async def read_rule_names(connection: asyncpg.Connection) -> Mapping[int, str]:
    """Return the name of each rule of the generation by its bit in failed_rules."""
    return {row["bit"]: row["name"] for row in await connection.fetch(_RULES)}


def _failed(verdict: int, rule_names: Mapping[int, str]) -> list[str]:
    return [name for bit, name in rule_names.items() if verdict >> bit & 1]


def _gap_notes(gaps: Floats) -> npt.NDArray[Any]:
    sizes = np.nan_to_num(np.abs(gaps), nan=0.0)
    return np.array(_GAP_NOTES, object)[np.searchsorted(_GAP_STEPS, sizes, side="right")]


def _objects(values: list[Any]) -> npt.NDArray[Any]:
    """Return an array whose entries are the values themselves, lists too."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


EXAMPLE = Bar(
    session=dt.date(2014, 6, 9),
    open=92.7,
    high=93.88,
    low=91.75,
    close=93.7,
    volume=75415000.0,
    vwap=None,
    trades=None,
    quality_score=0.95,
    validated=True,
    gap_detected=False,
    volume_anomaly=False,
    failed_rules=["corporate_action"],
    gap=0.0052,
    volume_ratio=1.21,
    gap_note=None,
)
EXAMPLE_OF_MANY: SymbolBar = convert({"symbol": "AAPL", **asdict(EXAMPLE)}, SymbolBar)
