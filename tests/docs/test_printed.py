"""What counts as the same as printed."""

import pytest

from tests.docs.printed import Mismatch, aligned, ids, renewed


@pytest.mark.parametrize(
    ("printed", "came"),
    [
        ('{"seed":0,"x":[0.5,-1.25]}', '{"seed":0, "x":[0.53,-1.2]}'),
        ('{"a":1,...}', '{"a":1,"b":{"c":[2,3]}}'),
        ('{"a":1,...,"b":2}', '{"a":1,"b":2}'),
        ('{"a":...,"b":2}', '{"a":"a word and more","b":2}'),
        ('[...,{"name":"b"},...]', '[{"name":"a"},{"name":"b"},{"name":"c"}]'),
        ('"cfff20cb..."', '"cfff20cb' + "0" * 56 + '"'),
        ('{"created_at":1795257327.942}', '{"created_at":1800000000.5}'),
        ("id: 1795257327942-0", "id: 1800000000000-3"),
        ("[[ 1.5 2.0]\n [3.25 4.0]]", "[[1.5  2.0]\n [ 3.2  4.1]]"),
    ],
)
def test_what_agrees(printed: str, came: str) -> None:
    list(aligned(printed, came))


@pytest.mark.parametrize(
    ("printed", "came"),
    [
        ('{"a":1}', '{"a":1,"b":2}'),
        ('{"a":1,"b":2}', '{"a":1}'),
        ('{"a":1}', '{"b":1}'),
        ('{"a":1}', '{"a":2}'),
        ('"moons-2e0394fa87778634.npy"', '"moons-1e0394fa87778634.csv"'),
        ('{"a":0.5}', '{"a":0.9}'),
        ('{"a":"exact"}', '{"a":"estimate"}'),
        ('{"a":1,...}', '{"c":0,"a":1}'),
        ('{"a":...}', '{"b":1}'),
        ("{}", ""),
        ("", "{}"),
    ],
)
def test_what_does_not(printed: str, came: str) -> None:
    with pytest.raises(Mismatch):
        list(aligned(printed, came))


def test_an_id_is_the_same_wherever_the_same_is_printed() -> None:
    known = dict[str, str]()
    ids(aligned("a1986a0ae53f04a8", "00000000000000aa"), known)
    assert known == {"a1986a0ae53f04a8": "00000000000000aa"}
    with pytest.raises(AssertionError):
        ids(aligned("a1986a0ae53f04a8", "00000000000000bb"), known)


def test_fractions_are_renewed_and_nothing_else() -> None:
    printed = '{"id":"a1986a0ae53f04a8","n":2, "x":[0.5,...],...}'
    came = '{"id":"00000000000000aa","n":2,"x":[7.25,1.0],"timing":{"ms":1}}'
    assert renewed(printed, came) == '{"id":"a1986a0ae53f04a8","n":2, "x":[7.25,...],...}'


def test_a_page_with_another_whole_number_is_not_renewed() -> None:
    with pytest.raises(Mismatch):
        renewed('{"n":2}', '{"n":3}')
