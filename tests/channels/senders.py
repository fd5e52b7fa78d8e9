"""People who file by every way there is, each through its real door: what they send, and what they read of it."""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from html import unescape

from aiohttp import web
from aiohttp.test_utils import TestClient

from channels.simulator.gateway import SimulatedGateway
from channels.sms.plain import plain
from database.pool import SET_TENANT, Role
from domain.civil_time import civil_day, utc_now
from feedback_intake.filing import MayPublish
from feedback_intake.moves import Who
from feedback_intake.paper import LETTER, Paper
from service.feedback import FeedbackService
from service.wiring import Core
from tests.channels.email.conftest import Post
from tests.channels.email.test_intake import SECRET as LETTER_SECRET
from tests.channels.email.test_intake import hand_over, written
from tests.channels.meta.people import NumberPerson
from tests.channels.story import PATIENCE, Citizen
from tests.channels.telegram.people import Person as TelegramPerson
from tests.channels.zalo.test_stories import ZaloPhone
from tests.feedback_intake.desk import HERE, CaseDesk

URL = "https://motma.example"
NUMBER = re.compile(r"PA-[0-9]{6}-[0-9]{6}")
NAME, ADDRESS = "Nguyễn Thị Bưởi", "12 ngõ Gạch, Từ Sơn, Bắc Ninh"


@dataclass(kw_only=True)
class Service:
    """The running service: its pages, and the office's half of every case."""

    core: Core
    client: TestClient[web.Request, web.Application]
    feedback: FeedbackService
    gateway: SimulatedGateway
    desk: CaseDesk
    meet: Callable[["Service"], "Sender"]
    people: int = 0

    def sender(self) -> "Sender":
        """Somebody new at the door that is tried."""
        return self.meet(self)

    def phone(self) -> str:
        """A number nobody else of the test has."""
        self.people += 1
        return f"+8490123{self.people:04}"

    async def page(self, place: str) -> str:
        """A page as its reader sees it, without its markup."""
        async with self.client.get(place) as response:
            assert response.status == 200, place
            text = re.sub(r"<(style|script)[^>]*>.*?</\1>|<[^>]+>", " ", await response.text(), flags=re.DOTALL)
        return " ".join(unescape(text).split())


@dataclass(kw_only=True)
class Sender(ABC):
    """Somebody who files. What differs from door to door is in the classes below."""

    service: Service
    number: str = ""
    asked_often: int = 0

    @abstractmethod
    async def files(self, words: str) -> None:
        """Send it; from then on `number` is known."""

    @abstractmethod
    async def told(self) -> str:
        """The next message that comes unasked."""

    @abstractmethod
    async def looks(self) -> str:
        """How it stands, as it is read at this door."""

    @abstractmethod
    async def says(self, words: str) -> str:
        """Words about it; what is replied."""

    @abstractmethod
    async def agrees(self, consent: MayPublish) -> None:
        """Say what may be published."""


@dataclass(kw_only=True)
class Texter(Sender):
    """By SMS, and in every chat: the same words."""

    person: Citizen | TelegramPerson | ZaloPhone | NumberPerson

    @property
    def brief(self) -> bool:
        return isinstance(self.person, Citizen)

    async def asks(self, words: str) -> str:
        """The reply to any words."""
        await self.person.says(words)
        return await self.person.hears()

    async def files(self, words: str) -> None:
        said = await self.asks(f"PHAN ANH {words}")
        if "khiếu nại" in words.lower() or "tố cáo" in words.lower():
            assert "Ban Tiep cong dan" in said or "Ban Tiếp công dân" in said, said
            said = await self.asks("CO")
        found = NUMBER.search(said)
        assert found is not None, said
        self.number = found[0]
        if not self.brief:  # one thing at a time
            assert "họ tên" in said
            assert "địa chỉ" in await self.asks(NAME)
            assert "đã đủ thông tin" in await self.asks(ADDRESS)

    async def told(self) -> str:
        return await self.person.hears()

    async def looks(self) -> str:
        self.asked_often += 1
        return await self.asks(self.number + "." * self.asked_often)  # the same words would not be answered for ever

    async def says(self, words: str) -> str:
        return await self.asks(f"{self.number} {words}")

    async def agrees(self, consent: MayPublish) -> None:
        if consent is MayPublish.NAMED and self.brief:
            assert "ho ten" in await self.says("CONG KHAI TEN")  # nobody knows it yet
            assert NAME.split(maxsplit=1)[0] not in await self.asks(NAME)
        said = await self.says({"named": "CONG KHAI TEN", "no": "KHONG CONG KHAI", "anonymous": "CONG KHAI"}[consent])
        assert "cong khai" in plain(said), said


@dataclass(kw_only=True)
class Typist(Sender):
    """On the page. A phone that was only typed in is told that there is news, and no more."""

    phone: Citizen
    link: str = ""

    async def files(self, words: str) -> None:
        page = await (await self.service.client.get("/gop-y")).text()
        draft = re.search(r'name="draft" value="([A-Za-z0-9_-]{32})"', page)
        assert draft is not None
        form = {"draft": draft[1], "go": "send", "text": words, "name": NAME, "postal_address": ADDRESS}
        form |= {"phone": self.phone.phone, "office": HERE}
        answer = await self.service.client.post("/gop-y", data=form, allow_redirects=False)
        if answer.status != 303:
            page = await answer.text()
            assert "Ban Tiếp công dân" in page, page
            sure = "complaint" if "khiếu nại" in words else "denunciation"
            answer = await self.service.client.post("/gop-y", data=form | {"sure": sure}, allow_redirects=False)
        self.link = answer.headers["Location"]
        self.number = self.link.removeprefix("/g/").partition(".")[0]

    async def told(self) -> str:
        return await self.phone.hears()

    async def looks(self) -> str:
        return await self.service.page(self.link)

    async def says(self, words: str) -> str:
        first, _, rest = words.partition(" ")
        form = {"RUT": {"act": "withdraw"}, "CHUA": {"act": "object", "words": rest}}.get(first)
        form = form or ({"act": "rate", "score": words} if words.isdigit() else {"act": "add", "words": words})
        async with self.service.client.post(self.link, data=form) as response:
            assert response.status in {200, 422}  # done; or said on the page why not
        return await self.looks()

    async def agrees(self, consent: MayPublish) -> None:
        await agree(self.service, self.link, consent)


@dataclass(kw_only=True)
class Writer(Sender):
    """By e-mail; our letters lead to the page."""

    post: Post
    own: str  # address
    letters: int = 0
    read: int = 0
    link: str = ""

    async def sends(self, words: str, subject: str) -> str:
        """A letter; our answer to it."""
        self.letters += 1
        headers = {"From": f"{NAME} <{self.own}>", "Subject": subject, "Message-ID": f"<{self.letters}.{self.own}>"}
        assert await hand_over(self.service.client, written(words, headers), key=LETTER_SECRET) == 204
        return await self.told()

    async def files(self, words: str) -> None:
        said = await self.sends(words, "Phản ánh")
        link = re.search(r"/g/(PA-[0-9]{6}-[0-9]{6})\.[A-Za-z0-9_-]{22}", said)
        assert link is not None, said
        self.link, self.number = link[0], link[1]
        assert ("Ban Tiếp công dân" in said) == ("khiếu nại" in words or "tố cáo" in words)

    async def told(self) -> str:
        async with asyncio.timeout(PATIENCE):
            while len(own := [letter for letter in self.post.letters if self.own in str(letter["To"])]) <= self.read:
                self.post.came.clear()
                await self.post.came.wait()
        self.read += 1
        body = own[self.read - 1].get_body(("plain",))
        assert isinstance(body, EmailMessage)
        return str(body.get_content())

    async def looks(self) -> str:
        return await self.service.page(self.link)

    async def says(self, words: str) -> str:
        if words == "RUT":  # who a letter is from can be forged
            await self.service.client.post(self.link, data={"act": "withdraw"})
            return await self.looks()
        return await self.sends(words, f"Re: {self.number}")

    async def agrees(self, consent: MayPublish) -> None:
        await agree(self.service, self.link, consent)


@dataclass(kw_only=True)
class Program(Sender):
    """By a program that speaks Open311, and tells its user; what it cannot do is done on the page of the number."""

    key: str
    digits: str

    async def files(self, words: str) -> None:
        form = {"api_key": self.key, "service_code": "delay", "description": words, "last_name": NAME}
        form |= {"phone": f"090123{self.digits}", "attribute[agency]": HERE}
        async with self.service.client.post("/open311/v2/requests.json", data=form) as response:
            (posted,) = await response.json()
        self.number = posted["service_request_id"]
        formal = "khiếu nại" in words or "tố cáo" in words
        assert ("Ban Tiếp công dân" in (posted["service_notice"] or "")) == formal, posted

    async def told(self) -> str:
        return await self.looks()  # programs ask

    async def looks(self) -> str:
        place = f"/open311/v2/requests/{self.number}.json?api_key={self.key}"
        async with self.service.client.get(place) as response:
            (said,) = await response.json()
        return f"{said['status']}: {said['status_notes']} ({said['agency_responsible']})"

    async def says(self, words: str) -> str:
        return await Typist(service=self.service, phone=Citizen(self.service.gateway), link=await self.link()).says(
            words
        )

    async def agrees(self, consent: MayPublish) -> None:
        await agree(self.service, await self.link(), consent)

    async def link(self) -> str:
        """The page that number and digits open."""
        proof = {"code": self.number, "proof": self.digits}
        async with self.service.client.post("/tra-cuu", data=proof) as response:
            link = re.search(r'action="(/g/[^"]+)"', await response.text())
        assert link is not None
        return link[1]


@dataclass(kw_only=True)
class LetterWriter(Texter):
    """On paper: an officer types it in, and its sender reads and answers by SMS."""

    async def files(self, words: str) -> None:
        assert isinstance(self.person, Citizen)
        clerk = await self.service.desk.officer(HERE, Who.CLERK)
        assert clerk.account_id is not None
        office = await self.service.desk.agency(HERE)
        paper = Paper(
            channel=LETTER,
            received_on=civil_day(utc_now()) - timedelta(days=3),
            text=words,
            name=NAME,
            postal_address=ADDRESS,
            phone=self.person.phone,
            checked=True,
        )
        async with self.service.core.database.transaction(Role.CONSOLE) as connection:
            await connection.execute(SET_TENANT, str(office), "off")
            filed = await self.service.feedback.paper.take(connection, paper, office=office, typed_by=clerk.account_id)
        self.number = filed.number
        assert f"{self.number} DUNG" in await self.told()
        assert "xac nhan" in await self.says("DUNG")


async def agree(service: Service, link: str, consent: MayPublish) -> None:
    """The choice on the page of a number."""
    async with service.client.post(link, data={"act": "publish", "may_publish": consent.value}) as response:
        assert response.status == 200
