"""What is taken for a person's name, and what is not."""

import pytest

from channels.conversation.person_names import name_in


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Nguyễn Văn An", "Nguyễn Văn An"),
        ("nguyen van an", "nguyen van an"),
        ("NGUYEN VAN AN", "NGUYEN VAN AN"),
        ("Tôi tên là Trần Thị Ngọc Bình.", "Trần Thị Ngọc Bình"),
        ("họ tên: lê minh chi", "lê minh chi"),
        ("le van tam", "le van tam"),
        ("ho thi ky", "ho thi ky"),
        ("Hồ Thị Kỷ", "Hồ Thị Kỷ"),
        ("Giàng A Páo", "Giàng A Páo"),
        ("H'Hen Niê", "H'Hen Niê"),
        ("My name is John Smith", "John Smith"),
    ],
)
def test_a_name_is_known(typed: str, name: str) -> None:
    assert name_in(typed) == name


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "An",
        "den nay van chua duoc gi",
        "DEN NAY VAN CHUA DUOC GI",
        "ho so nay nop tu thang chin",
        "bao giờ thì xong vậy",
        "khong can nua dau",
        "dang cho ket qua",
        "ly do gi vay",
        "lý do gì vậy",
        "vu viec nay sai",
        "mai toi den lay",
        "hồ sơ này trễ",
        "lam sao day",
        "so 5 duong Nguyen Dang Dao",
        "le ra phai xong tu lau roi",
        "a" * 100,
    ],
)
def test_other_words_are_no_name(typed: str) -> None:
    assert name_in(typed) is None
