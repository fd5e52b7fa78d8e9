"""Plain SMS text: GSM-7 whatever was written, Vietnamese still readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.sms.plain import plain
from channels.sms.segments import fits_gsm7
from domain.vietnamese import nfc


@given(st.text())
def test_every_text_has_a_plain_form_in_gsm7(text: str) -> None:
    once = plain(text)
    assert fits_gsm7(once)
    assert plain(once) == once


@given(st.text(st.sampled_from("Đặng Ứng đường Nguyễn Thị Ỷ – “quá hạn” …")))
def test_the_two_ways_of_writing_unicode_give_one_plain_text(text: str) -> None:
    assert plain(text) == plain(nfc(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hồ sơ đang được giải quyết, đúng hạn.", "Ho so dang duoc giai quyet, dung han."),
        ("Đặng Thị Ứng", "Dang Thi Ung"),
        ("“bản sao” – Giấy khai sinh…", '"ban sao" - Giay khai sinh...'),
        ("H05.16‑261102‑0001", "H05.16-261102-0001"),
        ("Phí 50.000₫", "Phi 50.000d"),
        ("điều\xa05\u200b", "dieu 5"),
        ("ＡＢＣ ½", "ABC 1/2"),
        ("😀", "?"),
    ],
)
def test_known_texts(text: str, expected: str) -> None:
    assert plain(text) == expected
