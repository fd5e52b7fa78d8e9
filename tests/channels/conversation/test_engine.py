"""Conversations as chats: what a person texts, what the answer is, what is done and remembered."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.conversation.engine import Conversation
from channels.conversation.turn import Act, Follow, Manner, Mute, Remembered, Resume, Said, StopAll, Turn
from channels.sms.manner import SMS_MANNER
from channels.sms.plain import plain
from channels.sms.segments import segments
from domain.agency import DisclosurePolicy
from domain.contact import ChannelName, Contact
from domain.dossier import PublicDossier
from domain.language import Language
from domain.status import Status
from tests.channels.conversation.paper_desk import (
    AGENCY,
    CODE,
    PHONE,
    SECRET,
    STRANGER,
    PaperBudget,
    PaperDesk,
    dossier,
)

NOT_FOUND = "Khong tim thay ho so khop voi thong tin nay. Xin xem lai ma tren giay hen, hoac hoi noi Ong/Ba nop ho so."
ASK_PROOF = "Gui ma tra cuu hoac 4 so cuoi dien thoai de xem them."


@dataclass
class Chat:
    """One person texting. Remembers between messages as the store does."""

    phone: str = STRANGER
    desk: PaperDesk = field(default_factory=PaperDesk)
    budget: PaperBudget = field(default_factory=PaperBudget)
    manner: Manner = SMS_MANNER
    hotline: str = ""
    stopped: bool = False
    last: Turn = field(default_factory=lambda: Turn(reply="", language=Language.VIETNAMESE))

    async def says(self, text: str) -> str:
        """The plain reply to `text`."""
        said = Said(
            by=Contact(channel=ChannelName.SMS, address=self.phone),
            text=text,
            language=self.last.language,
            remembered=self.last.remember,
            stopped=self.stopped,
            manner=self.manner,
        )
        self.last = await Conversation(self.desk, self.budget, hotline=self.hotline).answer(said)
        return plain(self.last.reply)

    async def does(self, text: str) -> tuple[Act, ...]:
        """What `text` makes us do."""
        await self.says(text)
        return self.last.acts


async def test_a_code_alone_tells_the_stage_and_asks_for_the_second_factor() -> None:
    chat = Chat()
    assert await chat.says(f"HS {CODE}") == (
        f"HS {CODE}: dang giai quyet, dung han. Hoi So Tu phap tinh Bac Ninh: 02223822456. {ASK_PROOF}"
    )
    assert await chat.says(SECRET) == (
        f"HS {CODE}: dang giai quyet, dung han. Hen tra 20/11/2026. Hoi So Tu phap tinh Bac Ninh: 02223822456. "
        "Nhan tin khi co thay doi: nhan THEO DOI."
    )


async def test_the_last_digits_of_the_registered_phone_are_a_second_factor_too() -> None:
    chat = Chat()
    await chat.says(CODE)
    assert "Hen tra 20/11/2026" in await chat.says("4 5 6 7")
    assert "Hen tra 20/11/2026" in await Chat().says(f"{CODE} 0901234567")
    assert "Hen tra 20/11/2026" in await Chat().says(f"tra cuu {CODE} 4567")


async def test_the_registered_phone_needs_no_second_factor() -> None:
    chat = Chat(phone=PHONE)
    assert "Hen tra 20/11/2026" in await chat.says(CODE.lower())
    assert chat.budget.spent == {}


async def test_no_name_is_ever_in_an_sms() -> None:
    chat = Chat(phone=PHONE)
    for text in (CODE, f"HS {CODE} {SECRET}", f"THEO DOI {CODE}", f"GOP Y {CODE}"):
        reply = await chat.says(text)
        assert "Nguyen" not in reply
        assert "N***" not in reply


async def test_unknown_code_and_wrong_proof_get_the_same_words_and_memory() -> None:
    wrong_proof, unknown = Chat(), Chat(desk=PaperDesk(dossiers=[]))
    assert await wrong_proof.says(f"HS {CODE} 999999") == await unknown.says(f"HS {CODE} 999999") == NOT_FOUND
    assert wrong_proof.last == unknown.last
    assert await unknown.says("111111") == await wrong_proof.says("111111") == NOT_FOUND
    assert wrong_proof.last == unknown.last
    assert wrong_proof.budget.spent == unknown.budget.spent == {("wrong_proofs", CODE): 2}


async def test_unknown_code_without_a_proof_gets_the_words_of_a_wrong_proof() -> None:
    assert await Chat().says("H05.16-261102-9999") == NOT_FOUND
    assert await Chat().says("THEO DOI H05.16-261102-9999") == NOT_FOUND


async def test_a_right_proof_costs_nothing_and_wrong_ones_run_out() -> None:
    chat = Chat(budget=PaperBudget(allowance=3))
    for _ in range(5):
        assert "Hen tra" in await chat.says(f"{CODE} {SECRET}")
    for guess in range(3):
        assert await chat.says(f"{CODE} 00000{guess}") == NOT_FOUND
    refused = "Da thu qua nhieu lan. Xin cho 1 gio roi thu lai, hoac hoi noi Ong/Ba nop ho so."
    assert await chat.says(f"{CODE} {SECRET}") == refused
    assert await chat.says(f"THEO DOI {CODE} {SECRET}") == refused
    assert len(chat.desk.proofs_tried) == 8


async def test_the_owner_still_gets_in_when_guessing_is_locked() -> None:
    locked = PaperBudget(allowance=0)
    assert "Hen tra" in await Chat(phone=PHONE, budget=locked).says(f"{CODE} 000000")


async def test_each_kind_of_number_typed_in_place_of_the_code_gets_its_own_help() -> None:
    chat = Chat()
    form = "dang H05.16-261102-0001"
    assert await chat.says("001099012345") == (
        f"Day co ve la so can cuoc. Xin dung gui so nay. Hay gui ma ho so tren giay hen, {form}."
    )
    assert chat.last.remember == Remembered()
    assert (await chat.says("0901234567")).startswith("Day co ve la so dien thoai, khong phai ma ho so.")
    assert (await chat.says("1.005129")).startswith("1.005129 la ma thu tuc, khong phai ma ho so.")
    assert (await chat.says("123456ABCD")).startswith("Khong tim thay ho so khop voi so nay.")
    assert (await chat.says("bao gio co ket qua")).startswith("Khong thay ma ho so trong tin.")


async def test_a_citizen_id_in_place_of_the_proof_is_never_tried() -> None:
    chat = Chat()
    await chat.says(CODE)
    assert (await chat.says("001099012345")).startswith("Xin dung gui so can cuoc.")
    assert "dung han" in await chat.says(f"{CODE} 001099012345")
    assert chat.desk.proofs_tried == []
    assert "Hen tra" in await chat.says(SECRET)


async def test_several_codes_are_answered_in_one_message() -> None:
    other = dossier("H05.16-261102-0002", Status.COMPLETED)
    chat = Chat(desk=PaperDesk(dossiers=[dossier(), other]))
    assert await chat.says(f"{CODE}, H05.16-261102-0002 và H05.16-261102-0003") == (
        f"{CODE}: dang giai quyet, dung han\nH05.16-261102-0002: da co ket qua\nH05.16-261102-0003: khong tim thay"
    )
    four = " ".join(f"H05.16-261102-000{n}" for n in range(1, 5))
    assert await chat.says(four) == "Moi tin xin gui toi da 3 ma ho so. Xin gui lai."


async def test_following_and_muting_one_dossier() -> None:
    chat = Chat()
    assert await chat.does(f"theo dõi {CODE}") == (Follow(code=CODE, proven=False),)
    assert await chat.says(f"theo dõi {CODE}") == (
        f"Se bao Ong/Ba khi ho so {CODE} co thay doi. Ngung bao: nhan BO {CODE}"
    )
    assert await chat.does(f"BO {CODE}") == (Mute(code=CODE),)
    assert await chat.says(f"BO {CODE}") == f"Se khong bao tin ve ho so {CODE} nua. Bao lai: nhan THEO DOI {CODE}"


async def test_after_an_answer_the_code_need_not_be_typed_again() -> None:
    chat = Chat()
    await chat.says(f"{CODE} {SECRET}")
    assert await chat.does("THEO DOI") == (Follow(code=CODE, proven=True),)
    assert await chat.does("bỏ") == (Mute(code=CODE),)


async def test_a_follower_is_proven_by_secret_or_by_phone_only() -> None:
    chat = Chat()
    assert await chat.does(f"THEO DOI {CODE} {SECRET}") == (Follow(code=CODE, proven=True),)
    owner = Chat(phone=PHONE)
    assert await owner.does(f"THEO DOI {CODE}") == (Follow(code=CODE, proven=True),)
    guesser = Chat()
    assert await guesser.says(f"THEO DOI {CODE} 000000") == NOT_FOUND
    assert guesser.last.acts == ()


async def test_the_proof_of_one_dossier_proves_no_other() -> None:
    other = "H05.16-261102-0002"
    chat = Chat(desk=PaperDesk(dossiers=[dossier(), dossier(other)]))
    await chat.says(f"{CODE} {SECRET}")
    assert await chat.does(f"THEO DOI {other}") == (Follow(code=other, proven=False),)


async def test_we_ask_which_dossier_and_understand_the_answer() -> None:
    chat = Chat()
    assert await chat.says("THEO DOI") == "Ong/Ba muon theo doi ho so nao? Xin gui ma ho so tren giay hen."
    assert await chat.does(CODE) == (Follow(code=CODE, proven=False),)
    chat = Chat()
    await chat.says("BO")
    assert await chat.does(CODE) == (Mute(code=CODE),)


async def test_muting_says_the_same_whether_or_not_the_dossier_exists() -> None:
    known, unknown = Chat(), Chat(desk=PaperDesk(dossiers=[]))
    assert await known.says(f"BO {CODE}") == await unknown.says(f"BO {CODE}")


@pytest.mark.parametrize("word", ["DUNG", "Dừng", "HUY", "tu choi", "STOP", "hủy nhận tin"])
async def test_one_word_stops_everything(word: str) -> None:
    chat = Chat()
    reply = await chat.says(word)
    assert chat.last.acts == (StopAll(),)
    assert reply.startswith("Se khong bao tin nao nua.")
    assert "TIEP TUC" in reply


async def test_tc_alone_is_a_refusal_and_tells_how_to_look_up() -> None:
    chat = Chat()
    reply = await chat.says("tc")
    assert chat.last.acts == (StopAll(),)
    assert "nhan TC va ma ho so" in reply
    assert await chat.does(f"TC {CODE}") == ()
    assert "dang giai quyet" in await chat.says(f"TC {CODE}")


async def test_resuming_is_an_act_of_its_own() -> None:
    chat = Chat()
    assert await chat.does("Tiếp tục") == (Resume(),)


async def test_following_while_everything_is_stopped_says_so() -> None:
    chat = Chat(stopped=True)
    assert "nhan TIEP TUC" in await chat.says(f"THEO DOI {CODE}")
    assert chat.last.acts == (Follow(code=CODE, proven=False),)


async def test_feedback_by_text_names_whom_to_call_instead() -> None:
    chat = Chat()
    for text in (f"GOP Y {CODE} cho lau qua", f"DANH GIA 5 {CODE}"):
        assert await chat.says(text) == (
            "Chua nhan gop y, phan anh, danh gia qua tin nhan. Hoi So Tu phap tinh Bac Ninh: 02223822456."
        )
    await chat.says(CODE)
    assert "02223822456" in await chat.says("PHAN ANH can bo lam viec cham")
    assert await Chat(hotline="1022").says("gop y") == (
        "Chua nhan gop y, phan anh, danh gia qua tin nhan. Xin goi 1022."
    )


async def test_help_says_that_a_machine_answers() -> None:
    assert (await Chat().says("?")).startswith("Tra loi tu dong.")
    assert (await Chat().says("HELP")) == (await Chat().says("trợ giúp"))


async def test_the_language_changes_and_stays() -> None:
    chat = Chat()
    assert (await chat.says("EN")).startswith("We will answer in English.")
    assert await chat.says(f"{CODE} {SECRET}") == (
        f"File {CODE}: in progress, on time. Due 20/11/2026. Ask Department of Justice of Bac Ninh: 02223822456. "
        "To be told of changes, text FOLLOW."
    )
    assert await chat.does("follow") == (Follow(code=CODE, proven=True),)
    assert (await chat.says("vi")).startswith("Tu nay tra loi bang tieng Viet.")


async def test_thanks_are_answered_kindly_and_change_nothing() -> None:
    chat = Chat()
    await chat.says(CODE)
    before = chat.last.remember
    assert (await chat.says("cảm ơn nhiều ạ")).startswith("Cam on Ong/Ba.")
    assert chat.last.remember == before


async def test_lateness_is_admitted_and_apologised_for() -> None:
    late = PaperDesk(now=datetime(2026, 11, 26, 3, 0, tzinfo=UTC))
    assert await Chat(phone=PHONE, desk=late).says(CODE) == (
        f"HS {CODE}: dang giai quyet, qua han 3 ngay lam viec. Xin loi Ong/Ba. Da hen 20/11/2026. Hoi: 02223822456. "
        "Nhan tin khi co thay doi: nhan THEO DOI."
    )
    assert "qua han. Xin loi Ong/Ba." in await Chat(desk=late).says(CODE)


async def test_what_is_asked_of_the_owner_is_told_to_the_owner_alone() -> None:
    desk = PaperDesk(dossiers=[dossier(status=Status.SUPPLEMENT_REQUIRED, asked="bản sao Giấy khai sinh.")])
    assert "Can: ban sao Giay khai sinh. Hoi So Tu phap" in await Chat(phone=PHONE, desk=desk).says(CODE)
    stranger = await Chat(desk=desk).says(CODE)
    assert stranger == f"HS {CODE}: dang cho Ong/Ba. Hoi So Tu phap tinh Bac Ninh: 02223822456. {ASK_PROOF}"


async def test_a_long_request_gives_way_to_the_offices_phone() -> None:
    desk = PaperDesk(dossiers=[dossier(status=Status.SUPPLEMENT_REQUIRED, asked="giấy xác nhận cư trú " * 8)])
    reply = await Chat(phone=PHONE, desk=desk).says(CODE)
    assert "Xin hoi co quan can gi. Hoi So Tu phap tinh Bac Ninh: 02223822456." in reply
    assert segments(reply).count == 1


async def test_an_old_answer_says_as_of_when() -> None:
    assert "Tinh den 10:00, 10/11/2026." in await Chat(desk=PaperDesk(fresh=False)).says(CODE)


async def test_an_open_agency_lets_the_code_alone_show_the_day() -> None:
    desk = PaperDesk(agency=replace(AGENCY, disclosure=DisclosurePolicy.OPEN))
    assert "Hen tra 20/11/2026." in await Chat(desk=desk).says(CODE)


async def test_a_chat_has_room_for_whole_sentences() -> None:
    chat = Chat(manner=Manner())
    await chat.says(f"{CODE} {SECRET}")
    assert chat.last.reply.splitlines() == [
        f"Hồ sơ {CODE}: Đang xử lý.",
        "Hồ sơ đúng hạn.",
        "Hẹn trả thứ Sáu, 20/11/2026.",
        "Cơ quan sẽ báo khi có kết quả hoặc khi cần thêm giấy tờ. Ông/Bà chưa phải làm gì.",
        "Hỏi Sở Tư pháp tỉnh Bắc Ninh: 02223822456.",
        "Nhận tin khi có thay đổi: nhắn THEO DÕI.",
    ]


CODES = [CODE, "000.00.12.H62-201105-0004", "G09.20-20260609-0092637", "H05.16.11.02-261102-123456"]


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("phone", [PHONE, STRANGER])
async def test_every_answer_fits_one_segment(language: Language, status: Status, phone: str) -> None:
    """All statuses, times, policies and usual codes; late, stale and asked for papers at once."""
    for code in CODES:
        for now in (datetime(2026, 11, 10, tzinfo=UTC), datetime(2027, 3, 26, tzinfo=UTC)):
            for policy in DisclosurePolicy:
                given_dossier = dossier(code, status, asked="bản sao Giấy khai sinh và sổ hộ khẩu", finished_at=now)
                desk = PaperDesk(
                    [given_dossier], replace(AGENCY, disclosure=policy), fresh=policy.value == "open", now=now
                )
                chat = Chat(phone=phone, desk=desk)
                chat.last = replace(chat.last, language=language)
                reply = await chat.says(code)
                assert segments(reply).count == 1, reply
                assert "02223822456" in reply, reply


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("hotline", ["", "02223822456"])
async def test_every_other_reply_fits_one_segment(language: Language, hotline: str) -> None:
    texts = ["?", "TC", "DUNG", "TIEP TUC", "THEO DOI", "BO", "GOP Y", "cam on", "EN", "VI", "xin chao", "0901234567"]
    texts += ["001099012345", "1.005129", "123456ABCD", "H05.16-261102-9999", " ".join([CODE, *CODES[1:]])]
    texts += [f"THEO DOI {CODE}", f"BO {CODE}", f"GOP Y {CODE}", f"{CODE} 999999", "001099012345"]
    chat = Chat(hotline=hotline, stopped=True)
    for text in texts:
        chat.last = replace(chat.last, language=language)
        reply = await chat.says(text)
        assert segments(reply).count == 1, reply
    assert segments(plain(Conversation(chat.desk, chat.budget, hotline=hotline).apology(language))).count == 1


FRAGMENTS = st.sampled_from(
    [CODE, SECRET, "THEO DOI", "bỏ", "0901234567", "001099012345", "?", "TC", "1.005129", "a", "Đ", "\n"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(FRAGMENTS, st.text(max_size=40)), max_size=5))
async def test_every_text_gets_one_answer_in_one_segment(parts: list[str]) -> None:
    chat = Chat()
    for text in (" ".join(parts), *parts):
        reply = await chat.says(text)
        assert reply
        assert segments(reply).count == 1, reply


def test_nothing_personal_shows_when_a_turn_is_logged() -> None:
    said = Said(by=Contact(channel=ChannelName.SMS, address=PHONE), text="001099012345")
    assert PHONE not in repr(said)
    assert "001099012345" not in repr(said)
    assert "246810" not in repr(Turn(reply="246810", language=Language.VIETNAMESE))
    assert isinstance(dossier().public, PublicDossier)
