"""The fingerprint: equal rows give equal hashes in any order and any batches, and nothing else does."""

import datetime as dt
import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.content import Fingerprint, of_bars, of_records, of_rejections, of_revisions
from project.dividend import Dividend
from project.judged import JudgedBars
from project.rejection import Rejection
from project.rows import BarRows, Tickers
from project.split import Split
from tests.payloads import FETCHED_AT
from tests.project.columns import SESSIONS, Said, columns

DAY = dt.date(2024, 6, 4)
REJECTION = Rejection(7, 0, "BCpC", DAY, ("missing_close",), "{}")
SPLIT = Split("BCpC", "s", DAY, 1.0, 2.0, None, archive_seq=7, known_from=FETCHED_AT)
DIVIDEND = Dividend("BCpC", "d", DAY, 0.5, "USD", None, None, None, 4, None, archive_seq=7, known_from=FETCHED_AT)
NOTHING = Fingerprint()


class _Row(msgspec.Struct, frozen=True):
    """One row of the bar table, as plain values."""

    said: Said
    gap: float = 0.01
    volume_ratio: float = 1.5
    failed_rules: int = 5
    quality_score: float = 0.8
    validated: bool = True


def _judged(rows: list[_Row], tickers: Tickers) -> JudgedBars:
    return JudgedBars(
        columns([row.said for row in rows], tickers),
        np.array([row.gap for row in rows], np.float64),
        np.array([row.volume_ratio for row in rows], np.float64),
        np.array([row.failed_rules for row in rows], np.int64),
        np.array([row.quality_score for row in rows], np.float64),
        np.array([row.validated for row in rows], np.bool_),
    )


def _of(*rows: _Row, tickers: Tickers | None = None) -> Fingerprint:
    numbered = tickers or Tickers()
    return of_bars(_judged(list(rows), numbered), numbered)


ROW = _Row(Said("BCpC", SESSIONS[3], (10.0, 12.0, 9.0, 11.0), 1000.0, 10.5, 42.0, 7, 1_700_000_000_000_000))
_SAID = msgspec.structs.replace


@pytest.mark.parametrize(
    "changed",
    [
        _SAID(ROW, said=_SAID(ROW.said, ticker="BCPC")),
        _SAID(ROW, said=_SAID(ROW.said, session=SESSIONS[4])),
        *(
            _SAID(ROW, said=_SAID(ROW.said, prices=prices))
            for prices in ((10.5, 12.0, 9.0, 11.0), (10.0, 12.5, 9.0, 11.0), (10.0, 12.0, 9.5, 11.0))
        ),
        _SAID(ROW, said=_SAID(ROW.said, prices=(10.0, 12.0, 9.0, np.nextafter(11.0, 12.0)))),
        _SAID(ROW, said=_SAID(ROW.said, prices=(12.0, 10.0, 9.0, 11.0))),
        _SAID(ROW, said=_SAID(ROW.said, volume=1000.5)),
        _SAID(ROW, said=_SAID(ROW.said, vwap=10.25)),
        _SAID(ROW, said=_SAID(ROW.said, vwap=None)),
        _SAID(ROW, said=_SAID(ROW.said, trades=43.0)),
        _SAID(ROW, said=_SAID(ROW.said, trades=0.0)),
        _SAID(ROW, said=_SAID(ROW.said, vwap=42.0, trades=10.5)),
        _SAID(ROW, gap=-0.01),
        _SAID(ROW, gap=np.nan),
        _SAID(ROW, volume_ratio=1.0),
        _SAID(ROW, volume_ratio=np.nan),
        _SAID(ROW, gap=1.5, volume_ratio=0.01),
        _SAID(ROW, failed_rules=4),
        _SAID(ROW, quality_score=0.80001),
        _SAID(ROW, validated=False),
    ],
    ids=str,
)
def test_whatever_changes_in_what_is_believed_changes_both_hashes(changed: _Row) -> None:
    before, after = _of(ROW), _of(changed)
    assert after.content != before.content
    assert after.provenance != before.provenance


@pytest.mark.parametrize("origin", [{"archive_seq": 8}, {"known_from": 1_700_000_000_000_001}], ids=str)
def test_the_payload_it_came_from_changes_the_provenance_only(origin: dict[str, int]) -> None:
    before, after = _of(ROW), _of(_SAID(ROW, said=_SAID(ROW.said, **origin)))
    assert after.content == before.content
    assert after.provenance != before.provenance


def test_every_nan_is_the_same_null() -> None:
    other_nan = np.array([0xFFF8000000000001], np.uint64).view(np.float64)[0]
    assert np.isnan(other_nan)
    assert _of(_SAID(ROW, gap=float(other_nan))) == _of(_SAID(ROW, gap=np.nan))


def test_the_numbers_that_tickers_happen_to_have_do_not_matter() -> None:
    assert _of(ROW, tickers=Tickers(["AAPL", "BCPC", "BCpC"])) == _of(ROW)


def test_no_rows_are_nothing_and_a_row_twice_is_not() -> None:
    assert _of() == NOTHING
    assert len({_of(), _of(ROW), _of(ROW, ROW), _of(ROW, ROW, ROW)}) == 4


def test_values_that_two_tickers_exchange_are_noticed() -> None:
    one, two = ROW.said, _SAID(ROW.said, ticker="BCPC", prices=20.0)
    turned = (_SAID(one, prices=two.prices), _SAID(two, prices=one.prices))
    before = _of(*(_SAID(ROW, said=said) for said in (one, two)))
    after = _of(*(_SAID(ROW, said=said) for said in turned))
    assert before.content != after.content


_numbers = st.floats(allow_nan=True, allow_infinity=True)
_rows = st.lists(
    st.builds(
        _Row,
        st.builds(
            Said,
            st.sampled_from(["BCPC", "BCpC", "A"]),
            st.sampled_from(SESSIONS[:5]),
            st.tuples(*[st.floats(allow_nan=False)] * 4),
            st.floats(allow_nan=False),
            st.none() | st.floats(allow_nan=False),
            archive_seq=st.integers(1, 2**40),
            known_from=st.integers(0, 2**51),
        ),
        _numbers,
        _numbers,
        st.integers(0, 2**62),
        st.floats(0, 1),
        st.booleans(),
    ),
    max_size=12,
)


@given(_rows, st.randoms(use_true_random=False), st.lists(st.integers(0, 12), max_size=3))
def test_order_and_batches_do_not_matter(rows: list[_Row], random: object, cuts: list[int]) -> None:
    whole = _of(*rows)
    assert hasattr(random, "shuffle")
    random.shuffle(rows)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    total = NOTHING
    for start, stop in itertools.pairwise(edges):
        total += _of(*rows[start:stop])
    assert total == whole


@given(_rows, _rows)
def test_what_is_taken_away_again_was_never_there(one: list[_Row], other: list[_Row]) -> None:
    assert _of(*one) + _of(*other) - _of(*other) == _of(*one)
    assert NOTHING - _of(*one) + _of(*one) == NOTHING


@given(_rows)
def test_a_fingerprint_is_two_texts_of_32_digits_and_back(rows: list[_Row]) -> None:
    found = _of(*rows)
    assert {len(found.content_hash), len(found.provenance_hash)} == {32}
    assert Fingerprint.parse(found.content_hash, found.provenance_hash) == found


def test_a_revision_is_history_and_no_content() -> None:
    tickers = Tickers()
    old = columns([ROW.said], tickers)
    known_to, by = np.array([9], np.int64), np.array([8], np.int64)
    found = of_revisions(old, known_to, by, tickers)
    assert found.content == 0
    others = [
        of_revisions(old, known_to + 1, by, tickers),
        of_revisions(old, known_to, by + 1, tickers),
        of_revisions(_with_close(old, 99.0), known_to, by, tickers),
        of_revisions(old.take(slice(0, 0)), known_to[:0], by[:0], tickers),
    ]
    assert len({found.provenance, *(other.provenance for other in others)}) == 5


def _with_close(rows: BarRows, close: float) -> BarRows:
    values = rows.values.copy()
    values[3] = close
    return msgspec.structs.replace(rows, values=values)


@pytest.mark.parametrize(
    "changed",
    [
        {"archive_seq": 8},
        {"row_index": 1},
        {"ticker": "BCPC"},
        {"ticker": None},
        {"session": None},
        {"reasons": ("missing_open",)},
        {"reasons": ("missing_close", "duplicate_key")},
        {"row_text": "{ }"},
    ],
    ids=str,
)
def test_a_rejection_is_history_of_which_every_field_counts(changed: dict[str, object]) -> None:
    before, after = of_rejections([REJECTION]), of_rejections([_SAID(REJECTION, **changed)])
    assert (before.content, after.content) == (0, 0)
    assert before.provenance != after.provenance


@pytest.mark.parametrize("action", [SPLIT, DIVIDEND], ids=["split", "dividend"])
def test_of_an_action_every_field_counts_and_its_payload_for_provenance_only(action: Split | Dividend) -> None:
    before = of_records([action])
    other_values: dict[type, object] = {str: "other", float: 9.0, int: 9, dt.date: SESSIONS[0], dt.datetime: FETCHED_AT}
    for field, value in msgspec.structs.asdict(action).items():
        kind = type(value) if value is not None else str
        other = other_values[kind] if field != "known_from" else FETCHED_AT + dt.timedelta(1)
        after = of_records([_SAID(action, **{field: other})])
        assert after.provenance != before.provenance, field
        not_stated = field in ("vendor_factor", "archive_seq", "known_from", "ended_by", "asked")
        assert (after.content == before.content) == not_stated, field


def test_a_record_that_is_no_longer_believed_is_history() -> None:
    ended = msgspec.structs.replace(SPLIT, known_to=FETCHED_AT + dt.timedelta(1), ended_by=9)
    assert of_records([ended]).content == 0
    assert of_records([ended]).provenance not in (0, of_records([SPLIT]).provenance)


def test_a_split_and_a_dividend_of_the_same_words_are_two_things() -> None:
    assert of_records([SPLIT]).content != of_records([DIVIDEND]).content
    assert of_records([SPLIT, DIVIDEND]) == of_records([DIVIDEND]) + of_records([SPLIT])
