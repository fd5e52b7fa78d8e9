"""What a slip says, and what it must not say."""

from dataclasses import fields, replace

import pytest

from channels.receipts.slip import Link
from domain.language import Language
from lookup.code_finder import ReadingKind, read
from lookup.wording import Words
from tests.channels.receipts.sample_slips import (
    CODE,
    FEW_WAYS,
    ISSUED,
    KEYS,
    LONGEST_CODE,
    SECRET,
    SLIPS,
    WAYS,
    sample,
)
from tests.channels.web.sample_answers import APPLICANT, OFFICE


def test_both_languages_say_the_same_things() -> None:
    words = Words("channels.receipts")
    assert words.keys(Language.VIETNAMESE) == words.keys(Language.ENGLISH)


def test_a_slip_says_what_the_citizen_needs() -> None:
    slip = sample()
    assert slip.office == OFFICE.name
    assert slip.phone == "Điện thoại: 0222 3822 016"
    assert slip.code_parts == ("H05.16", "261102", "0001")
    assert [(fact.label, fact.value) for fact in slip.facts] == [
        ("Thủ tục", "Cấp Giấy xác nhận tình trạng hôn nhân"),
        ("Ngày tiếp nhận", "02/11/2026"),
        ("Hẹn trả kết quả", "Thứ Sáu, 20/11/2026"),
        ("Mã tra cứu", SECRET),
    ]
    assert [way.replace("\u00a0", " ") for way in slip.ways] == [
        f"Nhắn tin: HS {CODE} gửi 8088",
        "Xem tại motma.bacninh.gov.vn, Zalo: zalo.me/1234567890, Telegram: t.me/motma_bot",
    ]


def test_only_open_channels_are_named() -> None:
    slip = sample(ways=FEW_WAYS, links=frozenset(Link))
    assert [way.replace("\u00a0", " ") for way in slip.ways] == ["Xem tại motma.vn"]
    assert slip.small_codes == ()


def test_the_qr_opens_the_receipt_and_nothing_stands_in_a_query() -> None:
    address = sample().address
    assert address.startswith("https://motma.bacninh.gov.vn/r/")
    assert "?" not in address
    reading = read(address)
    assert reading.kind is ReadingKind.RECEIPT_TOKEN
    receipt = KEYS.read(reading.value)
    assert receipt is not None
    assert (receipt.code, receipt.office, receipt.issued_at) == (CODE, "H05.16", ISSUED)


def test_small_codes_open_a_text_message_and_the_bot() -> None:
    sms, telegram = sample(links=frozenset(Link)).small_codes
    assert sms.content == f"SMSTO:8088:HS {CODE}"
    address, _, token = telegram.content.partition("?start=")
    assert address == "https://t.me/motma_bot"
    assert len(token) <= 64
    said = KEYS.read(token)
    assert said is not None
    assert said.code == CODE
    too_long = sample(LONGEST_CODE, links=frozenset({Link.TELEGRAM}), ways=WAYS)
    assert too_long.small_codes == ()


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_names_nobody(name: str) -> None:
    slip = SLIPS[name]
    said = " ".join(str(getattr(slip, field.name)) for field in fields(slip))
    assert APPLICANT not in said
    assert "CCCD" not in said


def test_a_specimen_says_so() -> None:
    assert sample(specimen=True).specimen == "BẢN THỬ, KHÔNG CÓ GIÁ TRỊ"
    assert sample().specimen == ""


def test_an_office_without_an_english_name_keeps_its_own() -> None:
    slip = sample(language=Language.ENGLISH, office=replace(OFFICE, name_en=""))
    assert slip.office == OFFICE.name
    assert slip.facts[2].value == "Friday, 20 November 2026"
