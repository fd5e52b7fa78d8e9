"""An SMS gateway without a network: it takes what we send and keeps what each phone would show, in memory alone."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from channels.channel import Heard
from channels.sms.plain import plain
from channels.sms.segments import Segments, segments
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.errors import ServiceError
from domain.message import DeliveryState, HandedOver, Incoming, Outgoing
from notifications.reports import Reports

MOST_PHONES = 50
MOST_TEXTS = 100  # on one phone

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownText:
    """One text on a phone's screen, and what the gateway knows of it.

    `message_id` is our row for what we sent, None for what the phone sent; `gateway_id` is the gateway's own number.
    """

    gateway_id: str
    at: datetime
    text: str = field(repr=False)
    other: str  # the number at the other end
    segments: Segments
    message_id: int | None = None
    state: DeliveryState | None = None


class SimulatedGateway:
    """Sends to phones that exist in this process only, and reports each text delivered as a real one would."""

    name = "simulator"
    reaches = ChannelName.SMS
    concurrency = 8
    rate = None

    def __init__(
        self,
        *,
        heard: Heard,
        reports: Reports,
        number: str,
        accented: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`number` is the one people text."""
        self.number = number
        self._heard = heard
        self._reports = reports
        self._accented = accented
        self._clock = clock
        self._started = clock().strftime("%y%m%d%H%M%S%f")
        self._texts = 0
        self._phones: OrderedDict[str, deque[ShownText]] = OrderedDict()
        self._reporting: set[asyncio.Task[None]] = set()
        self._watchers: dict[str, set[asyncio.Event]] = {}

    def phones(self) -> list[str]:
        """The phones that have texts, the last used first."""
        return list(reversed(self._phones))

    def screen(self, phone: str) -> list[ShownText]:
        """What `phone` (E.164) shows, oldest first."""
        return list(self._phones.get(phone, ()))

    async def receive(self, phone: str, text: str) -> None:
        """The person at `phone` sends `text` to our number. Raises `Unavailable` as a real webhook would."""
        gateway_id, now = self._next_id(), self._clock()
        sent = ShownText(gateway_id=gateway_id, at=now, text=text, other=self.number, segments=segments(text))
        self._show(phone, sent)
        sender = Contact(channel=ChannelName.SMS, address=phone)
        external_id = f"{self.name}:{gateway_id}"
        try:
            await self._heard(
                Incoming(sender=sender, recipient=self.number, text=text, external_id=external_id, received_at=now)
            )
        except BaseException:
            self._phones[phone].remove(sent)
            self._tell(phone)
            raise

    async def send(self, message: Outgoing) -> HandedOver:
        """Take one text and show it; the reports follow, as they do on a real line."""
        text = message.text if self._accented else plain(message.text)
        shown = ShownText(
            gateway_id=self._next_id(),
            at=self._clock(),
            text=text,
            other=message.sender or self.number,
            segments=segments(text),
            message_id=message.message_id,
            state=DeliveryState.HANDED_OVER,
        )
        phone = message.to.address
        self._show(phone, shown)
        task = asyncio.create_task(self._report(phone, shown))
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)
        return HandedOver(provider_id=shown.gateway_id)

    async def changes(self, phone: str) -> AsyncIterator[None]:
        """Something at once, and whenever the screen of `phone` has changed since."""
        changed = asyncio.Event()
        watchers = self._watchers.setdefault(phone, set())
        watchers.add(changed)
        try:
            while True:
                yield
                await changed.wait()
                changed.clear()
        finally:
            watchers.discard(changed)
            if not watchers:
                self._watchers.pop(phone, None)

    async def close(self) -> None:
        """Wait for the reports on their way."""
        await asyncio.gather(*self._reporting, return_exceptions=True)

    async def _report(self, phone: str, shown: ShownText) -> None:
        for state, word in ((DeliveryState.ON_ITS_WAY, "accepted"), (DeliveryState.DELIVERED, "delivered")):
            try:
                await self._reports.report(
                    route=self.name, state=state, provider_word=word, message_id=shown.message_id
                )
            except (ServiceError, OSError) as error:
                log.warning("simulated report lost", message_id=shown.message_id, error=type(error).__qualname__)
                return
            self._change(phone, shown.gateway_id, state)

    def _next_id(self) -> str:
        """Unlike any of an earlier start: the store remembers those."""
        self._texts += 1
        return f"{self._started}-{self._texts}"

    def _show(self, phone: str, text: ShownText) -> None:
        screen = self._phones.setdefault(phone, deque(maxlen=MOST_TEXTS))
        self._phones.move_to_end(phone)
        if len(self._phones) > MOST_PHONES:
            self._phones.popitem(last=False)
        screen.append(text)
        self._tell(phone)

    def _change(self, phone: str, gateway_id: str, state: DeliveryState) -> None:
        screen = self._phones.get(phone)
        for place, text in enumerate(screen or ()):
            if screen is not None and text.gateway_id == gateway_id:
                screen[place] = replace(text, state=state)
                self._tell(phone)
                return

    def _tell(self, phone: str) -> None:
        for changed in self._watchers.get(phone, ()):
            changed.set()
