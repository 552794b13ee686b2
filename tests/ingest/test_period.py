"""Which dates a run asks for."""

import datetime as dt

import pytest

from ingest.errors import InvalidDates
from ingest.period import Period, asked_period, last_settled

# Friday 2024-06-28 closes at 20:00 UTC and settles at 00:30 UTC on Saturday.
SETTLED = dt.datetime(2024, 6, 29, 0, 30, tzinfo=dt.UTC)
UNSETTLED = SETTLED - dt.timedelta(seconds=1)


def test_a_session_settles_four_and_a_half_hours_after_its_close() -> None:
    assert last_settled(SETTLED) == dt.date(2024, 6, 28)
    assert last_settled(UNSETTLED) == dt.date(2024, 6, 27)


def test_a_half_session_settles_earlier() -> None:
    # 2023-11-24 closed at 13:00 New York, 18:00 UTC.
    assert last_settled(dt.datetime(2023, 11, 24, 22, 30, tzinfo=dt.UTC)) == dt.date(2023, 11, 24)


def test_the_default_is_five_years_up_to_the_last_settled_session() -> None:
    assert asked_period(None, None, UNSETTLED) == Period(dt.date(2019, 6, 27), dt.date(2024, 6, 27))


def test_five_years_before_a_29th_of_february_is_a_28th() -> None:
    now = dt.datetime(2024, 3, 1, 12, 0, tzinfo=dt.UTC)
    assert asked_period(None, None, now) == Period(dt.date(2019, 2, 28), dt.date(2024, 2, 29))


def test_an_end_in_the_future_is_clipped_to_the_last_settled_session() -> None:
    period = asked_period(dt.date(2024, 6, 3), dt.date(2030, 1, 1), SETTLED)
    assert period == Period(dt.date(2024, 6, 3), dt.date(2024, 6, 28))


def test_dates_before_the_vendors_history_are_allowed() -> None:
    period = asked_period(dt.date(1962, 1, 2), dt.date(1962, 1, 5), SETTLED)
    assert len(period.sessions()) == 4


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (dt.date(2024, 2, 1), dt.date(2024, 1, 1)),
        (dt.date(2030, 1, 1), dt.date(2030, 2, 1)),
        (dt.date(2030, 1, 1), None),
    ],
    ids=["end before begin", "both in the future", "begin in the future"],
)
def test_a_period_that_begins_after_its_end_is_refused_with_its_dates(first: dt.date, last: dt.date | None) -> None:
    with pytest.raises(InvalidDates, match=str(first)):
        asked_period(first, last, SETTLED)
