"""Whole chats on Zalo, on the real store, cache, outbox and dispatcher, and the stand-in for Zalo."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from channels.zalo.oa import ZALO, ZaloChannel, ZaloSettings
from channels.zalo.zns import ZNS, ZnsGateway, ZnsSettings
from database.pool import Role
from domain.contact import Contact
from domain.message import DeliveryState, Lane, MessageKind
from domain.status import Status
from notifications.reports import Reports
from service.wiring import Core
from tests.cache.waiting import until
from tests.channels.edge import edge
from tests.channels.story import CODE, PATIENCE, SECRET, Office, make_inbox, running
from tests.channels.zalo.stand_in import (
    APP_ID,
    APP_SECRET,
    FIRST_REFRESH_TOKEN,
    OA_SECRET,
    Person,
    Sent,
    ZaloStandIn,
)
from tests.channels.zalo.test_linked_pictures import photographed
from tests.channels.zalo.test_oa_sending import TEMPLATE

ABOUT = f"ồ sơ {CODE}"  # in what is said of this dossier, and not in help, which shows the code as an example
SILENCE = 1.0  # seconds in which a message that is meant to come would have come


@dataclass
class ZaloPhone:
    """A person with Zalo, in the account's chat."""

    zalo: ZaloStandIn
    person: Person
    heard: int = 0

    async def does(self, event: str, **message: object) -> None:
        """Any event of this person."""
        assert await self.zalo.event(event, self.person, **({"message": message} if message else {})) == 200

    async def says(self, text: str) -> None:
        """Write to the account."""
        await self.does("user_send_text", text=text)

    async def taps(self, says: str) -> None:
        """Press the button under the last message that stands for `says`."""
        shown = self.person.shown[-1]
        assert says in [button["payload"] for button in shown.buttons], shown
        await self.says(says)

    async def receives(self) -> Sent:
        """The next message on this phone; waits for it."""
        await asyncio.wait_for(self._news(), PATIENCE)
        self.heard += 1
        return self.person.shown[self.heard - 1]

    async def _news(self) -> None:
        while len(self.person.shown) <= self.heard:
            self.person.news.clear()
            await self.person.news.wait()

    async def hears(self) -> str:
        """Its words."""
        return (await self.receives()).text

    async def hears_nothing(self) -> None:
        """No message comes."""
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self._news(), SILENCE)


@dataclass
class ZaloLine:
    """The running service, and everybody around it."""

    core: Core
    zalo: ZaloStandIn
    office: Office

    def phone(self, user_id: str = "246845883529197922") -> ZaloPhone:
        """Somebody's Zalo."""
        return ZaloPhone(zalo=self.zalo, person=self.zalo.person(user_id))

    async def days_pass(self, phone: ZaloPhone, days: float) -> None:
        """This person was last heard of `days` ago."""
        assert phone.person.last_heard is not None
        phone.person.last_heard -= days * 86_400
        digest = self.core.seal.contact(Contact(channel=ZALO, address=phone.person.user_id))
        async with self.core.database.connection(Role.WORKER) as connection:
            await connection.execute(
                "UPDATE inbound SET received_at = received_at - $2::interval WHERE sender_digest = $1",
                digest,
                timedelta(days=days),
            )

    async def stopped(self) -> list[str]:
        """Why notices are stopped."""
        async with self.core.database.connection(Role.WORKER) as connection:
            return [row["source"] for row in await connection.fetch("SELECT source FROM opt_out")]

    async def until_stopped(self) -> None:
        """Wait until it is written down that somebody left."""
        async with asyncio.timeout(PATIENCE):
            while await self.stopped() != ["left"]:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0.05)

    async def states(self) -> list[DeliveryState]:
        """Of every message, in order."""
        async with self.core.database.connection(Role.WORKER) as connection:
            rows = await connection.fetch("SELECT state FROM message WHERE channel <> 'sms' ORDER BY id")
        return [DeliveryState(row["state"]) for row in rows]


@asynccontextmanager
async def open_zalo_line(core: Core, zalo: ZaloStandIn, http: aiohttp.ClientSession) -> AsyncIterator[ZaloLine]:
    """The service with the Official Account and ZNS."""
    inbox = make_inbox(core)
    channel = ZaloChannel(
        ZaloSettings(
            app_id=APP_ID,
            app_secret=APP_SECRET,
            oa_secret=OA_SECRET,
            refresh_token=FIRST_REFRESH_TOKEN,
            api_url=zalo.url,
            template=TEMPLATE,
            picture_origins=zalo.url,
        ),
        http=http,
        heard=inbox.heard,
        reports=Reports(core.database),
        seal=core.seal,
        database=core.database,
        public_url="https://motma.example",
    )
    zns = ZnsGateway(
        ZnsSettings(
            app_id=APP_ID,
            app_secret=APP_SECRET,
            refresh_token=FIRST_REFRESH_TOKEN,
            api_url=zalo.url,
            zns_template=TEMPLATE,
        ),
        http=http,
        database=core.database,
        seal=core.seal,
    )
    async with TestServer(edge(channel.routes())) as server, running(core, inbox, {ZALO: channel, ZNS: zns}):
        zalo.hook = str(server.make_url("/webhooks/zalo"))
        yield ZaloLine(core=core, zalo=zalo, office=Office(core))
        await zalo.settle()


@pytest.fixture
async def zalo_line(core: Core, zalo: ZaloStandIn, http: aiohttp.ClientSession) -> AsyncIterator[ZaloLine]:
    async with open_zalo_line(core, zalo, http) as opened:
        yield opened


async def follow(zalo_line: ZaloLine, phone: ZaloPhone) -> None:
    """The person follows the office's dossier, with proof."""
    await zalo_line.office.files(phone=None)
    await phone.says(f"THEO DOI {CODE} {SECRET}")
    assert ABOUT in await phone.hears()


async def test_a_citizen_looks_up_and_proves_in_a_second_message(zalo_line: ZaloLine) -> None:
    await zalo_line.office.files()
    phone = zalo_line.phone()
    await phone.says(f"Tra cứu {CODE}")
    first = await phone.hears()
    assert ABOUT in first
    assert "Hẹn trả" not in first
    await phone.says(SECRET)
    second = await phone.hears()
    assert "20/11/2036" in second
    assert "đang" in second.lower()  # with its accents


async def test_a_photographed_slip_is_looked_up(zalo_line: ZaloLine) -> None:
    await zalo_line.office.files()
    phone = zalo_line.phone()
    zalo_line.zalo.pictures["slip.jpg"] = photographed(CODE)
    picture = {"type": "image", "payload": {"url": f"{zalo_line.zalo.url}/pictures/slip.jpg"}}
    await phone.does("user_send_image", attachments=[picture])
    assert ABOUT in await phone.hears()
    await phone.does("user_send_sticker", attachments=[])
    assert ABOUT not in await phone.hears()


async def test_who_follows_is_told_in_the_chat_and_stops_by_a_tap(zalo_line: ZaloLine) -> None:
    phone = zalo_line.phone()
    await follow(zalo_line, phone)
    await zalo_line.office.moves(to=Status.COMPLETED)
    told = await phone.receives()
    assert told.kind == "cs"
    assert ABOUT in told.text
    await phone.taps(f"BO {CODE}")
    assert ABOUT in await phone.hears()
    await zalo_line.office.moves(to=Status.DELIVERED)
    await phone.hears_nothing()


async def test_who_was_not_heard_of_for_a_week_is_told_by_template(zalo_line: ZaloLine) -> None:
    phone = zalo_line.phone()
    await follow(zalo_line, phone)
    await zalo_line.days_pass(phone, 8)
    await zalo_line.office.moves(to=Status.COMPLETED)
    told = await phone.receives()
    assert told.kind == "uid"
    assert told.data["ma_ho_so"] == CODE
    assert told.data["trang_thai"] == "Đã có kết quả"
    await phone.says(CODE)  # who answers is heard of again
    assert (await phone.receives()).kind == "cs"


async def test_who_leaves_is_told_nothing_and_who_returns_is_told_again(zalo_line: ZaloLine) -> None:
    phone = zalo_line.phone()
    await follow(zalo_line, phone)
    await phone.does("unfollow")
    await zalo_line.until_stopped()
    await zalo_line.office.moves(to=Status.SUPPLEMENT_REQUIRED, asked="bản sao Giấy khai sinh")
    await phone.hears_nothing()
    await phone.does("follow")
    phone.person.last_heard = zalo_line.zalo.clock()
    assert await phone.hears()
    assert await zalo_line.stopped() == []
    await zalo_line.office.moves(to=Status.COMPLETED)
    assert ABOUT in await phone.hears()


async def test_whom_zalo_calls_gone_is_told_nothing_before_coming_back(zalo_line: ZaloLine) -> None:
    phone = zalo_line.phone()
    await follow(zalo_line, phone)
    zalo_line.zalo.fault("cs", code=-213)
    await zalo_line.office.moves(to=Status.PAYMENT_REQUIRED)
    await zalo_line.until_stopped()
    await zalo_line.office.moves(to=Status.COMPLETED)
    await phone.hears_nothing()


async def test_an_event_that_zalo_sends_again_and_again_has_one_effect(zalo_line: ZaloLine) -> None:
    await zalo_line.office.files()
    phone, other = zalo_line.phone(), zalo_line.phone("9007199254740993")
    bodies = [
        zalo_line.zalo.event_body("user_send_text", who.person, message={"text": CODE}) for who in (phone, other)
    ] * 5
    assert await asyncio.gather(*(zalo_line.zalo.deliver(body) for body in bodies)) == [200] * 10
    assert ABOUT in await phone.hears()
    assert ABOUT in await other.hears()
    await phone.hears_nothing()


async def test_what_could_not_be_recorded_is_recorded_when_zalo_sends_it_again(
    core: Core, zalo: ZaloStandIn, http: aiohttp.ClientSession
) -> None:
    async with open_zalo_line(core, zalo, http) as line:
        await line.office.files()
        phone, hook = line.phone(), zalo.hook
        body = zalo.event_body("user_send_text", phone.person, message={"text": CODE})
        zalo.hook = "http://127.0.0.1:9/webhooks/zalo"
        delivery = asyncio.create_task(zalo.deliver(body))
        await until(lambda: len(zalo.answers) > 1)
        zalo.hook = hook
        assert await delivery == 200
        assert zalo.answers[-1] == 200
        assert ABOUT in await phone.hears()


async def test_a_token_that_expires_in_the_middle_is_noticed_by_nobody(zalo_line: ZaloLine) -> None:
    await zalo_line.office.files()
    phones = [zalo_line.phone(str(10**17 + n)) for n in range(20)]
    await asyncio.gather(*(phone.says(CODE) for phone in phones[:10]))
    for phone in phones[:10]:
        assert ABOUT in await phone.hears()
    async with zalo_line.core.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE provider_token SET renewed_at = now() - interval '10 minutes'")
    zalo_line.zalo.revoke()
    await asyncio.gather(*(phone.says(CODE) for phone in phones[10:]))
    for phone in phones[10:]:
        assert ABOUT in await phone.hears()
    assert zalo_line.zalo.renewals == 2


async def test_every_message_ends_delivered(zalo_line: ZaloLine) -> None:
    phone = zalo_line.phone()
    await follow(zalo_line, phone)
    await zalo_line.office.moves(to=Status.COMPLETED)
    await phone.hears()
    await zalo_line.days_pass(phone, 8)
    await zalo_line.office.moves(to=Status.DELIVERED)
    assert (await phone.receives()).kind == "uid"
    await zalo_line.zalo.settle()
    assert await zalo_line.states() == [DeliveryState.DELIVERED] * 3


async def test_a_notice_by_phone_goes_as_a_template_and_ends_delivered(zalo_line: ZaloLine) -> None:
    """What the ladder will do when a phone is all that is known."""
    await zalo_line.office.files(phone=None)
    core, to = zalo_line.core, Contact(channel=ZNS, address="+84901234567")
    async with core.database.transaction(Role.WORKER) as connection:
        dossier = await connection.fetchval("SELECT dossier_id FROM dossier_code WHERE code = $1", CODE)
        await connection.execute(
            """INSERT INTO message (dossier_id, expires_at, lane, kind, channel, contact_digest, address_sealed)
               VALUES ($1, now() + interval '1 hour', $2, $3, $4, $5, $6)""",
            dossier,
            Lane.NORMAL,
            MessageKind.STATUS_CHANGED,
            ZNS,
            core.seal.contact(to),
            core.seal.seal(to.address),
        )
    phone = zalo_line.phone("84901234567")
    told = await phone.receives()
    assert (told.kind, told.data["ma_ho_so"], told.data["trang_thai"]) == ("phone", CODE, "Đang xử lý")
    await zalo_line.zalo.settle()
    assert await zalo_line.states() == [DeliveryState.DELIVERED]
