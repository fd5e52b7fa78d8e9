"""A mail server that answers as told, and the channel that hands letters to it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiosmtpd.smtp import SMTP, Envelope, Session

from channels.email.channel import EmailChannel, EmailSettings
from channels.email.stopping import StopPages
from database.pool import Database
from domain.contact import Contact
from domain.language import Language
from domain.message import Outgoing
from lookup.sealing import Seal
from notifications.callbacks.receivers import made_secret
from notifications.registered_emails import EMAIL
from notifications.reports import Reports
from pages.assets import Assets
from pages.rendering import Pages
from tests.channels.edge import edge

PUBLIC_URL = "https://motma.example.vn"
HOOK_SECRET = made_secret()
AN = Contact(channel=EMAIL, address="an.nguyen@example.com")


@dataclass
class Post:
    """What a mail server took; `refuses` a recipient, `refuses_letter` after DATA."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuses: str = ""
    refuses_letter: str = ""
    goes_silent: bool = False
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """RCPT TO."""
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """The letter."""
        if self.goes_silent:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if self.refuses_letter:
            return self.refuses_letter
        assert isinstance(envelope.content, bytes)
        read = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(read, EmailMessage)
        self.letters.append(read)
        self.recipients += envelope.rcpt_tos
        self.came.set()
        return "250 2.0.0 Queued"


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    """A mail server on this machine."""
    post = Post()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(post, hostname="mx.example.com", loop=loop), "127.0.0.1", 0)
    post.port = server.sockets[0].getsockname()[1]
    yield post
    server.close()


@pytest.fixture
def channel(post: Post, database: Database, seal: Seal) -> EmailChannel:
    """The channel under test."""
    return EmailChannel(
        EmailSettings(
            smtp_url=f"smtp://127.0.0.1:{post.port}",
            mail_from="khong-tra-loi@motma.example.vn",
            mail_hook_secret=HOOK_SECRET,
        ),
        reports=Reports(database),
        seal=seal,
        database=database,
        public_url=PUBLIC_URL,
    )


@pytest.fixture
async def client(
    channel: EmailChannel, database: Database, seal: Seal
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Whoever calls its routes."""
    packages = ("channels.web", "channels.email")
    assets = Assets(packages)
    pages = Pages(assets=assets, secure=True, packages=packages)
    stops = StopPages(channel.links, database=database, seal=seal, pages=pages)
    async with TestClient(TestServer(edge([*channel.routes(), *stops.routes(), *assets.routes()]))) as client:
        yield client


def notice(text: str = "Hồ sơ H05.16-1: đã có kết quả.\nMời Ông/Bà đến nhận.", **more: object) -> Outgoing:
    """A notice for An."""
    given: dict[str, object] = {
        "message_id": 4711,
        "to": AN,
        "text": text,
        "facts": {"code": "H05.16-1", "status": "Đã có kết quả"},
        "language": Language.VIETNAMESE,
        **more,
    }
    return Outgoing(**given)  # type: ignore[arg-type]
