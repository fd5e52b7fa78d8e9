"""Codes and phone numbers are boxes of their own; all else is plain text, escaped."""

from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.web.unbroken import unbroken


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("HS H05.16-261102-0001: đang giải quyết", ["H05.16-261102-0001"]),
        ("000.00.01.H05-20261102-1234567 và PA-261120-483920.", ["000.00.01.H05-20261102-1234567", "PA-261120-483920"]),
        ("Hỏi: 0222 3822 016. Hẹn trả: 20/11/2026.", ["0222 3822 016"]),
        ("Gọi +84 222 3822 016 hoặc 0222.382.2016", ["+84 222 3822 016", "0222.382.2016"]),
        ("14:05, 20/11/2026, 1. Có 2. Không, tin-nhắn", []),
        ("<b>H05.16-261102-0001</b>", ["H05.16-261102-0001"]),
    ],
)
def test_what_stays_on_one_line(text: str, kept: list[str]) -> None:
    html = unbroken(text)
    assert [part.split("</span>")[0] for part in html.split('<span class="unbroken">')[1:]] == kept
    assert "<b>" not in html


@given(st.text(max_size=300) | st.from_regex(r"[0-9 .+\-a-z/]{1,200}", fullmatch=True))
def test_no_word_is_lost(text: str) -> None:
    shown = unbroken(text).replace('<span class="unbroken">', "").replace("</span>", "")
    assert unescape(shown) == text
