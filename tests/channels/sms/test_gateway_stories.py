"""The whole story by each gateway, a stand-in its provider: look up, follow, be told, complain, rate, stop."""

import asyncio
from dataclasses import dataclass

import aiohttp
import pytest

from channels.inbound import Inbox
from channels.sms.segments import segments
from database.pool import Role
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.message import DeliveryState, Incoming
from domain.status import Status
from lookup.sealing import Seal
from service.wiring import Core
from tests.channels.sms.calling import Around, Ear
from tests.channels.sms.conftest import Line, Serve
from tests.channels.sms.providers import PROVIDERS, Provider, StandIn, Taken, stand_in
from tests.channels.story import CODE, OUR_NUMBER, PATIENCE, PHONE, SECRET, Office, make_inbox, running


@dataclass
class InboxEar(Ear):
    """Hears for a real inbox."""

    inbox: Inbox | None = None

    async def __call__(self, incoming: Incoming) -> bool:
        assert self.inbox is not None
        return await self.inbox.heard(incoming)


@dataclass
class Phone:
    """A person's phone: texts reach us by the provider's webhook, or where it has none, by another's."""

    provider: Provider
    standing: StandIn
    line: Line
    ear: InboxEar
    texts: int = 0
    seen: int = 0

    async def says(self, text: str) -> str:
        """The answer to `text`."""
        self.texts += 1
        if (make := self.provider.caller.text) is not None:
            status, _ = await self.line.call(make(text, self.texts))
            assert status < 300
        else:
            await self.ear(
                Incoming(
                    sender=Contact(channel=ChannelName.SMS, address=PHONE),
                    recipient=OUR_NUMBER,
                    text=text,
                    external_id=f"other:{self.texts}",
                    received_at=utc_now(),
                )
            )
        return (await self.hears()).text

    async def hears(self) -> Taken:
        """The next text that the provider took."""
        async with asyncio.timeout(PATIENCE):
            while len(self.standing.ledger) <= self.seen:  # noqa: ASYNC110 - a stand-in's ledger tells nobody
                await asyncio.sleep(0.01)
        self.seen += 1
        taken = self.standing.ledger[self.seen - 1]
        assert taken.to == self.provider.to
        assert segments(taken.text).count == 1, taken.text
        return taken


@pytest.mark.parametrize("provider", PROVIDERS, ids=str)
async def test_a_gateway_carries_the_whole_story(
    provider: Provider, core: Core, http: aiohttp.ClientSession, seal: Seal, serve: Serve
) -> None:
    inbox, office = make_inbox(core), Office(core)
    ear = InboxEar(inbox=inbox)
    await office.files()
    async with stand_in(provider) as standing:
        gateway = provider.opened(Around(http, ear, core.database, seal, api_url=standing.url))
        line = await serve(gateway)
        async with running(core, inbox, {ChannelName.SMS: gateway}):
            phone = Phone(provider, standing, line, ear)
            assert f"HS {CODE}: dang giai quyet, dung han. Hen tra 20/11/2036." in await phone.says(f"{CODE} {SECRET}")
            assert (await phone.says("THEO DOI")).startswith("Se bao Ong/Ba khi ho so")
            await office.moves(to=Status.COMPLETED)
            assert "da co ket qua" in (await phone.hears()).text
            assert await delivered(core, provider, line) == DeliveryState.DELIVERED
            assert (await phone.says("Toi den hai lan roi ma chua lay duoc")).endswith("Tra loi: 1 Co, 2 Khong.")
            assert (await phone.says("1")).startswith("Da ghi phan anh PA-")
            assert await phone.says("DANH GIA 5") == "Cam on Ong/Ba da danh gia 5/5."
            assert (await phone.says(f"BO {CODE}")).startswith("Se khong bao tin ve ho so")
            await office.moves(to=Status.DELIVERED)
            assert (await phone.says("DUNG")).startswith("Se khong bao tin nao nua.")
            await office.moves(to=Status.PROCESSING)
            assert (await phone.says("HELP")).startswith("Tra loi tu dong.")  # and nothing before it


async def delivered(core: Core, provider: Provider, line: Line) -> int:
    """The state of the notice once its provider has reported it delivered."""
    word = next(word for word, state in provider.caller.words.items() if state is DeliveryState.DELIVERED)
    find = "SELECT id, state, provider_id FROM message WHERE kind = 'status_changed' AND state >= 30"
    async with core.database.connection(Role.WORKER) as connection, asyncio.timeout(PATIENCE):
        while (row := await connection.fetchrow(find)) is None:  # noqa: ASYNC110 - recorded a moment after it was taken
            await asyncio.sleep(0.01)
        by_its_own_id = provider.caller.name == "speedsms"
        call = provider.caller.status(word, int(row["provider_id"]) if by_its_own_id else row["id"])
        status, _ = await line.call(call)
        assert status < 300
        return int((await connection.fetchrow(find))["state"])
