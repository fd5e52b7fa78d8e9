"""The web chat as a person uses it: by its page, through the whole service."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from html import unescape

import pytest
from aiohttp import ClientResponse

from cache.limits import Limit
from channels.web.chat import channel, pages
from database.pool import Role
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.errors import Gone
from domain.message import DeliveryState, Outgoing
from domain.status import Status
from service.wiring import Core
from tests.channels.story import CODE, PATIENCE, SECRET
from tests.channels.web.corner import Corner, open_corner
from tests.channels.web.test_live import next_event

FOLLOW = f"THEO DOI {CODE}"


@pytest.fixture
async def corner(core: Core) -> AsyncIterator[Corner]:
    async with open_corner(core) as opened:
        yield opened


@dataclass
class Person:
    """Somebody at the page, whose browser keeps the cookie."""

    corner: Corner
    html: str = ""

    async def opens(self, path: str = "/chat") -> None:
        self._see(await self.corner.client.get(path))
        self.html = unescape(await self.response.text())

    async def says(self, text: str, *, word_id: str | None = None) -> None:
        """Sends the form, and sees the page it leads to."""
        self._see(await self.corner.client.post("/chat", data={"text": text, "id": word_id or self.word_id}))
        self.html = unescape(await self.response.text())

    async def hears(self) -> str:
        """Waits for the next line of ours that this page has not shown yet."""
        shown = self.lines
        async with asyncio.timeout(PATIENCE):
            stream = await self.corner.client.get("/chat/live")
            while self.lines == shown:
                await next_event(stream)
                await self.opens()
            stream.close()
        return self.lines[-1]

    @property
    def word_id(self) -> str:
        return str(re.findall(r'name="id" value="([^"]+)"', self.html)[0])

    @property
    def lines(self) -> list[str]:
        """What was said, ours and theirs, oldest first."""
        said = re.findall(r'<p class="said">(.*?)</p>', self.html, re.DOTALL)
        return [re.sub(r'<span class="unbroken">(.*?)</span>', r"\1", line) for line in said]

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What may be tapped: (words sent, label)."""
        return re.findall(r'name="text" value="([^"]*)">(.*?)</button>', self.html)

    @property
    def session(self) -> str:
        cookies = self.corner.client.session.cookie_jar.filter_cookies(self.corner.client.make_url("/chat"))
        return str(cookies["chat"].value)

    def _see(self, response: ClientResponse) -> None:
        self.response = response


@pytest.fixture
async def person(corner: Corner) -> Person:
    person = Person(corner)
    await person.opens()
    return person


async def rows(corner: Corner, query: str) -> list[tuple[object, ...]]:
    async with corner.core.database.connection(Role.WORKER) as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def test_a_code_is_answered_within_the_page_it_was_sent_from(corner: Corner, person: Person) -> None:
    await corner.office.files()
    assert person.choices == [("TRO GIUP", "Có thể hỏi gì?")]
    await person.says(CODE)
    assert person.response.status == 200
    assert person.response.url.path == "/chat"
    assert person.lines[0] == CODE
    assert f"Hồ sơ {CODE}" in person.lines[1]
    assert "N*** V**" not in person.html
    await person.says(SECRET)
    assert len(person.lines) == 4
    assert "20/11/2036" in person.lines[3]


async def test_the_same_words_sent_twice_are_said_once(corner: Corner, person: Person) -> None:
    await corner.office.files()
    word_id = person.word_id
    await asyncio.gather(*(person.says(CODE, word_id=word_id) for _ in range(3)))
    await person.opens()
    assert person.lines.count(CODE) == 1
    assert len(person.lines) == 2
    assert await rows(corner, "SELECT count(*) FROM inbound") == [(1,)]


async def test_an_id_of_one_session_says_nothing_of_another(corner: Corner, person: Person) -> None:
    await corner.office.files()
    word_id = person.word_id
    await person.says(CODE, word_id=word_id)
    corner.client.session.cookie_jar.clear()
    stranger = Person(corner)
    await stranger.opens()
    assert stranger.lines[0].startswith("Xin chào")
    await stranger.says("TRO GIUP", word_id=word_id)
    assert stranger.lines[0] == "TRO GIUP"
    assert len(stranger.lines) == 2


async def test_who_follows_is_told_while_the_page_is_open(corner: Corner, person: Person) -> None:
    await corner.office.files()
    await person.says(FOLLOW)
    await corner.office.moves(to=Status.COMPLETED)
    assert CODE in await person.hears()
    assert len(person.lines) == 3
    assert [says for says, _ in person.choices] == [CODE, f"BO {CODE}"]


async def test_what_was_shown_is_kept_as_it_was_shown_and_counts_as_delivered(corner: Corner, person: Person) -> None:
    await corner.office.files()
    await person.says(FOLLOW)
    await corner.office.moves(to=Status.COMPLETED)
    told = await person.hears()
    await corner.office.moves(to=Status.PROCESSING)
    assert await person.hears() != told
    assert told in person.lines
    states = await rows(corner, "SELECT DISTINCT state FROM message WHERE channel = 'web'")
    assert states == [(DeliveryState.DELIVERED,)]


async def test_who_ends_the_chat_is_told_nothing_more(corner: Corner, person: Person) -> None:
    await corner.office.files()
    await person.says(FOLLOW)
    session = person.session
    response = await corner.client.post("/chat/ket-thuc", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/chat")
    assert "Max-Age=0" in response.headers["Set-Cookie"]
    async with asyncio.timeout(PATIENCE):
        while not await rows(corner, "SELECT source FROM opt_out"):  # noqa: ASYNC110 - a commit of another task
            await asyncio.sleep(0.02)
    await corner.office.moves(to=Status.COMPLETED)
    assert await rows(corner, "SELECT count(*) FROM message WHERE kind = 'status_changed' AND channel = 'web'") == [
        (0,)
    ]
    await person.opens()
    assert person.session != session
    assert FOLLOW not in person.html


async def test_a_session_that_ran_out_is_gone(core: Core) -> None:
    chat = channel.WebChat(core.database, core.seal)
    to = Contact(channel=ChannelName.WEB, address="a" * 32)
    for last_heard in (None, utc_now() - channel.SESSION - timedelta(seconds=1)):
        with pytest.raises(Gone):
            await chat.send(Outgoing(message_id=1, to=to, text="a", last_heard=last_heard))


async def test_what_is_older_than_the_session_is_not_shown(corner: Corner, person: Person) -> None:
    await corner.office.files()
    await person.says(CODE)
    async with corner.core.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE inbound SET recorded_at = recorded_at - interval '25 hours'")
        await connection.execute("UPDATE message SET handed_over_at = handed_over_at - interval '25 hours'")
    await person.opens()
    assert len(person.lines) == 1
    assert person.lines[0].startswith("Xin chào")


async def test_without_a_cookie_the_words_stay_in_the_field(corner: Corner, person: Person) -> None:
    corner.client.session.cookie_jar.clear()
    await person.says(CODE)
    assert person.response.status == 422
    assert "Tin chưa gửi được" in person.html
    assert f'value="{CODE}"' in person.html
    assert await rows(corner, "SELECT count(*) FROM inbound") == [(0,)]


async def test_the_conversation_begins_in_the_language_of_the_page(corner: Corner, person: Person) -> None:
    await corner.office.files()
    await person.opens("/chat?lang=en")
    await person.says(CODE)
    assert "is being handled" in person.lines[1] or "In progress" in person.lines[1] or "on time" in person.lines[1]
    await person.says("VI")
    await person.says(CODE)
    assert "đúng hạn" in person.lines[-1]


async def test_the_cookie_is_for_this_page_only(core: Core) -> None:
    async with open_corner(core, secure=True) as corner:
        response = await corner.client.get("/chat")
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Secure-chat=")
    for part in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/chat", "Max-Age=86400"):
        assert part in cookie
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("sent", ["a=1&" * 11, "text=%ff&id=%ff", "text=%00&id=0000000000000000", "id=x&text=a", ""])
async def test_a_broken_form_breaks_nothing(corner: Corner, person: Person, sent: str) -> None:
    response = await corner.client.post(
        "/chat", data=sent, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert response.status in {200, 400}
    assert await rows(corner, "SELECT count(*) FROM inbound") == [(0,)]


async def test_one_address_may_say_so_much_and_no_more(
    corner: Corner, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SAID_BY_ORIGIN", Limit.parse("web_chat_test", "1/hour"))
    await person.says("TRO GIUP")
    corner.client.session.cookie_jar.clear()
    await person.opens()
    await person.says("TRO GIUP")
    assert person.response.status == 429
    assert "Retry-After" in person.response.headers


async def test_nobody_elses_page_can_speak_here(corner: Corner, person: Person) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        data = {"text": "DUNG", "id": person.word_id}
        response = await corner.client.post("/chat", data=data, headers=headers)
        assert response.status == 403
    assert await rows(corner, "SELECT count(*) FROM inbound") == [(0,)]


async def test_a_page_without_a_session_has_no_news(corner: Corner) -> None:
    assert (await corner.client.get("/chat/live")).status == 404


async def test_words_are_shown_as_words(corner: Corner, person: Person) -> None:
    await person.says("<script>alert(1)</script>")
    assert "&lt;script&gt;" in await (await corner.client.get("/chat")).text()


async def test_neither_words_nor_the_session_stand_in_the_log(corner: Corner, person: Person) -> None:
    await person.says("canary-0901234567")
    session = person.session
    await corner.pages.close()
    assert b"canary" not in corner.written
    assert session.encode() not in corner.written
