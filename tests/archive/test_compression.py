"""Bodies in and out of zstd: every byte comes back, and a body that is not the archived one never does."""

import datetime as dt
import hashlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archive.compression import Packed, pack, unpack
from archive.errors import DamagedPayload
from tests.fake_polygon import SyntheticMarket
from tests.fake_polygon.plan import Plan
from tests.fake_polygon.vendor import Vendor

BODY = b'{"results":[' + b'{"o":1.5,"v":3.3166048e+07},' * 50 + b"{}]}"


@given(st.binary(max_size=2000))
@example(b"")
@example(b"\x00" * 100_000)
def test_every_body_comes_back_byte_for_byte(body: bytes) -> None:
    packed = pack(body)
    assert (packed.body_bytes, packed.body_sha256) == (len(body), hashlib.sha256(body).digest())
    assert unpack(1, packed) == body


def test_json_takes_less_than_a_third_of_its_size() -> None:
    assert len(pack(BODY).frame) < 0.3 * len(BODY)


def test_five_years_of_a_ticker_take_little_more_than_a_quarter_of_their_json() -> None:
    market = SyntheticMarket(7, ["AAPL"], dt.date(2021, 1, 4), last=dt.date(2025, 12, 31))
    now = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    vendor = Vendor(market, key="key", plan=Plan(), clock=lambda: now)
    path = "/v2/aggs/ticker/AAPL/range/1/day/2021-01-04/2025-12-31"
    reply = vendor.answer(path, {"adjusted": "false", "limit": "50000"}, "Bearer key")
    body = reply.body.plain(reply.end)
    assert len(body) > 100_000
    assert len(pack(body).frame) < 0.27 * len(body)


def test_a_recorded_day_of_the_whole_market_takes_little_more_than_a_quarter_of_its_json(market_data: Path) -> None:
    body = (market_data / "recorded" / "grouped_daily_2019-02-01.json").read_bytes()
    packed = pack(body)
    assert len(packed.frame) < 0.27 * len(body)
    assert unpack(1, packed) == body


@given(st.binary(max_size=300), st.data())
def test_no_flipped_bit_gives_another_body(body: bytes, data: st.DataObject) -> None:
    packed = pack(body)
    frame = bytearray(packed.frame)
    place = data.draw(st.integers(0, len(frame) * 8 - 1))
    frame[place // 8] ^= 1 << place % 8
    try:
        found = unpack(7, Packed(bytes(frame), packed.body_bytes, packed.body_sha256))
    except DamagedPayload as exc:
        assert exc.archive_seq == 7
    else:
        assert found == body  # zstd leaves one bit of its header unused


def test_a_frame_that_claims_a_monstrous_size_is_damaged_and_takes_no_memory() -> None:
    """One bit of the header says how wide the size is: flipped, the next bytes read as a size of many terabytes."""
    packed = pack(BODY)
    for place in range(len(packed.frame[:16]) * 8):
        frame = bytearray(packed.frame)
        frame[place // 8] ^= 1 << place % 8
        try:
            unpack(7, Packed(bytes(frame), packed.body_bytes, packed.body_sha256))
        except DamagedPayload:
            continue


@given(st.integers(0, len(pack(BODY).frame) - 1))
def test_a_frame_that_was_cut_is_damaged(length: int) -> None:
    packed = pack(BODY)
    with pytest.raises(DamagedPayload, match="payload 7 is damaged"):
        unpack(7, Packed(packed.frame[:length], packed.body_bytes, packed.body_sha256))


def test_another_body_under_the_recorded_hash_is_damaged_with_both_hashes() -> None:
    other, packed = pack(b"other"), pack(b"first")
    with pytest.raises(DamagedPayload) as caught:
        unpack(7, Packed(other.frame, other.body_bytes, packed.body_sha256))
    assert packed.body_sha256.hex() in str(caught.value)
    assert other.body_sha256.hex() in str(caught.value)


def test_another_length_than_the_recorded_is_damaged() -> None:
    packed = pack(b"first")
    with pytest.raises(DamagedPayload, match="its frame holds 5 bytes, recorded were 6"):
        unpack(7, Packed(packed.frame, 6, packed.body_sha256))
