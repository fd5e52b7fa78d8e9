"""Filling approved templates with the parts of a notice."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.zalo.templates import EMPTY, LONGEST, Template, template_of
from domain.errors import Malformed, Undeliverable
from domain.language import Language
from domain.status import Status
from lookup.wording import status_label


def template(described: str) -> Template:
    """A template of the setting."""
    found = template_of(described, "MOTMA_ZALO_TEMPLATE")
    assert found is not None
    return found


def test_the_first_part_that_says_something_is_taken() -> None:
    one = template("356722, ma=code, han=due|next:12, yeu_cau=asked")
    assert one.filled({"code": "H05.16-261102-0001", "due": "", "next": "Xin chờ thêm ít ngày nữa"}) == {
        "ma": "H05.16-261102-0001",
        "han": "Xin chờ thê…",
        "yeu_cau": EMPTY,
    }


def test_sentences_are_cut_and_numbers_are_not() -> None:
    one = template("356722 viec=next:10 goi=phone han=due:8")
    facts = {"next": "a" * 11, "phone": "0222 3822 016; 0222 3822 017", "due": "20/11/2026"}
    assert one.filled(facts) == {"viec": "a" * 9 + "…", "goi": EMPTY, "han": EMPTY}


def test_a_code_that_does_not_fit_goes_another_way() -> None:
    with pytest.raises(Undeliverable, match="30"):
        template("356722 ma=code").filled({"code": "000.00.01.H05.16-20261102-0000001"})


def test_every_status_fits_its_parameter() -> None:
    for language in Language:
        for status in Status:
            assert len(status_label(status, language)) <= LONGEST["status"], status


def test_no_setting_is_no_template() -> None:
    assert template_of("", "MOTMA_ZALO_TEMPLATE") is None
    assert template_of("  ", "MOTMA_ZALO_TEMPLATE") is None


@given(st.dictionaries(st.sampled_from(sorted(LONGEST)), st.text(max_size=300)), st.integers(2, 60))
def test_whatever_a_notice_holds_fits_or_is_refused(facts: dict[str, str], most: int) -> None:
    one = template(f"356722 a=code:{most} b=next|asked:{most} c=office|status:{most} d=phone|due:{most}")
    try:
        filled = one.filled(facts)
    except Undeliverable:
        return
    assert all(0 < len(value) <= most for value in filled.values())


@given(st.text(max_size=60))
def test_a_setting_is_read_or_refused_in_one_way(setting: str) -> None:
    with suppress(Malformed):
        template_of(setting, "MOTMA_ZALO_TEMPLATE")
