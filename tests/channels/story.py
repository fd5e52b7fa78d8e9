"""The people of our stories: a citizen who texts and hears, an office whose system reports what it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from channels.conversation.engine import Conversation
from channels.conversation_memory import ReplyLimits
from channels.guesses import GuardedDesk
from channels.inbound import Handling, Inbox
from channels.linked_phones import LinkedPhones
from channels.open_channels import manners
from channels.simulator.gateway import ShownText, SimulatedGateway
from domain.contact import ChannelName
from domain.status import Status
from lookup.changes import DossierFacts, Outcome, StatusEvent, Tenant
from notifications.dispatcher import Dispatcher
from notifications.notices import Notices
from notifications.reports import Reports
from notifications.sender import Sender
from notifications.subscriptions import Subscriptions
from service.feedback import FeedbackService
from service.settings import Settings
from service.wiring import Core

OFFICE = "H05.16"
CODE = "H05.16-261102-0001"
SECRET = "246810"
PHONE = "+84901234567"
STRANGER = "+84987654321"
PATIENCE = 10.0  # seconds; what has not come by then is not coming
OUR_NUMBER = "8088"


@dataclass
class Citizen:
    """A person with a phone."""

    gateway: SimulatedGateway
    phone: str = PHONE
    heard: int = 0

    async def says(self, text: str) -> None:
        """Text the service."""
        await self.gateway.receive(self.phone, text)

    async def hears(self) -> str:
        """The next text on this phone, delivered; waits for it."""
        return (await self.receives()).text

    async def receives(self) -> ShownText:
        """The same with all that the gateway knows of it."""
        async with asyncio.timeout(PATIENCE):
            async for _ in self.gateway.changes(self.phone):
                received = self.received()
                if len(received) > self.heard:
                    self.heard += 1
                    return received[self.heard - 1]
        raise AssertionError("the phone stopped")

    def received(self) -> list[ShownText]:
        """Every text this phone got."""
        return [text for text in self.gateway.screen(self.phone) if text.message_id is not None]


@dataclass
class Office:
    """An office whose system pushes dossiers and events."""

    core: Core
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def tenant(self) -> Tenant:
        """Its key."""
        agency = self.core.registry.agency_by_code(OFFICE)
        assert agency is not None
        return Tenant(agency_id=agency.agency_id, agency_code=OFFICE, test=False, api_key_id="office")

    async def files(
        self, code: str = CODE, *, phone: str | None = PHONE, status: Status = Status.PROCESSING, notify: bool = False
    ) -> None:
        """A dossier begins."""
        now = datetime.now(UTC)
        facts = DossierFacts(
            code=code,
            receiving_agency=self.tenant.agency_id,
            status=status,
            status_at=now - timedelta(hours=1),
            applicant_name="Nguyễn Văn An",
            phone=phone,
            secret=SECRET,
            received_at=now - timedelta(days=2),
            due_at=datetime(2036, 11, 20, 9, 30, tzinfo=UTC),
            notify=notify,
        )
        results = await self.core.writer.store_facts(self.tenant, [facts])
        assert [result.outcome for result in results] == [Outcome.STORED]

    async def moves(self, code: str = CODE, *, to: Status, asked: str | None = None) -> None:
        """A dossier moves on."""
        event = StatusEvent(
            event_id=f"e{next(self.numbers)}", code=code, status=to, at=datetime.now(UTC), asked_of_applicant=asked
        )
        results = await self.core.writer.store_events(self.tenant, [event])
        assert [result.outcome for result in results] == [Outcome.STORED]


@dataclass
class Line:
    """The running service between people and offices."""

    core: Core
    inbox: Inbox
    gateway: SimulatedGateway
    office: Office

    def citizen(self, phone: str = PHONE) -> Citizen:
        """The person at `phone`, who has heard all that came so far."""
        citizen = Citizen(gateway=self.gateway, phone=phone)
        citizen.heard = len(citizen.received())
        return citizen


def make_inbox(
    core: Core,
    *,
    conversation: Conversation | None = None,
    replies: ReplyLimits | None = None,
    handling: Handling | None = None,
) -> Inbox:
    """An inbox as the service wires it."""
    feedback = FeedbackService.of(core, Settings())
    desk = GuardedDesk(core.desk, core.limits)
    return Inbox(
        core.database,
        core.seal,
        conversation or Conversation(desk, feedback.numbers, budget=feedback.budget, office=feedback.office),
        outbox=core.outbox,
        subscriptions=Subscriptions(core.seal),
        filing=feedback.filing,
        acts=feedback.acts,
        ratings=feedback.ratings,
        phones=LinkedPhones(core.seal),
        manners=manners(),
        handling=handling,
        by_sms=replies or ReplyLimits(an_hour=1000, a_day=1000),
    )


@asynccontextmanager
async def running(core: Core, inbox: Inbox, senders: dict[ChannelName, Sender]) -> AsyncIterator[None]:
    """Inbox and dispatcher at work; both finish what they hold at the end."""
    dispatcher = Dispatcher(core.database, senders, Notices(core.seal, core.registry))
    tasks = [asyncio.create_task(inbox.run()), asyncio.create_task(dispatcher.run())]
    try:
        yield
    finally:
        inbox.stop()
        dispatcher.stop()
        await asyncio.wait(tasks, timeout=PATIENCE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def open_line(core: Core, inbox: Inbox) -> AsyncIterator[Line]:
    """The service with a simulated gateway."""
    gateway = SimulatedGateway(heard=inbox.heard, reports=Reports(core.database), number=OUR_NUMBER)
    async with running(core, inbox, {ChannelName.SMS: gateway}):
        yield Line(core=core, inbox=inbox, gateway=gateway, office=Office(core))
    await gateway.close()
