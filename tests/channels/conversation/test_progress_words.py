"""Asking how it stands, told from complaining about it."""

import pytest

from channels.conversation.progress_words import asks_progress


@pytest.mark.parametrize(
    "text",
    [
        "Hồ sơ của tôi đến đâu rồi?",
        "ho so toi den dau roi a",
        "Đã xong chưa",
        "co ket qua chua",
        "Bao giờ lấy được?",
        "Khi nào thì có kết quả vậy cháu",
        "Tình trạng hồ sơ của tôi",
        "When will it be ready?",
    ],
)
def test_a_short_question_asks_how_it_stands(text: str) -> None:
    assert asks_progress(text)


@pytest.mark.parametrize(
    "text",
    [
        "Cán bộ bảo tôi đi lại ba lần",
        "Bao giờ cán bộ mới thôi vòi tiền",
        "Đi đến đâu cũng bị hành",
        "Tình trạng nhũng nhiễu ở đây quá nặng",
        "Tôi nộp từ tháng trước mà hỏi ai cũng không biết bao giờ có kết quả",
        "",
    ],
)
def test_a_complaint_does_not(text: str) -> None:
    assert not asks_progress(text)
