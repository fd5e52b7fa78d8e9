"""Whole chats by Telegram, through webhook and polling alike, on the real store, inbox and dispatcher."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO

import aiohttp
import pytest
import qrcode
from aiohttp.test_utils import TestServer

from channels.telegram.channel import PATH, TelegramChannel
from channels.telegram.opening import TELEGRAM, TelegramSettings
from database.pool import Role
from domain.message import DeliveryState
from domain.status import Status
from service.wiring import Core
from tests.channels.edge import edge
from tests.channels.story import CODE, PATIENCE, SECRET, Office, make_inbox, running
from tests.channels.telegram.bot_api import TOKEN, BotApi, Fault, Refusal
from tests.channels.telegram.people import Person

HELP = "Trả lời tự động."
MOTMA = "https://motma.example"


@dataclass
class Chat:
    """The running service, an office, and a citizen with Telegram."""

    core: Core
    api: BotApi
    office: Office
    an: Person

    async def followed(self) -> None:
        """The citizen looks the dossier up with the secret on the slip, and follows it."""
        await self.office.files()
        await self.an.says(f"{CODE} {SECRET}")
        assert "20/11/2036" in await self.an.hears()
        await self.an.says("theo dõi")
        assert CODE in await self.an.hears()


@pytest.fixture(params=["webhook", "polling"])
async def chat(request: pytest.FixtureRequest, core: Core, api: BotApi) -> AsyncIterator[Chat]:
    """Telegram on the one side, the service on the other."""
    inbox = make_inbox(core)
    by_webhook = request.param == "webhook"
    secret = "webhook_secret_of_the-tests" if by_webhook else None
    settings = TelegramSettings(token=TOKEN, webhook_secret=secret, api_url=api.url, chat_spacing=0.0)
    async with aiohttp.ClientSession() as http:
        channel = TelegramChannel(settings, http=http, heard=inbox.heard, public_url=MOTMA)
        server = TestServer(edge(channel.routes()))
        await server.start_server()
        api.deliver_to = str(server.make_url(PATH))
        work = asyncio.create_task(channel.register() if by_webhook else channel.poll())
        async with running(core, inbox, {TELEGRAM: channel}):
            yield Chat(core=core, api=api, office=Office(core), an=Person(api))
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await server.close()


async def test_a_citizen_looks_up_follows_is_told_and_presses_a_button(chat: Chat) -> None:
    await chat.followed()
    await chat.office.moves(to=Status.SUPPLEMENT_REQUIRED, asked="bản sao Giấy khai sinh")
    notice = await chat.an.receives()
    assert CODE in notice["text"]
    assert "bản sao Giấy khai sinh" in notice["text"]
    labels = {button["callback_data"]: button["text"] for row in _rows(notice) for button in row}
    pressed = await chat.an.presses(labels[CODE])
    assert CODE in await chat.an.hears()
    assert chat.api.answered == [pressed]
    chat.api.messages[chat.an.user_id].append(notice)  # scrolls back to the notice
    chat.an.heard += 1
    await chat.an.presses(labels[f"BO {CODE}"])
    assert CODE in await chat.an.hears()
    await chat.office.moves(to=Status.PROCESSING)
    await chat.an.says("HELP")
    assert (await chat.an.hears()).startswith(HELP)


async def test_without_proof_a_stranger_learns_the_stage_alone(chat: Chat) -> None:
    await chat.office.files()
    await chat.an.says(CODE.lower())
    answer = await chat.an.hears()
    assert CODE in answer
    assert "20/11/2036" not in answer


async def test_unknown_and_unproven_are_told_the_same(chat: Chat) -> None:
    await chat.office.files()
    answers = []
    for text in (f"{CODE} 999999", "H05.16-261102-0009 999999"):
        await chat.an.says(text)
        answers.append((await chat.an.hears(), chat.an.buttons()))
    assert answers[0] == answers[1]


async def test_who_says_stop_hears_no_notice_until_saying_otherwise(chat: Chat) -> None:
    await chat.followed()
    await chat.an.says("/dung")
    await chat.an.hears()
    await chat.office.moves(to=Status.COMPLETED)
    await chat.an.says("/tieptuc")
    assert CODE not in await chat.an.hears()
    await chat.office.moves(to=Status.DELIVERED)
    assert CODE in await chat.an.hears()


async def test_who_blocks_the_bot_is_told_nothing_and_on_returning_is_again(chat: Chat) -> None:
    await chat.followed()
    await chat.an.blocks()
    await _handled(chat)
    await chat.office.moves(to=Status.SUPPLEMENT_REQUIRED)
    assert await _notices(chat) == []
    sent = len(chat.api.statuses)
    await chat.an.returns()
    await _handled(chat)
    await chat.office.moves(to=Status.PROCESSING)
    while CODE not in await chat.an.hears():
        pass
    assert 403 not in chat.api.statuses[sent:]


async def test_a_block_that_only_sending_shows_ends_the_notices_too(chat: Chat) -> None:
    await chat.followed()
    chat.api.faults["sendMessage"].append(Fault(refusal=Refusal(403, "Forbidden: user is deactivated")))
    await chat.office.moves(to=Status.SUPPLEMENT_REQUIRED)
    await _until(chat, "SELECT state = 70 FROM message WHERE kind <> 'reply' AND channel = 'telegram'")
    await chat.office.moves(to=Status.PROCESSING)
    assert await _notices(chat) == [DeliveryState.FAILED]


async def test_a_photographed_code_is_looked_up_and_the_picture_not_kept(chat: Chat) -> None:
    await chat.office.files()
    picture = BytesIO()
    qrcode.make(CODE).convert("RGB").save(picture, "JPEG")
    await chat.an.shows(picture.getvalue())
    assert CODE in await chat.an.hears()
    await chat.an.shows(b"\xff\xd8\xff no picture at all")
    assert (await chat.an.hears()).startswith(HELP)


async def test_a_notice_that_was_refused_for_now_comes_later_and_once(chat: Chat) -> None:
    await chat.followed()
    chat.api.faults["sendMessage"].append(Fault(refusal=Refusal(429, "Too Many Requests", retry_after=0.2)))
    await chat.office.moves(to=Status.COMPLETED)
    assert CODE in await chat.an.hears()
    assert chat.api.statuses[-2:] == [429, 200]


def _rows(message: dict[str, dict[str, list[list[dict[str, str]]]]]) -> list[list[dict[str, str]]]:
    return message["reply_markup"]["inline_keyboard"]


async def _handled(chat: Chat) -> None:
    """Wait until all that happened in Telegram has been recorded and handled."""
    async with asyncio.timeout(PATIENCE), chat.api.changed:
        await chat.api.changed.wait_for(lambda: not chat.api.updates)
    await _until(chat, "SELECT count(*) = 0 FROM inbound WHERE handled_at IS NULL")


async def _until(chat: Chat, condition: str) -> None:
    """Wait until the store says so."""
    async with asyncio.timeout(PATIENCE), chat.core.database.connection(Role.WORKER) as connection:
        while not await connection.fetchval(condition):
            await connection.execute("SELECT pg_sleep(0.02)")


async def _notices(chat: Chat) -> list[DeliveryState]:
    """What became of the notices so far, the oldest first."""
    states = "SELECT state FROM message WHERE kind <> 'reply' AND channel = 'telegram' ORDER BY id"
    async with chat.core.database.connection(Role.WORKER) as connection:
        return [DeliveryState(row["state"]) for row in await connection.fetch(states)]
