"""Messenger and WhatsApp between a stand-in for Meta and our webhook."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from channels.meta.messenger import MessengerChannel
from channels.meta.settings import MetaSettings
from channels.meta.webhook import PATH, MetaWebhook
from channels.meta.whatsapp import WhatsAppChannel
from database.pool import Database
from domain.errors import Unavailable
from domain.message import Incoming
from lookup.sealing import Seal
from notifications.reports import Reports
from tests.channels.edge import edge
from tests.channels.meta.graph_api import (
    ACCOUNT_ID,
    APP_SECRET,
    PAGE_TOKEN,
    PHONE_ID,
    WHATSAPP_TOKEN,
    GraphApi,
    graph_api,
    sign,
    signed_form,
)

Client = TestClient[web.Request, web.Application]
VERIFY_TOKEN = "verify-token-of-the-tests"
NOW = datetime(2026, 11, 6, 3, 41, 0, tzinfo=UTC)  # half a minute after the payloads were sent
PAYLOADS = sorted(file.stem for file in Path(__file__).parent.joinpath("payloads").glob("*.json"))


def payload(name: str) -> bytes:
    """A call in the form that Meta's reference gives it."""
    return Path(__file__).parent.joinpath("payloads", f"{name}.json").read_bytes()


@dataclass
class Wire:
    """Both channels and their webhook, with Meta on all sides. The store is away while `database_is_away`."""

    webhook: MetaWebhook
    messenger: MessengerChannel
    whatsapp: WhatsAppChannel
    client: Client
    api: GraphApi
    heard: list[Incoming] = field(default_factory=list)
    database_is_away: bool = False

    async def post(self, body: bytes, signature: str | None = "") -> aiohttp.ClientResponse:
        """A call with these very bytes, rightly signed unless said otherwise."""
        signed = sign(body) if signature == "" else signature
        headers = {} if signed is None else {"X-Hub-Signature-256": signed}
        return await self.client.post(PATH, data=body, headers=headers)

    async def hears(self, incoming: Incoming) -> bool:
        """Record, once."""
        if self.database_is_away:
            raise Unavailable("The message could not be recorded.")
        new = all(incoming.external_id != known.external_id for known in self.heard)
        if new:
            self.heard.append(incoming)
        return new


Make = Callable[..., Awaitable[Wire]]


@pytest.fixture
async def api() -> AsyncIterator[GraphApi]:
    """Meta."""
    async with graph_api() as running:
        yield running


@pytest.fixture
def settings(api: GraphApi) -> MetaSettings:
    """All that can be set."""
    return MetaSettings(
        app_secret=APP_SECRET,
        verify_token=VERIFY_TOKEN,
        api_url=f"{api.url}/v25.0",
        page_token=PAGE_TOKEN,
        page_template="thay_doi/vi,en code status +2",
        whatsapp_token=WHATSAPP_TOKEN,
        whatsapp_phone_id=PHONE_ID,
        whatsapp_account_id=ACCOUNT_ID,
        whatsapp_template="ho_so_thay_doi/vi,en code status due|next office +2",
        picture_origins=api.url,
    )


@pytest.fixture
async def make(
    api: GraphApi, seal: Seal, settings: MetaSettings, aiohttp_client: Callable[[web.Application], Awaitable[Client]]
) -> AsyncIterator[Make]:
    """Makes a wire with changed settings. It takes no reports, having no store."""
    api.reports = False
    async with aiohttp.ClientSession() as http:

        async def made(**changed: object) -> Wire:
            async def heard(incoming: Incoming) -> bool:
                return await made_wire.hears(incoming)

            changed_settings = replace(settings, **changed)  # type: ignore[arg-type]
            webhook = MetaWebhook(
                changed_settings,
                http=http,
                heard=heard,
                reports=Reports(Database(url="", pools={})),
                seal=seal,
                public_url="https://motma.example",
                clock=lambda: NOW,
            )
            client = await aiohttp_client(edge(webhook.routes()))
            api.deliver_to = str(client.make_url(PATH))
            made_wire = Wire(
                webhook=webhook,
                messenger=MessengerChannel(changed_settings, http=http, seal=seal, clock=lambda: NOW),
                whatsapp=WhatsAppChannel(changed_settings, http=http, seal=seal, clock=lambda: NOW),
                client=client,
                api=api,
            )
            return made_wire

        yield made


@pytest.fixture
async def wire(make: Make) -> Wire:
    """Everything open."""
    return await make()


__all__ = ["NOW", "PAYLOADS", "VERIFY_TOKEN", "Make", "Wire", "payload", "signed_form"]
