"""What a run of payloads says, decoded: bars, rejections and corporate actions, not yet set against what is believed.

Which decoder reads a payload depends on its source and endpoint; a second vendor is one more entry here and one more
file beside `decode.py`. Payloads of sources and endpoints nobody decodes hold no rows.
"""

from collections.abc import Callable

import msgspec

from archive.calendar import Calendar
from archive.payload import Endpoint, Payload
from project.decode import BarContext, decode_bars, is_answer
from project.decode_actions import decode_dividends, decode_splits
from project.decode_flat import decode_flat_bars, is_whole
from project.dividend import Dividend
from project.rejection import Rejection
from project.rows import BarRows, Tickers
from project.ruleset import Ruleset
from project.split import Split


class Batch:
    """Decoded payloads in archive order. `spoken` maps every ticker named or asked for to its last archive_seq."""

    def __init__(self, calendar: Calendar, ruleset: Ruleset) -> None:
        self.tickers = Tickers()
        self.bars: list[BarRows] = []
        self.rejections: list[Rejection] = []
        self.splits: list[Split] = []
        self.dividends: list[Dividend] = []
        self.spoken: dict[str, int] = {}
        self.payloads = 0
        self.last_seq = 0
        self._context = BarContext(calendar, frozenset(ruleset.test_tickers))

    def add(self, payload: Payload) -> None:
        """Decode one more payload.

        Raises: UndecodablePayload for JSON of a shape the vendor was never seen to send.
        """
        self.payloads += 1
        self.last_seq = payload.archive_seq
        request = payload.response.request
        decoder = _DECODERS.get((payload.response.source, request.endpoint))
        if decoder is None or not decoder.may_hold_rows(payload):
            return
        if request.ticker is not None:
            self.spoken[request.ticker] = payload.archive_seq
        decoder.decode(self, payload)

    def _add_bars(self, payload: Payload) -> None:
        self._add_rows(payload, *decode_bars(payload, self.tickers, self._context))

    def _add_flat_bars(self, payload: Payload) -> None:
        self._add_rows(payload, *decode_flat_bars(payload, self.tickers, self._context))

    def _add_rows(self, payload: Payload, rows: BarRows, rejections: list[Rejection]) -> None:
        self.bars.append(rows)
        self._add_rejections(rejections)
        if payload.response.request.ticker is None:
            self.spoken.update((self.tickers.names[code], payload.archive_seq) for code in rows.ticker.tolist())

    def _add_splits(self, payload: Payload) -> None:
        splits, rejections = decode_splits(payload)
        self.splits.extend(splits)
        self._add_rejections(rejections)

    def _add_dividends(self, payload: Payload) -> None:
        dividends, rejections = decode_dividends(payload)
        self.dividends.extend(dividends)
        self._add_rejections(rejections)

    def _add_rejections(self, rejections: list[Rejection]) -> None:
        self.rejections.extend(rejections)
        self.spoken.update((row.ticker, row.archive_seq) for row in rejections if row.ticker is not None)


class _Decoder(msgspec.Struct, frozen=True):
    """How payloads of one source and endpoint are read."""

    may_hold_rows: Callable[[Payload], bool]
    decode: Callable[[Batch, Payload], None]


_DECODERS = {
    ("polygon", Endpoint.RANGE): _Decoder(is_answer, Batch._add_bars),
    ("polygon", Endpoint.GROUPED): _Decoder(is_answer, Batch._add_bars),
    ("polygon", Endpoint.SPLITS): _Decoder(is_answer, Batch._add_splits),
    ("polygon", Endpoint.DIVIDENDS): _Decoder(is_answer, Batch._add_dividends),
    ("massive_flat", Endpoint.GROUPED): _Decoder(is_whole, Batch._add_flat_bars),
}
