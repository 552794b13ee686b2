"""The bounded memory: what was used last stays, as far as it goes."""

from api.kept import Kept


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    kept: Kept[str, int] = Kept(3)
    for place, key in enumerate("abc"):
        kept.keep(key, place)
    assert kept.get("a") == 0
    kept.keep("d", 3)
    assert [kept.get(key) for key in "abcd"] == [0, None, 2, 3]


def test_what_weighs_more_drives_out_more_and_what_outweighs_all_is_not_kept() -> None:
    kept: Kept[str, int] = Kept(4)
    for key in "abcd":
        kept.keep(key, 1)
    assert kept.keep("e", 5, weight=3) == 5
    assert [kept.get(key) for key in "abcde"] == [None, None, None, 1, 5]
    assert kept.keep("f", 6, weight=5) == 6
    assert (kept.get("f"), kept.weight) == (None, 4)


def test_a_value_that_is_replaced_weighs_once() -> None:
    kept: Kept[str, int] = Kept(4)
    for value in range(10):
        kept.keep("a", value, weight=3)
    assert (kept.get("a"), kept.weight) == (9, 3)
