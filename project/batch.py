"""What a run of payloads says, decoded: bars, rejections and corporate actions, not yet set against what is believed.

Which decoder reads a payload depends on its source and endpoint; a second vendor is one more entry here and one more
file beside `decode.py`. Payloads of sources and endpoints nobody decodes hold no rows.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from archive.calendar import Calendar
from archive.payload import Endpoint, Payload
from project.decide.decisions import OPERATOR
from project.decide.decode import decode_override
from project.decide.skip import Skips, rejection_of
from project.decode import BarContext, NoAnswer, decode_bars, is_answer
from project.decode_actions import decode_dividends, decode_splits
from project.decode_flat import decode_flat_bars, is_whole
from project.errors import UndecodablePayload
from project.names.decode import Said, decode_listings, decode_ticker_changes
from project.record import Statement
from project.rejection import Rejection
from project.rows import BarRows, Tickers
from project.ruleset import Ruleset


class Batch:
    """Decoded payloads in archive order. `spoken` maps every ticker named or asked for to its last archive_seq.

    `skips` are what persons decided of payloads (`read_skips`), whatever payloads are to be decoded.
    """

    def __init__(self, calendar: Calendar, ruleset: Ruleset, skips: Skips) -> None:
        self.tickers = Tickers()
        self.bars: list[BarRows] = []
        self.rejections: list[Rejection] = []
        self.statements: dict[str, list[Statement[Any]]] = {}
        self.spoken: dict[str, int] = {}
        self.payloads = 0
        self.last_seq = 0
        self._skips = skips
        self._listed: Said = {}
        self._context = BarContext(calendar, frozenset(ruleset.test_tickers))

    def add(self, payload: Payload) -> None:
        """Decode one more payload.

        Raises: UndecodablePayload for JSON of a shape the vendor was never seen to send, unless it is to be skipped.
        """
        self.payloads += 1
        self.last_seq = payload.archive_seq
        request = payload.response.request
        decoder = _DECODERS.get((payload.response.source, request.endpoint))
        if decoder is None or not decoder.may_hold_rows(payload):
            return
        try:
            decoder.decode(self, payload)
        except NoAnswer:
            return
        except UndecodablePayload:
            if payload.archive_seq not in self._skips:
                raise
            self._add_rejections([rejection_of(payload, self._skips[payload.archive_seq])])
        if request.ticker is not None:
            self.spoken[request.ticker] = payload.archive_seq

    def _add_bars(self, payload: Payload) -> None:
        self._add_rows(payload, *decode_bars(payload, self.tickers, self._context))

    def _add_flat_bars(self, payload: Payload) -> None:
        self._add_rows(payload, *decode_flat_bars(payload, self.tickers, self._context))

    def _add_rows(self, payload: Payload, rows: BarRows, rejections: list[Rejection]) -> None:
        self.bars.append(rows)
        self._add_rejections(rejections)
        if payload.response.request.ticker is None:
            names = map(self.tickers.names.__getitem__, rows.ticker.tolist())
            self.spoken.update(dict.fromkeys(names, payload.archive_seq))

    def _add_splits(self, payload: Payload) -> None:
        self._add_statement("split", *decode_splits(payload))

    def _add_dividends(self, payload: Payload) -> None:
        self._add_statement("dividend", *decode_dividends(payload))

    def _add_listings(self, payload: Payload) -> None:
        self._add_statement("listing", *decode_listings(payload, self._listed))

    def _add_ticker_changes(self, payload: Payload) -> None:
        self._add_statement("ticker_change", *decode_ticker_changes(payload))

    def _add_decision(self, payload: Payload) -> None:
        statement = decode_override(payload)
        if statement is not None:
            self._add_statement("override", statement, [])

    def _add_statement(self, table: str, statement: Statement[Any], rejections: list[Rejection]) -> None:
        self.statements.setdefault(table, []).append(statement)
        self._add_rejections(rejections)

    def _add_rejections(self, rejections: list[Rejection]) -> None:
        self.rejections.extend(rejections)
        self.spoken.update((row.ticker, row.archive_seq) for row in rejections if row.ticker is not None)


class _Decoder(msgspec.Struct, frozen=True):
    """How payloads of one source and endpoint are read."""

    may_hold_rows: Callable[[Payload], bool]
    decode: Callable[[Batch, Payload], None]


_DECODERS = {
    ("polygon", Endpoint.RANGE): _Decoder(is_whole, Batch._add_bars),
    ("polygon", Endpoint.GROUPED): _Decoder(is_whole, Batch._add_bars),
    ("polygon", Endpoint.SPLITS): _Decoder(is_answer, Batch._add_splits),
    ("polygon", Endpoint.DIVIDENDS): _Decoder(is_answer, Batch._add_dividends),
    ("polygon", Endpoint.TICKERS): _Decoder(is_answer, Batch._add_listings),
    ("polygon", Endpoint.TICKER_EVENTS): _Decoder(is_answer, Batch._add_ticker_changes),
    (OPERATOR, Endpoint.DECISION): _Decoder(lambda _: True, Batch._add_decision),
    ("massive_flat", Endpoint.GROUPED): _Decoder(is_whole, Batch._add_flat_bars),
}


def holds_bars(source: str, endpoint: Endpoint) -> bool:
    """Tell whether payloads of a source and endpoint are decoded into bars; each by itself, in whatever order."""
    decoder = _DECODERS.get((source, endpoint))
    return decoder is not None and decoder.decode in (Batch._add_bars, Batch._add_flat_bars)
