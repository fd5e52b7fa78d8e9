"""Whole chats on Messenger and WhatsApp, on the real store, inbox and dispatcher."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from io import BytesIO

import aiohttp
import pytest
import qrcode
from aiohttp.test_utils import TestServer

from channels.meta.events import MESSENGER, WHATSAPP
from channels.meta.messenger import MessengerChannel
from channels.meta.settings import MetaSettings
from channels.meta.webhook import PATH, MetaWebhook
from channels.meta.whatsapp import WhatsAppChannel
from database.pool import Role
from domain.message import DeliveryState
from domain.status import Status
from notifications.reports import Reports
from service.wiring import Core
from tests.channels.edge import edge
from tests.channels.meta.conftest import payload
from tests.channels.meta.graph_api import DAY, Fault, GraphApi, sign, signed_form
from tests.channels.meta.people import PATIENCE, NumberPerson, PagePerson
from tests.channels.story import CODE, PHONE, SECRET, Office, make_inbox, running

HELP = "Trả lời tự động."


@dataclass
class Chat:
    """The running service, an office, and a citizen with one of the apps."""

    core: Core
    api: GraphApi
    office: Office
    channel: str
    an: PagePerson | NumberPerson

    async def followed(self) -> None:
        """The citizen looks the dossier up with the secret on the slip, and follows it."""
        await self.office.files(phone=None)
        await self.an.says(f"{CODE} {SECRET}")
        assert "20/11/2036" in await self.an.hears()
        await self.an.says("theo dõi")
        assert CODE in await self.an.hears()

    async def until(self, condition: str) -> None:
        """Wait until the store says so."""
        async with asyncio.timeout(PATIENCE), self.core.database.connection(Role.WORKER) as connection:
            while not await connection.fetchval(condition, self.channel):
                await connection.execute("SELECT pg_sleep(0.02)")

    async def silent_for_two_days(self) -> None:
        """Neither Meta nor we have heard of the citizen since."""
        self.an.silent_for(2 * DAY)
        async with self.core.database.connection(Role.WORKER) as connection:
            await connection.execute("UPDATE inbound SET received_at = received_at - interval '2 days'")


@pytest.fixture(params=[MESSENGER, WHATSAPP])
async def chat(
    request: pytest.FixtureRequest, core: Core, api: GraphApi, settings: MetaSettings
) -> AsyncIterator[Chat]:
    """Meta on the one side, the service on the other."""
    inbox = make_inbox(core)
    reports, motma = Reports(core.database), "https://motma.example"
    async with aiohttp.ClientSession() as http:
        webhook = MetaWebhook(settings, http=http, heard=inbox.heard, reports=reports, seal=core.seal, public_url=motma)
        server = TestServer(edge(webhook.routes()))
        await server.start_server()
        api.deliver_to = str(server.make_url(PATH))
        by_page = MessengerChannel(settings, http=http, seal=core.seal)
        by_number = WhatsAppChannel(settings, http=http, seal=core.seal)
        an = PagePerson(api) if request.param == MESSENGER else NumberPerson(api, address="84987654321")
        async with running(core, inbox, {MESSENGER: by_page, WHATSAPP: by_number}):
            yield Chat(core=core, api=api, office=Office(core), channel=request.param, an=an)
            await api.rest()
        await server.close()


async def test_a_citizen_looks_up_follows_is_told_and_presses_a_button(chat: Chat) -> None:
    await chat.followed()
    await chat.office.moves(to=Status.SUPPLEMENT_REQUIRED, asked="bản sao Giấy khai sinh")
    assert "bản sao Giấy khai sinh" in await chat.an.hears()
    details, mute = chat.an.buttons()
    await chat.an.presses(details)
    assert CODE in await chat.an.hears()
    await chat.office.moves(to=Status.PROCESSING)
    assert CODE in await chat.an.hears()
    await chat.an.presses(mute)
    assert CODE in await chat.an.hears()
    await chat.office.moves(to=Status.COMPLETED)
    await chat.an.says("HELP")
    assert (await chat.an.hears()).startswith(HELP)


async def test_every_message_ends_delivered(chat: Chat) -> None:
    await chat.followed()
    await chat.until("SELECT bool_and(state = 80) FROM message WHERE channel = $1")
    async with chat.core.database.connection(Role.WORKER) as connection:
        names = await connection.fetch("SELECT provider_id FROM message")
    assert not any("wamid" in row["provider_id"] or "m_" in row["provider_id"] for row in names)


async def test_after_a_day_of_silence_the_notice_is_a_template_with_its_buttons(chat: Chat) -> None:
    await chat.followed()
    await chat.silent_for_two_days()
    chat.api.templates = {"ho_so_thay_doi": 4, "thay_doi": 2}
    await chat.office.moves(to=Status.COMPLETED)
    shown = await chat.an.receives()
    template = shown["template"] if chat.channel == MESSENGER else shown
    assert CODE in str(template["components"][0])
    if isinstance(chat.an, PagePerson):
        await chat.an.does(postback={"mid": "m_9", "title": "Thôi báo", "payload": f"BO {CODE}"})
    else:
        await chat.an.sends(type="button", button={"payload": f"BO {CODE}", "text": "Thôi báo"})
    assert CODE in await chat.an.hears()


async def test_a_block_that_only_sending_shows_ends_the_notices(chat: Chat) -> None:
    await chat.followed()
    chat.api.faults.append(Fault(code=551, subcode=1545041))
    await chat.office.moves(to=Status.SUPPLEMENT_REQUIRED)
    await chat.until("SELECT bool_or(state = 70) FROM message WHERE channel = $1 AND kind <> 'reply'")
    await chat.until("SELECT count(*) = 1 FROM opt_out WHERE source = 'left' AND $1 <> ''")


async def test_a_photographed_code_is_looked_up_and_the_picture_not_kept(chat: Chat) -> None:
    await chat.office.files()
    picture = BytesIO()
    qrcode.make(CODE).convert("RGB").save(picture, "JPEG")
    chat.api.files["1003383421387256"] = picture.getvalue()
    if isinstance(chat.an, PagePerson):
        source = {"type": "image", "payload": {"url": f"{chat.api.url}/files/1003383421387256"}}
        await chat.an.does(message={"mid": "m_1", "attachments": [source]})
    else:
        await chat.an.sends(type="image", image={"id": "1003383421387256", "mime_type": "image/jpeg"})
    answer = await chat.an.hears()
    assert CODE in answer
    assert not answer.startswith(HELP)


@pytest.mark.parametrize("chat", [WHATSAPP], indirect=True)
async def test_who_writes_from_the_registered_number_is_told_all_at_once(chat: Chat) -> None:
    await chat.office.files()
    person = NumberPerson(chat.api, address=PHONE.removeprefix("+"))
    await person.says(CODE)
    assert "20/11/2036" in await person.hears()
    hidden = NumberPerson(chat.api, address="VN.13491208655302741918")
    await hidden.says(CODE)
    assert "20/11/2036" not in await hidden.hears()


@pytest.mark.parametrize("chat", [WHATSAPP], indirect=True)
async def test_a_number_given_up_is_told_nothing_more(chat: Chat) -> None:
    await chat.office.files(phone=None)
    person = NumberPerson(chat.api)
    await person.says(f"THEO DOI {CODE} {SECRET}")
    await person.hears()
    await person.sends(type="system", system={"type": "user_changed_number", "wa_id": "84907654321", "body": ""})
    await chat.until("SELECT count(*) = 1 FROM opt_out WHERE source = 'left' AND $1 <> ''")
    await chat.office.moves(to=Status.COMPLETED)
    async with chat.core.database.connection(Role.WORKER) as connection:
        assert await connection.fetchval("SELECT count(*) FROM message WHERE kind <> 'reply'") == 0


async def test_reports_of_messages_that_are_not_ours_create_nothing(chat: Chat) -> None:
    ours = ["messenger_delivery"] if chat.channel == MESSENGER else ["whatsapp_statuses", "whatsapp_status_failed"]
    for name in ours:
        body = signed_form(json.loads(payload(name)))
        assert await chat.api.post(body, sign(body)) == 200
    async with chat.core.database.connection(Role.WORKER) as connection:
        assert await connection.fetchval("SELECT count(*) FROM delivery_report") == 0


@pytest.mark.parametrize("chat", [WHATSAPP], indirect=True)
async def test_a_failure_told_later_is_written_down_with_its_reason(chat: Chat) -> None:
    chat.api.reports = False
    await chat.an.says("HELP")
    await chat.an.hears()
    async with chat.core.database.connection(Role.WORKER) as connection:
        ours = await connection.fetchval("SELECT id FROM message")
    call = json.loads(payload("whatsapp_status_failed"))
    call["entry"][0]["changes"][0]["value"]["statuses"][0]["biz_opaque_callback_data"] = str(ours)
    body = signed_form(call)
    assert await chat.api.post(body, sign(body)) == 200
    async with chat.core.database.connection(Role.WORKER) as connection:
        assert await connection.fetchval("SELECT state FROM message") == DeliveryState.FAILED
        word = await connection.fetchval("SELECT provider_word FROM delivery_report")
    assert word == "failed 131026 Message undeliverable"


def test_secrets_do_not_show_in_settings(settings: MetaSettings) -> None:
    shown = repr(replace(settings))
    for secret in (settings.app_secret, settings.verify_token, settings.page_token, settings.whatsapp_token):
        assert secret is not None
        assert secret not in shown
