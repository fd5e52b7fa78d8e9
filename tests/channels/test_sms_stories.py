"""Whole chats by SMS, on the real store, cache, outbox and dispatcher."""

import asyncio

from channels.sms.segments import segments
from database.pool import Role
from domain.message import DeliveryState
from domain.status import Status
from tests.channels.story import CODE, PATIENCE, SECRET, STRANGER, Citizen, Line, Office

ASK = "Hoi: 02223822016."
NOT_FOUND = "Khong tim thay ho so khop voi thong tin nay. Xin xem lai ma tren giay hen, hoac hoi noi Ong/Ba nop ho so."


async def test_a_citizen_looks_up_with_the_secret_on_the_slip(line: Line, office: Office) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    await citizen.says(f"HS {CODE} {SECRET}")
    assert await citizen.hears() == (
        f"HS {CODE}: dang giai quyet, dung han. Hen tra 20/11/2036. {ASK} Nhan tin khi co thay doi: nhan THEO DOI."
    )


async def test_the_second_factor_may_come_in_a_second_text(line: Line, office: Office) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    await citizen.says(CODE)
    assert (await citizen.hears()).endswith("Gui ma tra cuu hoac 4 so cuoi dien thoai de xem them.")
    await citizen.says("4567")
    assert "Hen tra 20/11/2036" in await citizen.hears()


async def test_the_registered_phone_is_told_all_at_once(office: Office, citizen: Citizen) -> None:
    await office.files()
    await citizen.says(CODE)
    assert "Hen tra 20/11/2036" in await citizen.hears()


async def test_unknown_and_unproven_are_told_the_same(line: Line, office: Office) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    for text in (f"HS {CODE} 999999", "HS H05.16-261102-0009 999999", "HS H05.16-261102-0009"):
        await citizen.says(text)
        assert await citizen.hears() == NOT_FOUND


async def test_a_citizen_follows_a_dossier_and_is_told_when_it_changes(line: Line, office: Office) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    await citizen.says(f"THEO DOI {CODE} {SECRET}")
    assert await citizen.hears() == f"Se bao Ong/Ba khi ho so {CODE} co thay doi. Ngung bao: nhan BO {CODE}"
    await office.moves(to=Status.COMPLETED)
    notice = await citizen.hears()
    assert CODE in notice
    assert segments(notice).count == 1
    await citizen.says(f"BO {CODE}")
    assert "Se khong bao tin" in await citizen.hears()
    await office.moves(to=Status.DELIVERED)
    await citizen.says("HELP")
    assert (await citizen.hears()).startswith("Tra loi tu dong.")


async def test_stopping_ends_all_notices_at_once_and_resuming_brings_them_back(
    office: Office, citizen: Citizen
) -> None:
    await office.files()
    await office.moves(to=Status.SUPPLEMENT_REQUIRED, asked="bản sao Giấy khai sinh")
    assert CODE in await citizen.hears()
    await citizen.says("Dừng")
    assert (await citizen.hears()).startswith("Se khong bao tin nao nua.")
    await office.moves(to=Status.PROCESSING)
    await citizen.says(CODE)
    assert (await citizen.hears()).startswith(f"HS {CODE}: dang giai quyet")
    await citizen.says("TIEP TUC")
    assert (await citizen.hears()).startswith("Ong/Ba se lai nhan tin")
    await office.moves(to=Status.COMPLETED)
    assert CODE in await citizen.hears()
    assert len(citizen.received()) == 5


async def test_following_again_while_stopped_is_kept_and_said_so(line: Line, office: Office) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    await citizen.says("STOP")
    await citizen.hears()
    await citizen.says(f"THEO DOI {CODE}")
    assert "nhan TIEP TUC" in await citizen.hears()


async def test_the_language_is_remembered_between_texts(office: Office, citizen: Citizen) -> None:
    await office.files()
    await citizen.says("EN")
    await citizen.hears()
    await citizen.says(CODE)
    assert (await citizen.hears()).startswith(f"File {CODE}: in progress, on time. Due 20/11/2036.")
    await citizen.says("VI")
    await citizen.hears()
    await citizen.says(CODE)
    assert (await citizen.hears()).startswith(f"HS {CODE}:")


async def test_texts_sent_in_one_breath_are_answered_in_order(line: Line, office: Office) -> None:
    await office.files()
    citizen = line.citizen(STRANGER)
    for text in (CODE, SECRET, "THEO DOI", "BO", "HELP"):
        await citizen.says(text)
    answers = [await citizen.hears() for _ in range(5)]
    beginnings = ("HS H05", "HS H05", "Se bao Ong/Ba", "Se khong bao tin", "Tra loi tu dong")
    assert [answer.startswith(start) for answer, start in zip(answers, beginnings, strict=True)] == [True] * 5
    assert "Hen tra" in answers[1]


async def test_every_text_ends_delivered(line: Line, office: Office, citizen: Citizen) -> None:
    await office.files()
    await citizen.says(CODE)
    answer = await citizen.receives()
    async with asyncio.timeout(PATIENCE):
        async for _ in line.gateway.changes(citizen.phone):
            if citizen.received()[-1].state is DeliveryState.DELIVERED:
                break
        async with line.core.database.connection(Role.WORKER) as connection:
            state = await connection.fetchval("SELECT state FROM message WHERE id = $1", answer.message_id)
    assert state == DeliveryState.DELIVERED
    assert answer.other == "8088"


async def test_a_wrong_proof_is_locked_out_and_the_owner_is_not(line: Line, office: Office, citizen: Citizen) -> None:
    await office.files()
    guesser = line.citizen(STRANGER)
    answers = []
    for guess in range(8):
        await guesser.says(f"{CODE} 00000{guess}")
        answers.append(await guesser.hears())
    assert answers[:5] == [NOT_FOUND] * 5
    assert all(answer.startswith("Da thu qua nhieu lan.") for answer in answers[5:])
    await citizen.says(f"{CODE} 000000")
    assert "Hen tra" in await citizen.hears()
