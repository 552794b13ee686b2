"""Benches: what a thing costs, measured from outside, with what it is compared to measured in the same run.

They are commands, not tests: no test asserts a time, since the machine is never alone; tests/bench/test_bench.py only
runs each of them at toy size. What they print are ratios first, because absolute times drift.

- `python -m tests.bench.archive_download`: five years of 500 symbols, archived, against a bare download of them.
- `python -m tests.bench.grouped_backfill`: a year of the whole market: requests a session, stored bytes, time, memory.
- `python -m tests.bench.rebuild`: the projection of archives of several shapes, built, against a bare COPY of its rows.
"""
