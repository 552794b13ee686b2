"""What bars are judged by besides themselves, over months: a catch-up reads as much of it as it needs, and no more.

Splits and dividends are stated on their date or off it, with prices that follow them or do not, early and late,
restated and withdrawn, while bars come a few sessions at a time and out of order.
"""

import datetime as dt

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.calendar import exchange_calendar
from archive.payload import Response
from project.rebuild import rebuild
from project.replay import catch_up
from tests.payloads import (
    FETCHED_AT,
    archive_all,
    bar,
    dividend,
    dividends_response,
    range_response,
    split,
    splits_response,
)
from tests.project.conftest import Empty
from tests.project.random_archive import small_ruleset
from tests.project.tables import all_tables, fingerprint_of_tables, the_generation

RULESET = small_ruleset()
SESSIONS = exchange_calendar().between(dt.date(2023, 9, 1), dt.date(2024, 6, 28))
_EX_PLACE = st.integers(0, len(SESSIONS) - 1)
_RATIOS = st.sampled_from([(1, 2), (1, 7), (3, 2), (20, 1)])


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


@st.composite
def _splits(draw: st.DrawFn, happened: dict[int, tuple[int, int]]) -> Response:
    """Draw a list of splits: those that happened, dated right or off, some missing, and some that never happened."""
    rows = []
    for place, ratio in happened.items():
        off = draw(st.sampled_from([0, 0, 0, 1, -1, 2, 30]))
        if draw(st.integers(0, 3)):
            rows.append(split("A", SESSIONS[min(max(place + off, 0), len(SESSIONS) - 1)], *ratio, f"s{place}"))
    if draw(st.booleans()):
        rows.append(split("A", SESSIONS[draw(_EX_PLACE)], *draw(_RATIOS), draw(st.sampled_from(["n", "m"]))))
    return splits_response(rows)


@st.composite
def _dividends(draw: st.DrawFn) -> Response:
    rows = [
        dividend("A", SESSIONS[draw(_EX_PLACE)], draw(st.sampled_from([0.5, 4.0, 900.0])), f"d{number}")
        for number in range(draw(st.integers(0, 4)))
    ]
    return dividends_response(rows)


@st.composite
def _stories(draw: st.DrawFn) -> list[list[Response]]:
    """Draw nights: what each brings of bars in pieces of the year, and of lists."""
    happened = draw(st.dictionaries(_EX_PLACE, _RATIOS, max_size=3))
    price, prices = 100.0, []
    for place in range(len(SESSIONS)):
        old, new = happened.get(place, (1, 1))
        price = price * old / new
        prices.append(price)
    nights = []
    for number in range(draw(st.integers(2, 6))):
        start = draw(st.integers(0, len(SESSIONS) - 1))
        stop = draw(st.integers(start, min(start + 90, len(SESSIONS))))
        traded = [place for place in range(start, stop) if draw(st.integers(0, 9))]
        night: list[Response] = [range_response("A", [bar(SESSIONS[place], prices[place]) for place in traded])]
        night += draw(st.lists(_splits(happened) | _dividends(), max_size=2))
        at = FETCHED_AT + dt.timedelta(days=number)
        nights.append([_fetched(response, at) for response in draw(st.permutations(night))])
    return nights


def _fetched(response: Response, at: dt.datetime) -> Response:
    return Response(
        response.source,
        response.request,
        at,
        response.http_status,
        response.headers,
        response.transfer,
        response.body,
    )


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(nights=_stories(), batch_payloads=st.sampled_from([1, 2, 256]))
async def test_night_after_night_comes_to_what_one_rebuild_comes_to(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    empty: Empty,
    nights: list[list[Response]],
    batch_payloads: int,
) -> None:
    await empty()
    await rebuild(project_pool, RULESET, _now)
    for night in nights:
        await archive_all(ingest_pool, night)
        await catch_up(project_pool, _now, batch_payloads=batch_payloads)
    caught_up, generation = await all_tables(project_pool), await the_generation(project_pool)
    assert await fingerprint_of_tables(project_pool) == generation.fingerprint
    rebuilt = (await rebuild(project_pool, RULESET, _now)).generation
    assert await all_tables(project_pool) == caught_up
    assert rebuilt.fingerprint == generation.fingerprint
