"""The fold, without a database: rows taken in at once or a few at a time give the same."""

import datetime as dt
import itertools
from collections.abc import Sequence

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from project.content import Fingerprint
from project.dividend import Dividend
from project.factors.circumstances import Circumstances
from project.factors.factor import Factor
from project.fold import EVERY_DAY, first_days, fold_bars
from project.judged import JudgedBars
from project.record import Statement
from project.rows import BarRows, Tickers, join, no_rows
from project.split import Split
from project.versions import fold_records
from tests.payloads import FETCHED_AT
from tests.project.columns import EPOCH, SESSIONS, Said, columns
from tests.project.random_archive import small_ruleset

RULESET = small_ruleset()
Row = tuple[object, ...]


class _Projection:
    """What tables would hold, as dicts: bars by key, revisions as a list, counts as sums."""

    def __init__(self) -> None:
        self.bars: dict[tuple[str, int], Row] = {}
        self.revisions: list[Row] = []
        self.counts: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
        self.splits: list[Split] = []
        self.dividends: list[Dividend] = []
        self.ended: list[Split | Dividend] = []
        self.factors: list[Factor] = []
        self.fingerprint = Fingerprint()

    def take_in(self, said: Sequence[Said], splits: Sequence[Split], dividends: Sequence[Dividend]) -> None:
        tickers = Tickers()
        rows = columns(said, tickers)
        tickers.codes([split.ticker for split in splits] + [dividend.ticker for dividend in dividends])
        new_splits = fold_records(self.splits, [Statement(one.archive_seq, FETCHED_AT, "", (one,)) for one in splits])
        new_dividends = fold_records(
            self.dividends, [Statement(one.archive_seq, FETCHED_AT, "", (one,)) for one in dividends]
        )
        changed: list[Split | Dividend] = [*new_splits.changed, *new_dividends.changed]
        self.splits, self.dividends = new_splits.believed, new_dividends.believed
        self.ended += [one for one in changed if one.known_to is not None]
        since = first_days([rows], changed, tickers)
        for ticker in [*(one.ticker for one in self.splits), *(one.ticker for one in self.dividends)]:
            if ticker in tickers.names:
                since[tickers.code(ticker)] = EVERY_DAY  # what prices say of an action may change
        ended = [one for one in self.ended if one.ticker in tickers.names]
        known = Circumstances(
            [split for split in (*self.splits, *ended) if isinstance(split, Split) and split.ticker in tickers.names],
            [one for one in (*self.dividends, *ended) if isinstance(one, Dividend) and one.ticker in tickers.names],
            [factor for factor in self.factors if factor.ticker in tickers.names],
        )
        folded = fold_bars(self._believed(tickers, since), [rows], since, tickers, known, RULESET)
        self.factors = [
            *(factor for factor in self.factors if factor.ticker not in tickers.names),
            *folded.weighed.factors,
        ]
        self.fingerprint += folded.fingerprint + new_splits.fingerprint + new_dividends.fingerprint
        for row in _table(folded.bars, tickers):
            self.bars[(str(row[0]), int(str(row[1])))] = row
        self.revisions += _revisions(folded.revised, folded.known_to, folded.superseded_by, tickers)
        for code, name in enumerate(tickers.names):
            self.counts[name] = self.counts.get(name, np.zeros(5, np.int64)) + folded.counts[code]

    def _believed(self, tickers: Tickers, since: np.ndarray[tuple[int], np.dtype[np.int64]]) -> JudgedBars:
        """Return, as the database does, bars from the first changed day on and a window before, in any order."""
        chosen: list[Row] = []
        for code, name in enumerate(tickers.names):
            days = sorted(day for ticker, day in self.bars if ticker == name)
            before = [day for day in days if day < since[code]][-RULESET.volume_window :]
            chosen += [self.bars[(name, day)] for day in (*before, *(day for day in days if day >= since[code]))]
        return _judged(chosen[::-1], tickers)


def _table(judged: JudgedBars, tickers: Tickers) -> list[Row]:
    bars = judged.bars
    return [
        (tickers.names[ticker], day, *values, seq, known, gap, ratio, failed, score, validated)
        for ticker, day, values, seq, known, gap, ratio, failed, score, validated in zip(
            bars.ticker.tolist(),
            bars.day.tolist(),
            bars.values.T.tolist(),
            bars.archive_seq.tolist(),
            bars.known_from.tolist(),
            judged.gap.tolist(),
            judged.volume_ratio.tolist(),
            judged.failed_rules.tolist(),
            judged.quality_score.tolist(),
            judged.validated.tolist(),
            strict=True,
        )
    ]


def _judged(rows: list[Row], tickers: Tickers) -> JudgedBars:
    table = list(zip(*rows, strict=True)) or [()] * 16
    bars = BarRows(
        tickers.codes([str(name) for name in table[0]]),
        np.array(table[1], np.int64),
        np.array(table[2:9], np.float64).reshape(7, len(rows)),
        np.array(table[9], np.int64),
        np.array(table[10], np.int64),
    )
    measures = (np.array(table[11], np.float64), np.array(table[12], np.float64), np.array(table[13], np.int64))
    return JudgedBars(bars, *measures, np.array(table[14], np.float64), np.array(table[15], np.bool_))


def _revisions(old: BarRows, known_to: object, by: object, tickers: Tickers) -> list[Row]:
    assert isinstance(known_to, np.ndarray)
    assert isinstance(by, np.ndarray)
    return [
        (tickers.names[ticker], day, tuple(values), seq, until, superseded_by)
        for ticker, day, values, seq, until, superseded_by in zip(
            old.ticker.tolist(),
            old.day.tolist(),
            old.values.T.tolist(),
            old.archive_seq.tolist(),
            known_to.tolist(),
            by.tolist(),
            strict=True,
        )
    ]


_tickers = st.sampled_from(["BCPC", "BCpC"])
_sessions = st.sampled_from(SESSIONS[:10])
_said = st.builds(
    Said,
    _tickers,
    _sessions,
    st.sampled_from([10.0, 20.0, (10.0, 9.0, 11.0, 10.0), 0.0]),
    st.sampled_from([1000.0, 0.0, 50000.0]),
    st.none() | st.just(10.0),
)
_split = st.builds(
    Split,
    _tickers,
    st.sampled_from("ab"),
    _sessions,
    st.just(1.0),
    st.sampled_from([2.0, 7.0]),
    st.none(),
    archive_seq=st.just(0),
    known_from=st.just(FETCHED_AT),
)
_dividend = st.builds(
    Dividend,
    _tickers,
    st.sampled_from("ab"),
    _sessions,
    st.sampled_from([0.5, 2.0]),
    st.just("USD"),
    *[st.none()] * 5,
    archive_seq=st.just(0),
    known_from=st.just(FETCHED_AT),
)


@settings(max_examples=150)
@given(st.lists(_said | _split | _dividend, max_size=25), st.lists(st.integers(0, 25), max_size=5))
def test_taking_in_a_few_at_a_time_gives_what_taking_in_at_once_gives(
    events: list[Said | Split | Dividend], cuts: list[int]
) -> None:
    numbered = [
        msgspec.structs.replace(event, archive_seq=seq, known_from=seq if isinstance(event, Said) else FETCHED_AT)
        for seq, event in enumerate(events, start=1)
    ]
    once, often = _Projection(), _Projection()
    _take_in(once, numbered)
    edges = sorted({0, len(numbered), *(min(cut, len(numbered)) for cut in cuts)})
    for start, stop in itertools.pairwise(edges):
        _take_in(often, numbered[start:stop])
    assert repr(sorted(often.bars.values())) == repr(sorted(once.bars.values()))
    assert repr(sorted(often.revisions)) == repr(sorted(once.revisions))
    assert sorted(map(repr, often.factors)) == sorted(map(repr, once.factors))
    assert often.fingerprint == once.fingerprint
    assert {name: counts.tolist() for name, counts in often.counts.items() if counts.any()} == {
        name: counts.tolist() for name, counts in once.counts.items() if counts.any()
    }


def _take_in(projection: _Projection, events: Sequence[Said | Split | Dividend]) -> None:
    projection.take_in(
        [event for event in events if isinstance(event, Said)],
        [event for event in events if isinstance(event, Split)],
        [event for event in events if isinstance(event, Dividend)],
    )


def test_what_is_repeated_writes_nothing() -> None:
    projection = _Projection()
    _take_in(projection, [Said("AAPL", session, archive_seq=1) for session in SESSIONS[:5]])
    bars, fingerprint = dict(projection.bars), projection.fingerprint
    _take_in(projection, [Said("AAPL", session, archive_seq=2) for session in SESSIONS[:5]])
    assert (projection.bars, projection.fingerprint, projection.revisions) == (bars, fingerprint, [])


def test_a_late_bar_changes_verdicts_after_it_and_none_before() -> None:
    projection = _Projection()
    said = [Said("AAPL", SESSIONS[place], price) for place, price in ((0, 10.0), (1, 10.0), (3, 20.0), (4, 20.0))]
    _take_in(projection, said)
    before = dict(projection.bars)
    _take_in(projection, [Said("AAPL", SESSIONS[2], 20.0, archive_seq=2)])
    changed = {key[1] for key, row in projection.bars.items() if repr(before.get(key)) != repr(row)}
    # The bar itself; the next, whose gap it explains and which now has a window before it. Nothing of the last changes.
    assert changed == {(SESSIONS[place] - EPOCH).days for place in (2, 3)}


def test_the_first_day_touched_is_the_earliest_of_rows_and_records() -> None:
    tickers = Tickers()
    rows = columns([Said("A", SESSIONS[4]), Said("A", SESSIONS[2]), Said("B", SESSIONS[3])], tickers)
    tickers.codes(["C", "D"])
    changed = [
        Split(ticker, "s", EPOCH + dt.timedelta(day), 1.0, 2.0, None, archive_seq=1, known_from=FETCHED_AT)
        for ticker, day in (("B", 5), ("C", 9), ("C", 7))
    ]
    days = first_days([rows, no_rows()], changed, tickers)
    assert days[:3].tolist() == [(SESSIONS[2] - EPOCH).days, 5, 7]
    assert days[3] == np.iinfo(np.int64).max


def test_bars_of_many_tickers_are_counted_each_for_itself() -> None:
    tickers = Tickers(["A", "B", "NOBODY"])
    said = [Said("A", SESSIONS[0], 10.0), Said("A", SESSIONS[1], 20.0), Said("B", SESSIONS[1])]
    restated = Said("B", SESSIONS[1], 11.0, archive_seq=2)
    folded = fold_bars(
        _judged([], tickers),
        [columns(said, tickers), join([columns([restated], tickers)])],
        np.full(3, EVERY_DAY),
        tickers,
        Circumstances(),
        RULESET,
    )
    # bars, validated, gaps flagged, volume anomalies, revisions
    assert folded.counts.tolist() == [[2, 1, 1, 0, 0], [1, 1, 0, 0, 1], [0, 0, 0, 0, 0]]
    assert folded.first_day[:2].tolist() == [(session - EPOCH).days for session in SESSIONS[:2]]
    assert folded.last_day[:2].tolist() == [(SESSIONS[1] - EPOCH).days] * 2
    assert folded.first_day[2] > folded.last_day[2]
