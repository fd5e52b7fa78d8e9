"""Machines that answer us are told from people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.conversation.auto_replies import alike, echoes, says_automatic
from channels.conversation.formal_words import formal_in
from feedback_intake.filing import Formal


@pytest.mark.parametrize(
    "text",
    [
        "Tin nhắn tự động: tôi đang họp, sẽ gọi lại sau.",
        "TIN NHAN TU DONG. Vui long khong phan hoi.",
        "Auto-reply: I'm driving",
        "I am out of office until Monday",
        "This is an automated message, do not reply",
        "Can't talk right now",
    ],
)
def test_texts_that_say_a_machine_wrote_them(text: str) -> None:
    assert says_automatic(text)


@pytest.mark.parametrize(
    "text", ["HS H05.16-261102-0001", "chờ lâu quá", "tự động gia hạn à H05.16-261102-0001?", "", "stop", "tu van dong"]
)
def test_texts_of_people(text: str) -> None:
    assert not says_automatic(text)


def test_texts_that_differ_in_a_time_only_are_alike() -> None:
    first, second = "Da nhan duoc tin cua quy khach luc 10:05", "Da nhan duoc tin cua quy khach luc 11:17"
    assert alike(first) == alike(second)
    assert alike("246810") != alike("135790")
    assert alike("cho toi hoi ho so H05.16-261102-0001") != alike("cho toi hoi ho so H05.16-261102-0002")


OURS = "HS H05.16-261102-0001: đang giải quyết, đúng hạn. Hỏi: 02223822016. Đủ: gửi 4 số cuối SĐT."


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        ("HS H05.16-261102-0001: dang giai quyet, dung han. Hoi: 02223822016. Du: gui 4 so cuoi SDT.", True),
        ("HS H05.16-261102-0001: dang giai quyet, dun", True),
        (f"Re: {OURS} > 10:05", True),
        ("H05.16-261102-0001", False),
        ("HS H05.16-261102-0001", False),
        ("HS H05.16-261102-0001: sao cho lau the, da qua han tu tuan truoc", False),
        ("", False),
    ],
)
def test_our_own_words_are_told_from_what_a_person_asks(text: str, *, repeated: bool) -> None:
    assert echoes(text, ["", "Đã ghi nhận.", OURS]) is repeated


@pytest.mark.parametrize(
    ("text", "formal"),
    [
        ("tôi muốn khiếu nại quyết định", Formal.COMPLAINT),
        ("KHIEU NAI", Formal.COMPLAINT),
        ("tố cáo và khiếu nại", Formal.DENUNCIATION),
        ("cán bộ đòi hối lộ", Formal.DENUNCIATION),
        ("chờ lâu quá", None),
        ("khiêu vũ nai", None),
    ],
)
def test_words_of_formal_complaints_and_denunciations(text: str, formal: Formal | None) -> None:
    assert formal_in(text) is formal


@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    assert says_automatic(text) in {True, False}
    assert alike(text) is not None
    assert echoes(text, [text[:100], text]) in {True, False}
    assert formal_in(text) in {None, *Formal}
