"""Slips as offices print them, easy ones and hard ones."""

from dataclasses import replace
from datetime import UTC, datetime

from channels.receipts.slip import Link, Slip, WaysToAsk, slip
from domain.agency import Agency
from domain.civil_time import civil_day
from domain.language import Language
from lookup.receipt_tokens import Receipt, ReceiptKeys
from tests.channels.web.sample_answers import OFFICE

KEYS = ReceiptKeys([b"s" * 32])
ISSUED = datetime(2026, 11, 2, 1, 30, 15, tzinfo=UTC)
DUE = datetime(2026, 11, 20, 10, tzinfo=UTC)
CODE = "H05.16-261102-0001"
LONG_CODE = "000.00.12.H62-201105-0004"
LONGEST_CODE = "000.00.00.00.00.00.00.00.00.00.H62-20261105-ABCDEFGHIJ"
SECRET = "48217730"
LONG_PROCEDURE = (
    "Đăng ký biến động quyền sử dụng đất, quyền sở hữu tài sản gắn liền với đất trong các trường hợp chuyển đổi, "
    "chuyển nhượng, cho thuê, cho thuê lại, thừa kế, tặng cho, góp vốn bằng quyền sử dụng đất; chuyển quyền sử dụng "
    "đất của vợ hoặc chồng thành của chung vợ và chồng; tăng thêm diện tích do nhận chuyển nhượng, thừa kế, tặng cho"
)
WAYS = WaysToAsk(
    public_url="https://motma.bacninh.gov.vn", sms_number="8088", zalo="zalo.me/1234567890", telegram="t.me/motma_bot"
)
FEW_WAYS = WaysToAsk(public_url="https://motma.vn")
FAR_OFFICE = replace(
    OFFICE,
    phone="",
    name="Trung tâm Phục vụ hành chính công và Kiểm soát thủ tục hành chính xã Nguyễn Nghiêm thuộc Ủy ban nhân dân "
    "tỉnh Tuyên Quang",
)


def sample(
    code: str = CODE,
    *,
    procedure: str | None = "Cấp Giấy xác nhận tình trạng hôn nhân",
    office: Agency = OFFICE,
    due_at: datetime | None = DUE,
    secret: str | None = SECRET,
    ways: WaysToAsk = WAYS,
    links: frozenset[Link] = frozenset(),
    language: Language = Language.VIETNAMESE,
    specimen: bool = False,
) -> Slip:
    """A slip; arguments say what differs from the usual one."""
    receipt = Receipt(
        code=code,
        office=office.code,
        received_on=civil_day(ISSUED),
        due_on=civil_day(due_at) if due_at else None,
        issued_at=ISSUED,
        specimen=specimen,
    )
    return slip(
        receipt,
        KEYS.issue(receipt),
        office=office,
        procedure_name=procedure,
        ways=ways,
        language=language,
        secret=secret,
        chat_token=KEYS.issue_for_chat(receipt),
        links=links,
    )


SLIPS = {
    "usual": sample(),
    "english": sample(language=Language.ENGLISH),
    "nothing known": sample(
        "03706/2026/07906", procedure=None, office=replace(OFFICE, phone=""), due_at=None, secret=None, ways=FEW_WAYS
    ),
    "long": sample(LONG_CODE, procedure=LONG_PROCEDURE, office=FAR_OFFICE),
    "everything": sample(LONG_CODE, procedure=LONG_PROCEDURE, office=FAR_OFFICE, links=frozenset(Link), specimen=True),
    "longest code": sample(LONGEST_CODE, links=frozenset(Link), procedure=LONG_PROCEDURE),
    "strange letters": sample(
        "HỒ SƠ_Ω-1", procedure="Cấp 😀 «½» x̣ 𝓐 " + "w" * 300, office=replace(OFFICE, name="中文 Ô")
    ),
}
