"""A key: random, in one form, known by a hash."""

import hashlib
import re

import pytest

from api.access.key import KnownKey, key_id_of, make_key


def _counting(size: int) -> bytes:
    return bytes(range(size))


def test_a_key_is_made_of_its_id_and_256_random_bits() -> None:
    key = make_key(_counting)
    assert key.text == f"mdw_000102030405_{bytes(range(32)).hex()}"
    assert key.sha256 == hashlib.sha256(key.text.encode()).digest()
    assert key_id_of(key.text) == key.key_id == "000102030405"


def test_no_two_keys_are_alike() -> None:
    keys = [make_key() for _ in range(100)]
    assert len({key.text for key in keys}) == len({key.key_id for key in keys}) == 100
    assert all(re.fullmatch(r"mdw_[0-9a-f]{12}_[0-9a-f]{64}", key.text) for key in keys)


def test_only_the_whole_key_is_the_key() -> None:
    key = make_key()
    known = KnownKey(key.key_id, key.sha256, 0)
    assert known.is_of(key.text)
    assert not known.is_of(key.text[:-1] + ("0" if key.text[-1] != "0" else "1"))
    assert not known.is_of(make_key().text)


@pytest.mark.parametrize("text", ["", "mdw_", "mdw_c6a7ee2e76c9_short", "x", "mdw_C6A7EE2E76C9_" + "a" * 64, "é" * 81])
def test_what_cannot_be_a_key_has_no_id(text: str) -> None:
    assert key_id_of(text) is None
