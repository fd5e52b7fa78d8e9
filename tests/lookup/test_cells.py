"""No cell begins a formula, wherever a table is cut, and every cell can be read back."""

import re

import pytest

from domain.vietnamese import clean
from lookup.cells import guarded, unguarded

BEGINS = ("=1+1", "+84", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "＋1", "－1", "＠x", "|x", "%x")
QUOTED = ("'=1", "''+2", '"=1')
LATER = ("a;=1+1", "a\n=1", "a\t@x", "a\r\n+1(2)", 'a;"=1', "a;'=1", "a\n- 1|cmd", "a;-2+3", "a;＝1", "a\n-\n=1")
PLAIN = ("Nguyễn Văn An", "Gồm:\n- tờ khai\n- bản sao", "a = b", "x;y", "", "12-34", "'tis", "a\n+ một\n+ hai")
CUT = re.compile(r"[;\t\n\r]")


@pytest.mark.parametrize("text", [*BEGINS, *QUOTED])
def test_what_could_begin_a_formula_is_marked(text: str) -> None:
    assert guarded(text).startswith("'")
    assert unguarded(guarded(text)) == clean(text)


@pytest.mark.parametrize("text", LATER)
def test_a_table_cut_elsewhere_holds_no_formula_either(text: str) -> None:
    for part in CUT.split(guarded(text)):
        assert not re.match(r"[\"\s]*[=@＝＠]|[\"\s]*[+-](?! )", part)
    assert unguarded(guarded(text)) == clean(text)


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text
    assert unguarded(text) == text


@pytest.mark.parametrize("text", [*BEGINS, *QUOTED, *LATER, *PLAIN])
def test_marked_twice_is_read_back_twice(text: str) -> None:
    assert unguarded(unguarded(guarded(guarded(text)))) == clean(text)
