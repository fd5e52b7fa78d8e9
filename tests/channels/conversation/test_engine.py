"""What holds for every conversation, whatever was said; the chats themselves are in `chats/*.txt`."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.conversation.turn import (
    FileFeedback,
    Follow,
    Manner,
    Mute,
    Rate,
    Remembered,
    Resume,
    Said,
    StopAll,
    Told,
    Turn,
)
from channels.guesses import ProofNeeded
from channels.sms.manner import SMS_MANNER
from channels.sms.plain import plain
from channels.sms.segments import segments
from domain.agency import DisclosurePolicy
from domain.contact import ChannelName, Contact
from domain.dossier import PublicDossier
from domain.language import Language
from domain.message import LONGEST_CHOICE, IncomingKind
from domain.status import Status
from tests.channels.conversation.chatting import Chat
from tests.channels.conversation.paper_desk import (
    AGENCY,
    CODE,
    PHONE,
    SECRET,
    TOKEN,
    PaperDesk,
    dossier,
)
from tests.channels.conversation.test_chats import LONGEST_LABEL

NOT_FOUND = "Khong tim thay ho so khop voi thong tin nay. Xin xem lai ma tren giay hen, hoac hoi noi Ong/Ba nop ho so."
NEEDS_PROOF = "Tam thoi chi tra loi khi co ma tra cuu."
LOCKED = "Da thu qua nhieu lan."
LONG_CODE = "000.00.12.H62.00.11.22.33.44.55-20201105-0001234567"


async def test_no_name_is_ever_in_an_sms() -> None:
    chat = Chat(phone=PHONE)
    for text in (CODE, f"HS {CODE} {SECRET}", f"THEO DOI {CODE}", f"GOP Y {CODE} cho lau"):
        reply = await chat.says(text)
        assert "Nguyen" not in reply
        assert "N***" not in reply


async def test_unknown_code_and_wrong_proof_get_the_same_words_and_memory() -> None:
    wrong_proof, unknown = Chat(), Chat(desk=PaperDesk(dossiers=[]))
    for text in (f"HS {CODE} 999999", "111111", "XEM THEM", "222222", "sao khong tim thay gi het"):
        assert await wrong_proof.says(text) == await unknown.says(text)
        assert wrong_proof.last == unknown.last


async def test_a_right_proof_costs_nothing_and_wrong_ones_run_out() -> None:
    chat = Chat()
    for _ in range(8):
        assert "Hen tra" in await chat.says(f"{CODE} {SECRET}")
    for guess in range(5):
        assert await chat.says(f"{CODE} 00000{guess}") == NOT_FOUND
    assert (await chat.says(f"{CODE} {SECRET}")).startswith(LOCKED)
    assert (await chat.says(f"THEO DOI {CODE} {SECRET}")).startswith(LOCKED)
    assert len(chat.desk.proofs_tried) == 13


async def test_when_guessing_is_locked_the_owner_and_the_slip_still_get_in() -> None:
    chat = Chat()
    for guess in range(6):
        await chat.says(f"{CODE} 00000{guess}")
    assert "Hen tra" in await chat.says(f"https://motma.example/r/{TOKEN}")
    owner = Chat(phone=PHONE, desk=chat.desk)
    owner.guard = chat.guard
    assert "Hen tra" in await owner.says(f"{CODE} 000000")


async def test_while_codes_are_guessed_a_code_alone_is_answered_by_a_question_and_the_secret_by_all() -> None:
    chat = Chat()
    for number in range(15):
        await chat.guard.by_code(f"H05.16-261102-8{number:03}", origin=f"10.0.0.{number}")
    with pytest.raises(ProofNeeded):
        await chat.guard.by_code(CODE, origin="10.0.0.1")
    for code in (CODE, "H05.16-261102-7777"):
        for text in (code, f"THEO DOI {code}", f"{code} {CODE}"):
            assert (await chat.says(text)).startswith(NEEDS_PROOF)
    await chat.says(CODE)
    assert "Hen tra" in await chat.says(SECRET)
    assert await chat.does("THEO DOI") == (Follow(code=CODE, proven=True),)
    assert "Da ghi phan anh" in await chat.says("PHAN ANH H05.16-261102-7777 khong tra loi duoc")
    assert (await chat.says(f"BO {CODE}")).startswith("Se khong bao tin")
    assert "Hen tra" in await Chat(phone=PHONE, desk=chat.desk).says(CODE)


async def test_the_proof_of_one_dossier_proves_no_other() -> None:
    other = "H05.16-261102-0002"
    chat = Chat(desk=PaperDesk(dossiers=[dossier(), dossier(other)]))
    await chat.says(f"{CODE} {SECRET}")
    assert await chat.does(f"THEO DOI {other}") == (Follow(code=other, proven=False),)


async def test_what_was_proven_is_forgotten_after_a_while_and_what_was_talked_about_is_not() -> None:
    chat = Chat()
    await chat.says(f"{CODE} {SECRET}")
    chat.waits()
    assert await chat.does("THEO DOI") == (Follow(code=CODE, proven=False),)


async def test_who_was_told_as_holder_follows_as_holder() -> None:
    chat = Chat(told=Told(code=CODE, proven=True))
    assert await chat.does("THEO DOI") == (Follow(code=CODE, proven=True),)


async def test_a_guesser_follows_nothing() -> None:
    guesser = Chat()
    assert await guesser.says(f"THEO DOI {CODE} 000000") == NOT_FOUND
    assert guesser.last.acts == ()


async def test_a_receipt_followed_is_followed_as_its_holder() -> None:
    chat = Chat(manner=Manner())
    assert await chat.does(f"THEO DOI https://motma.example/r/{TOKEN}") == (Follow(code=CODE, proven=True),)


@pytest.mark.parametrize("word", ["DUNG", "Dừng", "HUY", "tu choi", "STOP", "hủy nhận tin", "/stop", "tu chpi"])
async def test_one_word_stops_everything(word: str) -> None:
    chat = Chat()
    reply = await chat.says(word)
    assert chat.last.acts == (StopAll(),)
    assert "TIEP TUC" in reply


@pytest.mark.parametrize("question", ["THEO DOI", "BO", "GOP Y", f"DANH GIA {CODE}", CODE, "PHAN ANG cham qua roi do"])
async def test_a_command_is_never_taken_for_the_answer_to_a_question(question: str) -> None:
    chat = Chat()
    await chat.says(question)
    assert await chat.does("STOP") == (StopAll(),)
    await chat.says(question)
    assert await chat.does("Tiếp tục") == (Resume(),)
    await chat.says(question)
    assert (await chat.says("HELP")).startswith("Tra loi tu dong.")


async def test_digits_in_a_long_sentence_are_a_proof_only_where_a_word_says_so() -> None:
    chat = Chat()
    await chat.says(CODE)
    assert (await chat.says("toi doi tu nam 2025 den nay chua xong")).startswith("Gui loi nay den")
    assert chat.desk.proofs_tried == []
    await chat.says(CODE)
    assert "Hen tra" in await chat.says("da ma tra cuu cua toi la 246810 nhe")


async def test_free_words_without_anything_before_them_get_help() -> None:
    chat = Chat()
    assert (await chat.says("bao gio toi co ket qua")).startswith("Khong thay ma ho so trong tin.")
    assert chat.last.remember == Remembered(unclear=1)


async def test_free_words_after_a_newer_notice_are_about_its_dossier() -> None:
    other = "H05.16-261102-0002"
    chat = Chat(phone=PHONE, desk=PaperDesk([dossier(), dossier(other)]))
    await chat.says(CODE)
    chat.told = Told(code=other, proven=True)
    assert other in await chat.says("sao lai phai bo sung lan nua")
    (act,) = await chat.does("1")
    assert isinstance(act, FileFeedback)
    assert (act.feedback.code, act.feedback.proven) == (other, True)


async def test_feedback_names_the_dossier_that_was_meant_however_its_code_was_typed() -> None:
    chat = Chat()
    (act,) = await chat.does("PHAN ANH H05.16-261102-1 cho lau qua")
    assert isinstance(act, FileFeedback)
    assert act.feedback.code == CODE
    (rated,) = await chat.does("DANH GIA h05.16-261102-1 5")
    assert isinstance(rated, Rate)
    assert rated.rating.code == CODE


async def test_the_service_itself_can_be_rated() -> None:
    (act,) = await Chat().does("DANH GIA 4 sao")
    assert isinstance(act, Rate)
    assert (act.rating.code, act.rating.score) == (None, 4)


async def test_a_choice_tapped_long_after_still_means_its_dossier() -> None:
    other = "H05.16-261102-0002"
    chat = Chat(manner=Manner(), desk=PaperDesk([dossier(), dossier(other)]))
    await chat.says(CODE)
    old = chat.last.choices
    await chat.says(other)
    for choice in old:
        chat.last = replace(chat.last, choices=())
        reply = await chat.says(choice.says)
        assert CODE in reply, choice
        assert other not in reply, choice


async def test_choices_stay_within_what_channels_carry_even_for_the_longest_code() -> None:
    chat = Chat(manner=Manner(), desk=PaperDesk([dossier(LONG_CODE), dossier("1" * 64)]))
    for code in (LONG_CODE, "1" * 64):
        for text in (code, f"THEO DOI {code}", f"BO {code}", f"DANH GIA {code}", f"{CODE} {code}", f"GOP Y {code} a b"):
            await chat.says(text)
            assert all(len(choice.says.encode()) <= LONGEST_CHOICE for choice in chat.last.choices)
            assert all(len(choice.label) <= LONGEST_LABEL for choice in chat.last.choices)


async def test_a_picture_or_sticker_is_answered_with_help() -> None:
    assert (await Chat(manner=Manner()).says("")).startswith("Trả lời tự động.")


async def test_a_chat_without_buttons_numbers_what_it_asks() -> None:
    chat = Chat(manner=Manner(buttons=False))
    await chat.says(CODE)
    assert (await chat.says("chờ lâu quá rồi đấy")).endswith("Trả lời: 1 Có, 2 Không.")
    assert chat.last.choices == ()
    (act,) = await chat.does("1")
    assert isinstance(act, FileFeedback)


async def test_what_the_office_asks_is_told_to_the_holder_and_not_to_a_stranger() -> None:
    desk = PaperDesk(dossiers=[dossier(status=Status.SUPPLEMENT_REQUIRED, asked="bản sao Giấy khai sinh.")])
    assert "Can: ban sao Giay khai sinh. Hoi So Tu phap" in await Chat(phone=PHONE, desk=desk).says(CODE)
    stranger = await Chat(desk=desk).says(CODE)
    assert stranger == (
        f"HS {CODE}: dang cho Ong/Ba. Hoi So Tu phap tinh Bac Ninh: 02223822456. "
        "Gui ma tra cuu hoac 4 so cuoi dien thoai de xem them."
    )


async def test_a_long_request_gives_way_to_the_offices_phone() -> None:
    desk = PaperDesk(dossiers=[dossier(status=Status.SUPPLEMENT_REQUIRED, asked="giấy xác nhận cư trú " * 8)])
    reply = await Chat(phone=PHONE, desk=desk).says(CODE)
    assert "Co quan cho biet chi tiet. Hoi So Tu phap tinh Bac Ninh: 02223822456." in reply
    assert segments(reply).count == 1


async def test_an_old_answer_says_as_of_when() -> None:
    assert "Tinh den 10:00, 10/11/2026." in await Chat(desk=PaperDesk(fresh=False)).says(CODE)


async def test_an_open_agency_lets_the_code_alone_show_the_day() -> None:
    desk = PaperDesk(agency=replace(AGENCY, disclosure=DisclosurePolicy.OPEN))
    assert "Hen tra 20/11/2026." in await Chat(desk=desk).says(CODE)


CODES = [CODE, "000.00.12.H62-201105-0004", "G09.20-20260609-0092637", "H05.16.11.02-261102-123456"]


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("phone", [PHONE, "+84987654321"])
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
@pytest.mark.parametrize("code", CODES)
async def test_every_other_reply_fits_one_segment(language: Language, hotline: str, code: str) -> None:
    texts = ["?", "TC", "DUNG", "TIEP TUC", "THEO DOI", "BO", "GOP Y", "cam on", "EN", "VI", "xin chao", "0901234567"]
    texts += ["001099012345", "1.005129", "123456ABCD", "H05.16-261102-9999", " ".join([code, *CODES]), "/start"]
    texts += [f"THEO DOI {code}", f"BO {code}", f"GOP Y {code}", f"{code} 999999", "001099012345", "/lang", "xoa so"]
    texts += [code, "cho lau qua roi", "hmm", "1", f"{code} {CODES[1]} {CODES[2]}", "THEO DOI", "BO", "XEM THEM"]
    texts += ["DANH GIA", "cham qua di mat thoi", "2", "3", "PA-261110-123456", f"KHIEU NAI {code} sai roi", "khong"]
    texts += ["toi to cao ho nhan hoi lo", "co", f"DANH GIA {code}", "1", "vi cho lau", "DANH GIA 5", "GOP Y a", "a bc"]
    texts += ["https://motma.example/r/0123456789abcdef0123456789", f"XEM THEM {code}", "111111", "222222", "333333"]
    texts += [f"{code} 44444{n}" for n in range(5)]
    chat = Chat(hotline=hotline, stopped=True, desk=PaperDesk([dossier(each) for each in CODES]))
    for text in texts:
        chat.last = replace(chat.last, language=language)
        reply = await chat.says(text)
        assert segments(reply).count == 1, (text, reply)
    assert segments(plain(chat.conversation.apology(language))).count == 1


NUMBERS = [CODE, SECRET, "0901234567", "001099012345", "1.005129", "H05.16-261102-0009", "1", "2", f"/r/{TOKEN}"]
WORDS = ["THEO DOI", "bỏ", "TC", "GOP Y", "đánh giá", "co", "khong", "cho lau qua roi", "EN", "a", "Đ", "\n", "?"]
FRAGMENTS = st.sampled_from([*NUMBERS, *WORDS, "/start", "/lang", "phan ang"])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(FRAGMENTS, st.text(max_size=40)), max_size=6),
    st.booleans(),
    st.sampled_from(IncomingKind),
)
async def test_every_text_gets_one_answer_in_one_segment(parts: list[str], buttons: bool, kind: IncomingKind) -> None:
    chat = Chat(manner=Manner() if buttons else SMS_MANNER)
    if kind is not IncomingKind.TEXT:
        await chat.says(PHONE, kind)
    for text in (" ".join(parts), *parts):
        reply = await chat.says(text)
        assert reply
        assert buttons or segments(reply).count == 1, reply
        assert all(len(choice.says.encode()) <= LONGEST_CHOICE for choice in chat.last.choices)


async def test_who_is_told_of_changes_anyway_is_not_offered_it() -> None:
    told, offered = "Co thay doi, Ong/Ba se duoc bao.", "nhan THEO DOI."
    holder = Chat(phone=PHONE)
    assert (await holder.says(CODE)).endswith(told)
    await holder.says(f"BO {CODE}")
    assert (await holder.says(CODE)).endswith(offered)
    await holder.says("THEO DOI")
    assert (await holder.says(CODE)).endswith(told)
    holder.stopped = True
    assert (await holder.says(CODE)).endswith("dang ngung moi tin. Nhan tin lai: nhan TIEP TUC.")
    follower = Chat()
    assert (await follower.says(f"{CODE} {SECRET}")).endswith(offered)
    await follower.says("THEO DOI")
    assert (await follower.says(f"{CODE} {SECRET}")).endswith(told)
    ready = Chat(phone=PHONE, desk=PaperDesk([dossier(status=Status.COMPLETED)]))
    assert (await ready.says(CODE)).endswith("02223822456.")


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.DELIVERED])
async def test_what_was_finished_late_is_not_told_as_if_it_were_late_still(status: Status) -> None:
    late = dossier(status=status, finished_at=datetime(2026, 11, 25, 3, 0, tzinfo=UTC))
    desk = PaperDesk([late], now=datetime(2027, 3, 26, tzinfo=UTC))
    by_sms, in_chat = (
        await Chat(phone=PHONE, desk=desk).says(CODE),
        await Chat(phone=PHONE, desk=desk, manner=Manner(address_is_phone=True)).says(CODE),
    )
    assert "xong tre hen 2 ngay lam viec. Xin loi Ong/Ba." in by_sms
    assert "đã giải quyết xong, trễ hẹn 2 ngày làm việc. Chúng tôi xin lỗi." in in_chat
    stranger = await Chat(desk=desk).says(CODE)
    assert "xong tre hen. Xin loi Ong/Ba." in stranger
    assert not any("qua han" in plain(text) for text in (by_sms, in_chat, stranger))


async def test_a_word_about_pauses_begins_a_sentence_of_its_own() -> None:
    chat = Chat()
    await chat.says(f"BO {CODE}")
    warned = chat.conversation.pausing(chat.last, datetime(2026, 11, 10, 3, 0, tzinfo=UTC), same=True, brief=True)
    assert f"THEO DOI {CODE}. Tin nay da tra loi nhieu lan." in plain(warned.reply)


async def test_muting_names_the_dossier_and_forgets_it() -> None:
    chat = Chat(followed=(CODE,))
    assert await chat.does("bỏ") == (Mute(code=CODE),)
    assert chat.followed == ()


def test_nothing_personal_shows_when_a_turn_is_logged() -> None:
    said = Said(by=Contact(channel=ChannelName.SMS, address=PHONE), text="001099012345", phone=PHONE)
    assert PHONE not in repr(said)
    assert "001099012345" not in repr(said)
    assert "246810" not in repr(Turn(reply="246810", language=Language.VIETNAMESE))
    assert "246810" not in repr(Remembered(draft="246810"))
    assert isinstance(dossier().public, PublicDossier)
