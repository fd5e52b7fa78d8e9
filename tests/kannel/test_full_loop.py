"""A text in through Kannel's fake SMSC, the answer out, a change told, the receipts back."""

import asyncio
from collections import Counter

from database.pool import Role
from domain.message import DeliveryState
from domain.status import Status
from tests.channels.story import CODE, PHONE, SECRET, STRANGER
from tests.kannel.conftest import Service, Start
from tests.kannel.real_kannel import PATIENCE, Network

PROVEN = (
    f"HS {CODE}: dang giai quyet, dung han. Hen tra 20/11/2036. Hoi: 02223822016. "
    "Nhan tin khi co thay doi: nhan THEO DOI."
)


async def states(service: Service, count: int) -> list[DeliveryState]:
    """The states of all messages once `count` of them are delivered."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with service.core.database.connection(Role.WORKER) as connection:
                rows = await connection.fetch("SELECT state FROM message ORDER BY id")
            found = [DeliveryState(row["state"]) for row in rows]
            if found.count(DeliveryState.DELIVERED) >= count:
                return found
            await asyncio.sleep(0.05)  # polls the store: reports come by Kannel's own calls


async def test_a_text_in_and_its_answer_out(service: Service, network: Network) -> None:
    await service.office.files()
    phone = network.phone(STRANGER)
    await phone.says(f"HS {CODE} {SECRET}")
    assert await phone.hears() == PROVEN
    assert await states(service, 1) == [DeliveryState.DELIVERED]


async def test_a_text_in_ucs_2_is_read(service: Service, network: Network) -> None:
    await service.office.files()
    phone = network.phone(STRANGER)
    await phone.says(f"Tra cứu {CODE} mã tra cứu {SECRET}", ucs2=True)
    assert await phone.hears() == PROVEN
    await phone.says("Trợ giúp", ucs2=True)
    assert (await phone.hears()).startswith("Tra loi tu dong. Tra cuu: HS <ma>.")


async def test_a_change_is_told_and_its_receipts_come_back(service: Service, network: Network) -> None:
    await service.office.files()
    follower, owner = network.phone("+84987654322"), network.phone(PHONE)
    await follower.says(f"THEO DOI {CODE}")
    assert (await follower.hears()).startswith(f"Se bao Ong/Ba khi ho so {CODE} co thay doi.")
    await service.office.moves(to=Status.COMPLETED)
    assert CODE in await follower.hears()
    assert CODE in await owner.hears()
    assert await states(service, 3) == [DeliveryState.DELIVERED] * 3
    async with service.core.database.connection(Role.WORKER) as connection:
        rows = await connection.fetch("SELECT message_id, provider_word FROM delivery_report")
    words = Counter((row["message_id"], row["provider_word"].split(" ")[0]) for row in rows)
    assert {kind for _, kind in words} >= {"1"}
    assert set(words.values()) == {1}


async def test_receipts_in_any_order_leave_every_message_delivered(service: Service, network: Network) -> None:
    """Kannel itself reorders 'accepted' and 'delivered'; enough messages show both orders."""
    await service.office.files()
    phones = [network.phone(f"+8498765{number:04}") for number in range(40)]
    for phone in phones:
        await phone.says(CODE)
    for phone in phones:
        assert (await phone.hears()).startswith(f"HS {CODE}: dang giai quyet")
    assert await states(service, 40) == [DeliveryState.DELIVERED] * 40
    async with service.core.database.connection(Role.WORKER) as connection:
        kinds = await connection.fetch(
            "SELECT left(provider_word, 1) AS kind, count(*) AS n FROM delivery_report GROUP BY 1"
        )
    assert {row["kind"]: row["n"] for row in kinds}["1"] == 40


async def test_accented_answers_travel_in_ucs_2_and_in_parts(start: Start, network: Network) -> None:
    service = await start(accented=True)
    await service.office.files()
    phone = network.phone("+84987654323")
    await phone.says(f"HS {CODE} {SECRET}")
    assert await phone.hears() == (
        f"HS {CODE}: đang giải quyết, đúng hạn. Hẹn trả 20/11/2036. Hỏi: 02223822016. "
        "Nhận tin khi có thay đổi: nhắn THEO DÕI."
    )
    assert await states(service, 1) == [DeliveryState.DELIVERED]


async def test_the_signs_of_gsm_7_arrive_as_they_are(service: Service, network: Network) -> None:
    await service.office.files()
    await service.office.moves(to=Status.SUPPLEMENT_REQUIRED, asked="mẫu [A] {2} ~ 10€ & 5%")
    phone = network.phone(PHONE)
    assert CODE in await phone.hears()
    await phone.says(CODE)
    assert "Can: mau [A] {2} ~ 10€ & 5%." in await phone.hears()


async def test_an_answer_goes_to_people_and_not_to_short_codes(service: Service, network: Network) -> None:
    machine, person = network.phone("8100"), network.phone("84987654324")
    await machine.says("HELP")
    await person.says("HELP")
    answered = network.phone("+84987654324")
    assert (await answered.hears()).startswith("Tra loi tu dong.")
    assert machine.silent
    assert len(await states(service, 1)) == 1
