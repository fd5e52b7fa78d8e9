"""The number of feedback, texted and typed like a code: what it tells whom, and what is done with it."""

import re
from typing import Any

import pytest

from channels.conversation.feedback_numbers import LONGEST_BY_SMS, number_and_words
from database.pool import SET_TENANT, Role
from feedback_intake.cases import Actor, Step
from feedback_intake.moves import CaseState, MoveName, RefusalReason, Who
from service.feedback import FeedbackService
from service.settings import Settings
from service.wiring import Core
from tests.channels.story import CODE, PHONE, STRANGER, Citizen, Line, Office
from tests.channels.test_inbound import all_handled, replies
from tests.channels.test_telling_the_office import in_chat, rows

COMPLAINT = "Cán bộ hẹn ba lần mà vẫn chưa xong"
MAKE_ACCOUNT = """
    INSERT INTO account (email, name, agency_id) VALUES ($1, $1, $2)
        ON CONFLICT (email) DO UPDATE SET name = excluded.name RETURNING id"""


async def moves(core: Core, number: str, step: Step, role: Who) -> None:
    """An officer of the office that holds it makes a move."""
    cases = FeedbackService.of(core, Settings()).cases
    async with core.database.connection(Role.OPERATOR) as connection:
        held = await connection.fetchrow(
            "SELECT c.id, c.holder_agency FROM feedback f JOIN feedback_case c ON c.id = f.case_id WHERE f.number = $1",
            number,
        )
        account = await connection.fetchval(MAKE_ACCOUNT, f"{role}@example.vn", held["holder_agency"])
    async with core.database.transaction(Role.CONSOLE) as connection:
        await connection.execute(SET_TENANT, str(held["holder_agency"]), "off")
        await cases.move(connection, held["id"], step, Actor(roles=frozenset({role}), account_id=account))


async def answer(core: Core, number: str, text: str) -> None:
    await moves(core, number, Step(move=MoveName.START), Who.HANDLER)
    await moves(core, number, Step(move=MoveName.SUBMIT, answer=text), Who.HANDLER)
    await moves(core, number, Step(move=MoveName.APPROVE), Who.APPROVER)


async def state(core: Core) -> CaseState:
    (case,) = await rows(core, "feedback_case")
    return CaseState(case["state"])


async def files(citizen: Citizen, text: str = f"PHAN ANH {CODE} {COMPLAINT}") -> str:
    await citizen.says(text)
    found = re.search("PA-[0-9]{6}-[0-9]{6}", await citizen.hears())
    assert found is not None
    return found[0]


async def hears_after(citizen: Citizen, text: str) -> str:
    await citizen.says(text)
    return await citizen.hears()


def test_a_number_is_found_among_words_however_it_is_spaced() -> None:
    for text in ("PA-261122-123456", " pa 261122 123456. ", "PA261122123456"):
        assert number_and_words(text) == ("PA-261122-123456", "")
    assert number_and_words("PA-261122-123456 CHUA: vẫn chờ") == ("PA-261122-123456", "CHUA: vẫn chờ")
    assert number_and_words("xem giúp PA-261122-123456 với") == ("PA-261122-123456", "xem giúp với")
    for text in ("", "PA-261122-1234567", "XPA-261122-123456", "H05.16-261102-0001"):
        assert number_and_words(text) is None


async def test_who_filed_by_sms_goes_the_whole_way_by_sms(line: Line, office: Office, citizen: Citizen) -> None:
    await office.files()
    number = await files(citizen)
    said = await hears_after(citizen, number.lower().replace("-", " "))
    assert said.startswith(f"{number}: Da nhan")
    assert "cham nhat" in said
    assert await hears_after(citizen, f"{number} quên nói: ở quầy số 3") == f"Da gui them vao {number}."
    await moves(line.core, number, Step(move=MoveName.ASK, why="Ông/Bà nộp ngày nào?"), Who.CLERK)
    assert "nop ngay nao" in await citizen.hears()
    assert "Co quan hoi: Ong/Ba nop ngay nao?" in await hears_after(citizen, number)
    assert await hears_after(citizen, f"{number} ngay 2/11") == f"Da gui them vao {number}."
    assert await state(line.core) is CaseState.RECEIVED
    long_answer = "Hồ sơ đã có kết quả. " * 40
    await answer(line.core, number, long_answer)
    notice = await citizen.hears()
    assert "Nhan PA" in notice
    assert notice.endswith(f"Chua thoa dang, nhan: {number} CHUA. Danh gia, nhan: {number} va mot so tu 1 den 5")
    told = await hears_after(citizen, number)
    assert "Tra loi: Ho so da co ket qua." in told
    assert len(told) < LONGEST_BY_SMS + 300
    assert told.endswith(f"nhan: {number} CHUA va ly do. Danh gia, nhan: {number} va mot so tu 1 den 5.")
    assert "vi sao" in await hears_after(citizen, f"{number} 2")
    assert "danh gia 2/5" in (await hears_after(citizen, "phải đi lại bốn lần")).lower()
    (rating,) = await rows(line.core, "case_rating")
    assert rating["score"] == 2
    assert line.core.seal.open(rating["reason_sealed"]) == "phải đi lại bốn lần"
    assert (await hears_after(citizen, f"{number}.")).endswith(f"nhan: {number} CHUA va ly do.")
    assert "dieu gi chua duoc" in await hears_after(citizen, f"{number} CHUA")
    assert "xem lai" in await hears_after(citizen, "giấy vẫn sai tên")
    assert await state(line.core) is CaseState.REOPENED
    (*_, step) = await rows(line.core, "feedback_step")
    assert line.core.seal.open(step["why_sealed"]) == "giấy vẫn sai tên"
    assert await hears_after(citizen, f"{number} RUT") == f"Da rut {number}."
    assert await state(line.core) is CaseState.WITHDRAWN
    assert "Da rut" in await hears_after(citizen, number)


async def test_who_asks_about_what_was_not_taken_reads_why_and_where_it_belongs(
    line: Line, office: Office, citizen: Citizen
) -> None:
    await office.files()
    number = await files(citizen)
    why = "Quyết định này của Ủy ban nhân dân xã."
    await moves(line.core, number, Step(move=MoveName.REFUSE, reason=RefusalReason.COMPLAINT, why=why), Who.CLERK)
    told = await citizen.hears()
    asked = await hears_after(citizen, number)
    for text in (told, asked):
        assert "khieu nai" in text
        assert "Ban Tiep cong dan" in text
        assert "Quyet dinh nay" in text


async def test_words_without_a_number_answer_what_the_office_asked(
    line: Line, office: Office, citizen: Citizen
) -> None:
    await office.files()
    number = await files(citizen)
    await moves(line.core, number, Step(move=MoveName.ASK, why="Ông/Bà nộp ngày nào?"), Who.CLERK)
    await citizen.hears()
    assert (await hears_after(citizen, "ngày 2/11, quầy số 3")).startswith(f"Da gui vao {number} lam cau tra loi.")
    assert await state(line.core) is CaseState.RECEIVED
    (*_, step) = await rows(line.core, "feedback_step")
    assert line.core.seal.open(step["why_sealed"]) == "ngày 2/11, quầy số 3"
    assert not (await hears_after(citizen, "còn giấy tờ thì sao nữa")).startswith("Da gui")  # nothing is asked any more
    await moves(line.core, number, Step(move=MoveName.ASK, why="Hồ sơ nào?"), Who.CLERK)
    await citizen.hears()
    for words in ("tôi muốn khiếu nại quyết định này", CODE, "TRO GIUP"):  # all these are something else
        assert not (await hears_after(citizen, words)).startswith("Da gui")


async def test_a_stranger_with_the_number_reads_and_does_nothing(line: Line, office: Office, citizen: Citizen) -> None:
    await office.files()
    number = await files(citizen)
    stranger = line.citizen(STRANGER)
    alone = await hears_after(stranger, number)
    assert alone.startswith(f"{number}: Da nhan")
    assert "hen ba lan" not in alone
    for words in ("RUT", "CHUA vẫn chậm", "thêm lời của tôi", "5"):
        assert "hen ba lan" not in await hears_after(stranger, f"{number} {words}")
    assert await state(line.core) is CaseState.RECEIVED
    assert [step["move"] for step in await rows(line.core, "feedback_step")] == []
    wrong = await hears_after(stranger, f"{number} 0000")
    unknown = await hears_after(stranger, f"{number[:-6]}000001 0000")
    assert wrong == unknown
    assert wrong.startswith("Khong tim thay")
    proven = await hears_after(stranger, f"{number} {PHONE[-4:]}")
    assert proven.startswith(f"{number}: Da nhan")
    assert "Da rut" in await hears_after(stranger, f"{number} RUT")  # who has number and digits is its sender


async def test_guesses_at_numbers_spend_the_budget_of_codes(line: Line, office: Office) -> None:
    stranger = line.citizen(STRANGER)
    said = [await hears_after(stranger, f"PA-261122-{n:06}") for n in range(22)]
    assert said[0].startswith("Khong tim thay")
    assert said[-1].startswith("Xin nhan: PA-261122-")  # only with proof for a while


async def test_in_a_chat_the_name_and_address_are_asked_one_by_one(line: Line, office: Office) -> None:
    await office.files()
    await in_chat(
        line.inbox, f"PHAN ANH {CODE} {COMPLAINT}", "Nguyễn Văn An", "Thôn 3, xã Đông Cứu, Bắc Ninh", "cảm ơn"
    )
    await all_handled(line.core, 4)
    said = await replies(line.core)
    assert "họ tên" in said[0]
    assert "địa chỉ" in said[1]
    assert "đã đủ thông tin" in said[2]
    (kept,) = await rows(line.core, "feedback")
    assert line.core.seal.open(kept["name_sealed"]) == "Nguyễn Văn An"
    assert line.core.seal.open(kept["postal_address_sealed"]) == "Thôn 3, xã Đông Cứu, Bắc Ninh"


async def test_a_code_or_more_words_are_no_name(line: Line, office: Office) -> None:
    await office.files()
    await in_chat(line.inbox, f"PHAN ANH {CODE} {COMPLAINT}", CODE, "DUNG")
    await all_handled(line.core, 3)
    said = await replies(line.core)
    assert CODE in said[1]
    (kept,) = await rows(line.core, "feedback")
    assert kept["name_sealed"] is None


async def test_what_names_the_number_is_no_address(line: Line, office: Office) -> None:
    await office.files()
    await in_chat(line.inbox, f"PHAN ANH {CODE} {COMPLAINT}", "Nguyễn Văn An")
    await all_handled(line.core, 2)
    (kept,) = await rows(line.core, "feedback")
    await in_chat(line.inbox, f"{kept['number']} RUT", start=2)
    await all_handled(line.core, 3)
    assert (await replies(line.core))[-1] == f"Đã rút {kept['number']}."
    (kept,) = await rows(line.core, "feedback")
    assert kept["postal_address_sealed"] is None


async def test_who_filed_says_what_may_be_published(line: Line, citizen: Citizen) -> None:
    number = await files(citizen, f"PHAN ANH {COMPLAINT}?!")
    assert "chua biet ho ten" in await hears_after(citizen, f"{number} công khai tên")
    assert "dia chi" in await hears_after(citizen, "Nguyễn Văn An")
    for words, consent in (("CONG KHAI TEN", "named"), ("cong khai", "anonymous"), ("KHONG CONG KHAI.", "no")):
        assert "cong khai" in await hears_after(citizen, f"{number} {words}")
        (kept,) = await rows(line.core, "feedback")
        assert kept["may_publish"] == consent
    assert line.core.seal.open(kept["text_sealed"]) == f"{COMPLAINT}?!"  # as it was written, to its end
    stranger = line.citizen(STRANGER)
    assert "duoc cong khai" not in await hears_after(stranger, f"{number} CONG KHAI TEN")
    (kept,) = await rows(line.core, "feedback")
    assert kept["may_publish"] == "no"


async def test_an_answer_in_a_chat_brings_buttons(line: Line, office: Office) -> None:
    await office.files()
    await in_chat(line.inbox, f"PHAN ANH {CODE} {COMPLAINT}")
    await all_handled(line.core, 1)
    (kept,) = await rows(line.core, "feedback")
    await answer(line.core, kept["number"], "Đã có kết quả.")
    await in_chat(line.inbox, kept["number"], f"DANH GIA 5 {kept['number']}", f"{kept['number']} CHUA", start=1)
    await all_handled(line.core, 4)
    said = await replies(line.core)
    assert "Đã có kết quả." in said[1]
    assert "5/5" in said[2]
    assert "điều gì chưa được" in said[3]
    messages: list[dict[str, Any]] = [row for row in await rows(line.core, "message") if row["inbound_id"]]
    offered = line.core.seal.open(messages[1]["choices_sealed"])
    for label in ("Chưa thỏa đáng", "5 Rất hài lòng", "1 Rất không hài lòng"):
        assert label in offered


async def test_one_phone_cannot_flood_and_is_told_kindly(line: Line, office: Office, citizen: Citizen) -> None:
    days = ("thứ Hai", "thứ Ba", "thứ Tư", "thứ Năm", "thứ Sáu", "thứ Bảy", "Chủ nhật")
    said = [await hears_after(citizen, f"GOP Y nên mở cửa thêm {day}") for day in days]
    assert sum("Da ghi kien nghi" in text for text in said) == 5
    assert "chua gui: xin nhan lai sau" in said[-1]


async def test_an_emergency_is_told_whom_to_call(line: Line, citizen: Citizen) -> None:
    assert "113, 114 hoac 115" in await hears_after(citizen, "PHAN ANH nhà bên đang cháy mà không ai đến")
    assert "Da ghi phan anh" in await hears_after(citizen, "CO")


@pytest.mark.parametrize("words", ["CHUA", "RUT", "5", "lời"])
async def test_nothing_is_done_to_what_has_ended(line: Line, office: Office, citizen: Citizen, words: str) -> None:
    number = await files(citizen, "GOP Y nên mở cửa thứ Bảy")
    await hears_after(citizen, f"{number} RUT")
    assert (await hears_after(citizen, f"{number} {words}")).startswith(f"{number}: Da rut")
