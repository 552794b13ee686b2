"""Records: the latest word on a key stands, what it replaced is kept, a whole answer withdraws what it leaves out."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from project.content import Fingerprint, of_records
from project.record import Key, Statement
from project.split import Split
from project.versions import fold_records
from tests.payloads import FETCHED_AT

DAY = dt.date(2024, 6, 10)
ASKED = "/stocks/v1/splits?limit=5000&ticker=A"


def _at(seq: int) -> dt.datetime:
    return FETCHED_AT + dt.timedelta(days=seq)


def _split(seq: int, to: float = 2.0, ticker: str = "A", name: str = "s") -> Split:
    return Split(ticker, name, DAY, 1.0, to, None, archive_seq=seq, known_from=_at(seq), asked=ASKED)


def _said(seq: int, *records: Split, whole: bool = False, ended: tuple[Key, ...] = ()) -> Statement[Split]:
    return Statement(seq, _at(seq), ASKED, records, whole, ended)


def test_the_first_that_said_it_is_kept_where_it_is_only_repeated() -> None:
    folded = fold_records([_split(1)], [_said(2, _split(2))])
    assert (folded.believed, folded.changed, folded.fingerprint) == ([_split(1)], [], Fingerprint())


def test_the_latest_word_stands_and_the_one_before_says_when_and_by_what_it_was_ended() -> None:
    folded = fold_records([_split(1)], [_said(3, _split(3, to=3.0))])
    assert (folded.believed, folded.added) == ([_split(3, to=3.0)], [_split(3, to=3.0)])
    [old] = folded.ended
    assert (old.split_to, old.archive_seq, old.known_to, old.ended_by) == (2.0, 1, _at(3), 3)


def test_a_version_that_came_and_went_within_one_fold_is_remembered_too() -> None:
    folded = fold_records([], [_said(1, _split(1)), _said(2, _split(2, to=3.0))])
    assert [(one.archive_seq, one.ended_by) for one in sorted(folded.added, key=lambda one: one.archive_seq)] == [
        (1, 2),
        (2, None),
    ]
    assert folded.ended == []


def test_a_whole_answer_withdraws_what_it_no_longer_lists() -> None:
    folded = fold_records([_split(1), _split(1, name="t")], [_said(4, _split(4), whole=True)])
    assert folded.believed == [_split(1)]
    assert [(one.vendor_id, one.known_to, one.ended_by) for one in folded.ended] == [("t", _at(4), 4)]


def test_an_answer_that_may_not_be_whole_withdraws_nothing() -> None:
    assert fold_records([_split(1)], [_said(2)]).changed == []


def test_an_answer_to_another_question_withdraws_nothing() -> None:
    other = Statement[Split](2, _at(2), "/v3/reference/splits?ticker=A", (), True)
    assert fold_records([_split(1)], [other]).changed == []


def test_what_was_withdrawn_may_come_back_as_a_version_of_its_own() -> None:
    folded = fold_records([_split(1)], [_said(2, whole=True), _said(3, _split(3), whole=True)])
    assert (folded.believed, folded.added) == ([_split(3)], [_split(3)])
    assert [one.ended_by for one in folded.ended] == [2]


def test_a_statement_may_end_a_key_outright() -> None:
    folded = fold_records([_split(1)], [_said(2, ended=(("A", "s"), ("A", "unknown")))])
    assert folded.believed == []
    assert [one.ended_by for one in folded.ended] == [2]


_statements = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from("st"), st.sampled_from([2.0, 3.0])), max_size=3),
        st.booleans(),
        st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from("st")), max_size=1),
    ),
    max_size=8,
)


@given(_statements, st.integers(0, 8))
def test_wherever_a_fold_is_cut_in_two_it_comes_to_the_same(
    drawn: list[tuple[list[tuple[str, str, float]], bool, list[tuple[str, str]]]], cut: int
) -> None:
    statements = [
        _said(seq, *(_split(seq, to, ticker, name) for ticker, name, to in rows), whole=whole, ended=tuple(ended))
        for seq, (rows, whole, ended) in enumerate(drawn, start=1)
    ]
    at_once = fold_records([], statements)
    first = fold_records([], statements[:cut])
    second = fold_records(first.believed, statements[cut:])
    assert _by_key(second.believed) == _by_key(at_once.believed)
    assert first.fingerprint + second.fingerprint == at_once.fingerprint == of_records(at_once.added)
    ended = {(one.key, one.archive_seq) for one in second.ended}
    kept = [one for one in first.added if (one.key, one.archive_seq) not in ended]
    assert _by_key([*kept, *second.added, *second.ended]) == _by_key(at_once.added)


def _by_key(records: list[Split]) -> list[Split]:
    return sorted(records, key=lambda one: (one.key, one.archive_seq))
