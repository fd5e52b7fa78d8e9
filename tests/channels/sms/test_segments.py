"""Segments are counted as two independent libraries count them, and nothing is ever cut in half."""

import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st
from smpplib import consts
from smpplib.gsm import make_parts

from channels.sms.segments import GSM7, PART, SINGLE, Encoding, fits_gsm7, from_gsm7, segments

GSM_TEXT = st.text(st.sampled_from(sorted(GSM7)), min_size=1, max_size=700)
ANY_TEXT = st.text(
    st.one_of(st.sampled_from(sorted(GSM7)), st.sampled_from("ạảấầẩẫậắằẳẵặẹẻẽếềểễệịọốộớờởỡợụủứừữựỳỵỷỹđ😀🏛𝄞")),
    min_size=1,
    max_size=400,
)


@given(ANY_TEXT)
def test_the_count_agrees_with_smsutil(text: str) -> None:
    theirs = smsutil.split(text)
    ours = segments(text)
    assert ours.count == len(theirs.parts)
    assert (ours.encoding is Encoding.GSM7) == (theirs.encoding == "gsm0338")
    assert ours.units == theirs.total_bytes // (1 if ours.encoding is Encoding.GSM7 else 2)


@given(st.text(st.sampled_from(sorted(GSM7 - set("\f^{}\\[~]|€§"))), min_size=1, max_size=700))
def test_the_count_agrees_with_smpplib_in_gsm7(text: str) -> None:
    parts, coding, _ = make_parts(text)
    assert coding == consts.SMPP_ENCODING_DEFAULT
    assert segments(text).count == len(parts)


@given(
    st.text(st.sampled_from("Hồ sơ đã có kết quả, xin mời Ông/Bà đến nhận 0123"), min_size=1, max_size=400).filter(
        lambda t: not fits_gsm7(t)
    )
)
def test_the_count_agrees_with_smpplib_in_ucs2(text: str) -> None:
    parts, coding, _ = make_parts(text)
    assert coding == consts.SMPP_ENCODING_ISO10646
    assert segments(text).count == len(parts)


@given(ANY_TEXT)
def test_the_room_left_is_really_there_and_no_more(text: str) -> None:
    now = segments(text)
    filler = "x"
    assert segments(text + filler * now.left).count == now.count
    assert segments(text + filler * (now.left + 1)).count > now.count


@given(GSM_TEXT)
def test_a_gsm_text_survives_encoding_by_another_library(text: str) -> None:
    assert from_gsm7(text.encode("gsm0338")) == text


@pytest.mark.parametrize(
    ("text", "encoding", "count"),
    [
        ("", Encoding.GSM7, 1),
        ("a" * 160, Encoding.GSM7, 1),
        ("a" * 161, Encoding.GSM7, 2),
        ("€" * 80, Encoding.GSM7, 1),
        ("€" * 80 + "a", Encoding.GSM7, 2),
        ("ạ" * 70, Encoding.UCS2, 1),
        ("ạ" * 71, Encoding.UCS2, 2),
        ("a" * 69 + "ạ" + "a", Encoding.UCS2, 2),
        ("😀" * 35, Encoding.UCS2, 1),
        ("😀" * 36, Encoding.UCS2, 2),
    ],
)
def test_the_limits_stand_where_the_standard_puts_them(text: str, encoding: Encoding, count: int) -> None:
    assert (segments(text).encoding, segments(text).count) == (encoding, count)


def test_an_escape_pair_moves_whole_to_the_next_part() -> None:
    # 152 septets, then a pair: the first part holds 152, not 153.
    text = "a" * 152 + "€" + "b" * 151
    assert segments(text).count == 2
    assert segments(text + "b").count == 3
    assert segments(text).left == 0


def test_a_surrogate_pair_moves_whole_to_the_next_part() -> None:
    text = "ạ" * 66 + "😀" + "ạ" * 65
    assert segments(text).count == 2
    assert segments(text + "ạ").count == 3


@pytest.mark.parametrize("encoding", Encoding)
def test_a_part_is_shorter_than_a_single_message(encoding: Encoding) -> None:
    assert PART[encoding] < SINGLE[encoding]


def test_septets_of_a_gateway_that_sends_them_raw() -> None:
    assert from_gsm7(b"\x00\x02\x11") == "@$_"
    assert from_gsm7(b"\x1be\x1b") == "€ "
