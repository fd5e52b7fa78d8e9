"""What people tell the office, from their words to the rows an officer will see, on the real store."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from channels.conversation.engine import Conversation
from channels.guesses import GuardedDesk
from channels.inbound import Inbox
from database.pool import Role
from domain.contact import ChannelName, Contact
from domain.message import Incoming, IncomingKind
from domain.status import Status
from feedback_intake.filing import Feedback, FeedbackKind
from feedback_intake.filing_caps import HOUR, PER_PERSON
from service.feedback import FeedbackService
from service.settings import Settings
from service.wiring import Core
from tests.channels.story import CODE, PHONE, SECRET, STRANGER, Citizen, Line, Office, make_inbox
from tests.channels.test_inbound import QUICK, all_handled, replies, working

CHAT = Contact(channel=ChannelName("chat"), address="12345")
COMPLAINT = "Cán bộ hẹn ba lần mà vẫn chưa xong"


async def rows(core: Core, table: str) -> list[dict[str, Any]]:
    """All of a table, as the operator sees it."""
    async with core.database.connection(Role.OPERATOR) as connection:
        return [dict(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY id")]  # noqa: S608


async def in_chat(inbox: Inbox, *texts: str, kind: IncomingKind = IncomingKind.TEXT, start: int = 0) -> None:
    """Somebody writes in a chat with buttons."""
    for number, text in enumerate(texts, start):
        await inbox.heard(
            Incoming(
                sender=CHAT,
                recipient="bot",
                text=text,
                external_id=f"chat:{number}",
                received_at=datetime.now(UTC),
                kind=kind,
            )
        )


async def test_the_answer_to_a_notice_becomes_feedback_about_its_dossier(
    line: Line, office: Office, citizen: Citizen, database_url: str
) -> None:
    await office.files()
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE dossier SET due_at = now() - interval '30 days' WHERE code = $1", CODE)
    await owner.close()
    await office.moves(to=Status.ACCEPTED)
    assert CODE in await citizen.hears()
    await citizen.says(COMPLAINT)
    question = await citizen.hears()
    assert question.startswith("Gui loi nay den ")
    assert question.endswith("Tra loi: 1 Co, 2 Khong.")
    assert await rows(line.core, "feedback") == []
    await citizen.says("1")
    answer = await citizen.hears()
    (kept,) = await rows(line.core, "feedback")
    assert kept["number"] in answer
    assert (kept["kind"], kept["resembles"], kept["proven"]) == ("feedback", None, True)
    assert (kept["status"], kept["stage"]) == (Status.ACCEPTED, "received")
    assert 15 <= kept["days_late"] <= 25
    assert kept["agency_id"] == office.tenant.agency_id
    assert line.core.seal.open(kept["text_sealed"]) == COMPLAINT
    assert line.core.seal.open(kept["address_sealed"]) == PHONE
    assert kept["about_sealed"] is None


async def test_words_hours_after_an_answer_are_still_about_it_and_days_after_they_are_not(
    line: Line, office: Office, database_url: str
) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    owner = await asyncpg.connect(database_url)
    for later, begins in ((timedelta(hours=40), "Gui loi nay den "), (timedelta(hours=50), "Khong thay ma ho so")):
        await citizen.says(CODE)
        await citizen.hears()
        await owner.execute("UPDATE conversation SET expires_at = expires_at - $1::interval", later)
        await citizen.says(COMPLAINT)
        assert (await citizen.hears()).startswith(begins)
    await owner.close()


async def test_a_proof_is_not_remembered_for_hours(line: Line, office: Office, database_url: str) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    await citizen.says(f"{CODE} {SECRET}")
    await citizen.hears()
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE conversation SET expires_at = expires_at - interval '16 minutes'")
    await owner.close()
    await citizen.says("THEO DOI")
    await citizen.hears()
    async with line.core.database.connection(Role.WORKER) as connection:
        assert await connection.fetchval("SELECT proven FROM subscription") is False


async def test_feedback_about_no_dossier_of_ours_is_kept_for_the_intake_desk(line: Line, office: Office) -> None:
    citizen = line.citizen(STRANGER)
    said = (
        ("GOP Y nên mở cửa thứ Bảy", "Da ghi kien nghi PA-"),
        ("PHAN ANH H05.16-261102-9999 không tìm thấy hồ sơ của tôi", "Da ghi phan anh PA-"),
    )
    for text, answer in said:
        await citizen.says(text)
        assert (await citizen.hears()).startswith(answer)
    proposal, feedback = await rows(line.core, "feedback")
    assert (proposal["kind"], proposal["owner_agency"], proposal["about_sealed"]) == ("proposal", None, None)
    assert (feedback["dossier_id"], feedback["proven"]) == (None, False)
    assert line.core.seal.open(feedback["about_sealed"]) == "H05.16-261102-9999"


async def test_who_files_by_sms_is_asked_for_name_and_address_one_at_a_time(line: Line, office: Office) -> None:
    citizen = line.citizen(STRANGER)
    await citizen.says("GOP Y nên mở cửa thứ Bảy")
    assert "Xin cho biet ho ten Ong/Ba." in await citizen.hears()
    await citizen.says("le van tam")
    assert "dia chi" in await citizen.hears()
    await citizen.says("thôn Đông, phường Kinh Bắc, Bắc Ninh")
    assert "da du thong tin" in await citizen.hears()
    (kept,) = await rows(line.core, "feedback")
    assert line.core.seal.open(kept["name_sealed"]) == "le van tam"
    assert line.core.seal.open(kept["postal_address_sealed"]) == "thôn Đông, phường Kinh Bắc, Bắc Ninh"


async def test_what_goes_on_after_filing_is_not_taken_for_a_name(line: Line, office: Office) -> None:
    citizen = line.citizen(STRANGER)
    await citizen.says("GOP Y nên mở cửa thứ Bảy")
    await citizen.hears()
    await citizen.says("den nay van chua duoc gi")
    assert "dia chi" not in await citizen.hears()
    (kept,) = await rows(line.core, "feedback")
    assert kept["name_sealed"] is None


async def test_what_the_store_counts_as_too_much_is_put_off_in_the_chat(line: Line, core: Core) -> None:
    """Redis knows nothing of what another process let through while it was away."""
    feedback = FeedbackService.of(core, Settings())
    citizen = line.citizen(STRANGER)
    for number in range(PER_PERSON[HOUR]):
        filed = Feedback(number=f"PA-261110-00000{number}", kind=FeedbackKind.FEEDBACK, text=COMPLAINT)
        async with core.database.transaction(Role.WORKER) as connection:
            await feedback.filing.file(connection, Contact(channel=ChannelName.SMS, address=STRANGER), filed)
    await citizen.says("GOP Y nên mở cửa thứ Bảy")
    assert "Loi nay chua gui: xin nhan lai sau 60 phut" in await citizen.hears()
    assert len(await rows(core, "feedback")) == PER_PERSON[HOUR]


async def test_a_number_that_is_taken_is_replaced_by_another(core: Core) -> None:
    numbers = iter(["PA-261110-000001", "PA-261110-000001", "PA-261110-000002"])
    conversation = Conversation(GuardedDesk(core.desk, core.limits), number=lambda _day: next(numbers))
    inbox = make_inbox(core, conversation=conversation, handling=QUICK)
    async with working(inbox):
        await in_chat(inbox, "GOP Y xin mở cửa sớm", "GOP Y xin đóng cửa muộn")
        await all_handled(core, 2)
    assert [row["number"] for row in await rows(core, "feedback")] == ["PA-261110-000001", "PA-261110-000002"]
    first, second = await replies(core)
    assert "PA-261110-000001" in first
    assert "PA-261110-000002" in second


async def test_a_newer_rating_replaces_the_older_and_a_reason_joins_its_score(line: Line, office: Office) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    for text in (f"{CODE} {SECRET}", "DANH GIA 5", "DANH GIA 2", "phải đi lại bốn lần", "DANH GIA 2"):
        await citizen.says(text)
        await citizen.hears()
    (rating,) = await rows(line.core, "rating")
    assert (rating["score"], rating["proven"]) == (2, True)
    assert line.core.seal.open(rating["reason_sealed"]) == "phải đi lại bốn lần"
    await citizen.says(f"DANH GIA {CODE} 4")
    await citizen.hears()
    other = line.citizen()
    for text in (f"DANH GIA 3 {CODE}", "DANH GIA H05.16-261102-9999 1"):
        await other.says(text)
        await other.hears()
    ratings = await rows(line.core, "rating")
    assert [(each["score"], each["reason_sealed"]) for each in ratings] == [(4, None), (3, None)]


async def test_a_phone_the_platform_vouches_for_opens_its_dossiers_in_the_chat(line: Line, office: Office) -> None:
    await office.files()
    await in_chat(line.inbox, CODE)
    await in_chat(line.inbox, PHONE, kind=IncomingKind.OWN_PHONE, start=1)
    await in_chat(line.inbox, CODE, "xóa số", CODE, start=2)
    await all_handled(line.core, 5)
    said = await replies(line.core)
    assert ["Hẹn trả" in text for text in said] == [False, True, True, False, False]
    async with line.core.database.connection(Role.WORKER) as connection:
        assert await connection.fetch("SELECT * FROM linked_phone") == []


async def test_who_opens_a_chat_is_welcomed(core: Core) -> None:
    inbox = make_inbox(core)
    async with working(inbox):
        await in_chat(inbox, "", kind=IncomingKind.JOINED)
        await all_handled(core, 1)
    (welcome,) = await replies(core)
    assert "trả lời tự động" in welcome
    (message,) = await rows(core, "message")
    assert message["choices_sealed"] is not None


async def test_our_own_number_is_not_answered(core: Core) -> None:
    inbox = make_inbox(core)
    async with working(inbox):
        await inbox.heard(
            Incoming(
                sender=Contact(channel=ChannelName.SMS, address=PHONE),
                recipient=PHONE.removeprefix("+"),
                text="HELP",
                external_id="own:1",
                received_at=datetime.now(UTC),
            )
        )
        handled = await all_handled(core, 1)
    assert handled[0]["failure"] == "sender may not be answered"


async def test_agencies_see_feedback_on_their_own_dossiers_and_never_who_rated(line: Line, office: Office) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    for text in (f"PHAN ANH {CODE} {COMPLAINT}", f"DANH GIA {CODE} 5", "GOP Y nên mở cửa thứ Bảy"):
        await citizen.says(text)
        await citizen.hears()
    stranger = line.core.registry.agency_by_code("H26")
    assert stranger is not None
    for agency, feedback, ratings in ((office.tenant.agency_id, 2, 1), (stranger.agency_id, 0, 0)):
        async with line.core.database.tenant(agency, test=False) as connection:
            assert await connection.fetchval("SELECT count(*) FROM feedback") == feedback
            assert await connection.fetchval("SELECT count(id) FROM rating") == ratings
    async with line.core.database.tenant(office.tenant.agency_id, test=False) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT contact_digest FROM rating")
    for role in (Role.PUBLIC, Role.CITIZEN):
        for table in ("feedback", "rating", "linked_phone"):
            async with line.core.database.connection(role) as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f"SELECT count(*) FROM {table}")  # noqa: S608


async def test_what_people_say_stands_nowhere_in_clear(line: Line, office: Office, database_url: str) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    for text in (CODE, COMPLAINT, "GOP Y giấu tên tôi 001099012345", f"DANH GIA 1 {COMPLAINT}"):
        await citizen.says(text)
        await citizen.hears()
    await in_chat(line.inbox, PHONE, kind=IncomingKind.OWN_PHONE)
    await all_handled(line.core, 5)
    owner = await asyncpg.connect(database_url)
    for table in ("inbound", "message", "conversation", "feedback", "rating", "linked_phone"):
        everything = str([tuple(row) for row in await owner.fetch(f"SELECT * FROM {table}")])  # noqa: S608
        for secret in (COMPLAINT, "001099012345", STRANGER, PHONE):
            assert secret not in everything
    await owner.close()


async def test_an_answer_takes_less_than_a_second(line: Line, office: Office) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    loop = asyncio.get_running_loop()
    for text in (CODE, SECRET, "THEO DOI", COMPLAINT, "1", "DANH GIA 5", "BO"):
        began = loop.time()
        await citizen.says(text)
        await citizen.hears()
        assert loop.time() - began < 1.0


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("GOP Y toi cho ba lan ma chua xong", "feedback"),
        ("GOP Y nen cho phep nop qua mang, khoi di lai", "proposal"),
        ("KIEN NGHI phong mot cua lam ca thu Bay", "proposal"),
        ("PHAN ANH can bo bao nen bo sung giay to mai khong xong", "feedback"),
    ],
)
async def test_which_of_the_two_it_is_follows_the_command_else_the_words(line: Line, said: str, kind: str) -> None:
    citizen = line.citizen(STRANGER)
    await citizen.says(said)
    await citizen.hears()
    (kept,) = await rows(line.core, "feedback")
    assert kept["kind"] == kind


async def test_who_meant_the_other_of_the_two_says_so_by_its_number(line: Line) -> None:
    citizen = line.citizen(STRANGER)
    await citizen.says("GOP Y toi cho ba lan ma chua xong")
    await citizen.hears()
    for words, kind, told in (("KIEN NGHI", "proposal", "la kien nghi"), ("Phản ánh", "feedback", "la phan anh")):
        (kept,) = await rows(line.core, "feedback")
        await citizen.says(f"{kept['number']} {words}")
        assert told in await citizen.hears()
        assert [row["kind"] for row in await rows(line.core, "feedback")] == [kind]
