"""Texts cut to the length a chat takes."""

from hypothesis import given
from hypothesis import strategies as st

from channels.text_parts import cut, parts


def test_a_text_that_fits_is_one_message() -> None:
    text = "Hồ sơ H05.16-261102-0001\n" * 100
    assert parts(text, 4096) == [text.strip()]


def test_a_longer_text_is_cut_at_line_ends() -> None:
    lines = [f"{number}. Hồ sơ đang được giải quyết" for number in range(300)]
    found = parts("\n".join(lines), 4096)
    assert len(found) == 3
    assert "\n".join(found).split("\n") == lines


def test_a_line_that_is_too_long_is_cut_between_words() -> None:
    assert parts("một hai ba bốn", 8) == ["một hai", "ba bốn"]
    assert parts("mộthaibabốn", 4) == ["mộth", "aiba", "bốn"]


@given(st.text(min_size=1, max_size=300), st.integers(2, 60))
def test_no_part_is_too_long_and_no_word_is_lost(text: str, most: int) -> None:
    found = parts(text, most)
    assert all(len(part.encode("utf-16-le", "surrogatepass")) // 2 <= most for part in found if len(found) > 1)
    assert "".join("".join(found).split()) == "".join(text.split())


def test_a_label_that_is_too_long_shows_that_it_was_cut() -> None:
    assert cut("Xem chi tiết", 20) == "Xem chi tiết"
    assert cut("Xem chi tiết hồ sơ của tôi", 20) == "Xem chi tiết hồ sơ…"
    assert cut("hai\ndòng", 20) == "hai dòng"
