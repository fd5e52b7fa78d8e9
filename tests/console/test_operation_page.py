"""The page of what waits to be sent: short however many offices wait, and honest where it did not count on."""

import pytest

from console.roles import OfficerRole
from database.pool import Role
from domain.contact import ChannelName, Contact
from domain.message import Lane, MessageKind
from notifications import operation
from notifications.outbox import REPLY_EXPIRY, Outbox
from tests.console.officers import House

PHONE = Contact(channel=ChannelName.SMS, address="+84901234567")
OFFICES = 7


async def test_a_long_queue_shows_its_first_offices_and_that_there_is_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    agencies = [office for office in house.core.registry.agencies() if office.code.startswith("H05")][:OFFICES]
    async with house.core.database.transaction(Role.WORKER) as worker:
        for office in agencies:
            await Outbox(house.core.seal).queue(
                worker,
                PHONE,
                "words",
                kind=MessageKind.REPLY,
                expires_in=REPLY_EXPIRY,
                lane=Lane.BULK,
                owner_agency=office.agency_id,
            )
    browser = await house.officer(OfficerRole.OPERATOR, office="VN")
    page = (await browser.get("/console/van-hanh")).text
    assert f">{OFFICES}</span>" in page
    assert f"và {OFFICES - 5} cơ quan nữa" in page
    monkeypatch.setattr(operation, "MOST_COUNTED", 3)
    assert ">3+</span>" in (await browser.get("/console/van-hanh")).text
