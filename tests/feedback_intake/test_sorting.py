"""What words are taken for something else than feedback."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_intake.filing import FeedbackKind, Formal
from feedback_intake.sorting import is_clear, is_vietnamese, kind_by_words, resembles


@pytest.mark.parametrize(
    ("text", "formal"),
    [
        ("Nhà tôi đang cháy, gọi mãi không ai nghe", Formal.EMERGENCY),
        ("NHÀ BÊN CHÁY NHÀ RỒI", Formal.EMERGENCY),
        ("dang chay giay to khap noi", None),  # 'đang chạy': it must be typed with its accents
        ("từ từ rồi cũng xong", None),
        ("tu tu roi cung xong", None),
        ("có người định tự tử", Formal.EMERGENCY),
        ("tôi tố cáo cán bộ nhận hối lộ", Formal.DENUNCIATION),
        ("toi to cao can bo", Formal.DENUNCIATION),
        ("tô cao tầng hai của trụ sở", None),
        ("Tôi khiếu nại quyết định số 12", Formal.COMPLAINT),
        ("vay tiền nhanh, giải ngân nhanh", Formal.SPAM),
        ("xem http://a.vn http://b.vn http://c.vn", Formal.SPAM),
        ("Hồ sơ chậm ba lần, xin xem http://a.vn", None),
        ("emergency passport renewal desk closed", Formal.EMERGENCY),
        ("khiê\u0301u na\u0323i", Formal.COMPLAINT),  # NFD
    ],
)
def test_words_are_read_as_they_were_typed(text: str, formal: Formal | None) -> None:
    assert resembles(text) is formal


@pytest.mark.parametrize(
    ("text", "vietnamese"),
    [
        ("Hồ sơ quá hạn", True),
        ("ho so cua toi bi cham ba lan roi", True),
        ("My file is late and nobody answers the phone", False),
        ("12345 !!!", False),
    ],
)
def test_vietnamese_is_known_with_accents_or_without(text: str, vietnamese: bool) -> None:
    assert is_vietnamese(text) is vietnamese


def test_a_few_words_or_the_same_word_are_not_clear() -> None:
    assert is_clear("Hồ sơ của tôi bị chậm")
    assert not is_clear("chậm quá")
    assert not is_clear("chậm chậm chậm chậm chậm")


@given(st.text(max_size=300))
def test_any_text_is_judged(text: str) -> None:
    assert resembles(text) in {None, *Formal}
    assert is_vietnamese(text) in {True, False}
    assert is_clear(text) in {True, False}


@pytest.mark.parametrize(
    ("text", "proposes"),
    [
        ("Nên mở cửa cả sáng thứ Bảy để người đi làm nộp được hồ sơ", True),
        ("nen cho phep nop ban chup, khoi phai cong chung", True),
        ("Tôi xin kiến nghị bỏ mẫu số 5", True),
        ("Đề nghị rút ngắn thời gian cấp giấy xuống 3 ngày", True),
        ("we suggest one form for both procedures", True),
        ("Nên có nước uống ở phòng chờ", True),
        ("Nền nhà ở phòng chờ rất bẩn", False),
        ("Hồ sơ chậm ba lần, đề nghị cơ quan trả lời", False),  # how every letter ends
        ("Mưa to nên có ông bảo tôi về", False),  # 'therefore'
        ("Cán bộ hẹn ba lần mà vẫn chưa xong", False),
    ],
)
def test_who_names_a_way_out_proposes(text: str, *, proposes: bool) -> None:
    assert kind_by_words(text) is (FeedbackKind.PROPOSAL if proposes else FeedbackKind.FEEDBACK)
