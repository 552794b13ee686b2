"""Rows put aside come back as they were, those of any tickers by themselves."""

import os
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.bulk.spool import Run, Spooled, count_rows, open_spool, read_spooled, write_run
from project.errors import SpoolFull
from project.rows import BarRows, Tickers, join
from tests.project.columns import SESSIONS, Said, columns

NAMES = ("A", "AA", "B", "BCPC", "BCpC", "Z")

_said = st.builds(
    Said,
    st.sampled_from(NAMES),
    st.sampled_from(SESSIONS[:4]),
    st.sampled_from([10.0, (1.0, 2.0, -0.0, 5e-324)]),
    vwap=st.none() | st.just(7.0),
    archive_seq=st.integers(1, 2**62),
    known_from=st.integers(-(2**62), 2**62),
)
_runs = st.lists(st.lists(_said, min_size=1, max_size=12), max_size=4)


def _plain(rows: BarRows, tickers: Tickers) -> list[tuple[object, ...]]:
    names = [tickers.names[code] for code in rows.ticker.tolist()]
    values = map(bytes, np.ascontiguousarray(rows.values.T))
    known_from = rows.known_from.tolist()
    return sorted(zip(names, rows.day.tolist(), values, rows.archive_seq.tolist(), known_from, strict=True))


def _spooled(file: object, run: Run, names: Sequence[str], tickers: Tickers) -> Spooled:
    assert hasattr(file, "fileno")
    return Spooled(file, run, tickers.ranks()[tickers.codes(names)][run.codes])  # type: ignore[arg-type]


@given(_runs, st.lists(st.integers(0, len(NAMES)), max_size=3))
def test_rows_of_any_tickers_come_back_by_themselves(runs: list[list[Said]], cuts: list[int]) -> None:
    tickers = Tickers(["Z", *NAMES[:-1]])
    by_rank = np.argsort(tickers.ranks())
    with open_spool() as file:
        spooled, offset = [], 0
        for said in runs:
            own = Tickers()  # each run has numbers of its own
            run = write_run(file.fileno(), offset, columns(said, own), own)
            spooled.append(_spooled(file, run, own.names, tickers))
            offset = run.end
        edges = [0, *sorted(cuts), len(NAMES)]
        parts = [read_spooled(spooled, by_rank, *edges[place : place + 2]) for place in range(len(edges) - 1)]
        counts = count_rows(spooled, len(tickers))
    for part, first, last in zip(parts, edges, edges[1:], strict=False):
        assert {tickers.names[code] for code in part.ticker.tolist()} <= set(sorted(NAMES)[first:last])
        assert len(part) == counts[first:last].sum()
    whole = Tickers(NAMES)
    assert _plain(join(parts), tickers) == _plain(columns([row for said in runs for row in said], whole), whole)


def test_a_run_is_in_order_and_of_one_bar_the_payload_that_came_first_is_first() -> None:
    tickers = Tickers()
    rows = columns([Said("B", SESSIONS[1], archive_seq=1), Said("A", SESSIONS[2]), Said("B", SESSIONS[0])], tickers)
    again = columns([Said("B", SESSIONS[1], archive_seq=2)], tickers)
    with open_spool() as file:
        run = write_run(file.fileno(), 0, join([rows, again]), tickers)
        found = read_spooled([_spooled(file, run, tickers.names, tickers)], np.array([1, 0]), 0, 2)
    assert [tickers.names[code] for code in found.ticker.tolist()] == ["A", "B", "B", "B"]
    assert found.archive_seq[-2:].tolist() == [1, 2]


def test_a_full_disk_is_named_with_the_way_out() -> None:
    tickers = Tickers()
    rows = columns([Said("A", SESSIONS[0])], tickers)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(SpoolFull, match=r"No space left on device; free space there, or set TMPDIR"):
            write_run(full, 0, rows, tickers)
    finally:
        os.close(full)
