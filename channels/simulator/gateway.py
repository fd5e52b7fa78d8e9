"""A provider without a network: it takes what we send and keeps what each person's screen would show, in memory alone.

It plays the person's side of one channel, and whatever its provider may do: refuse, lose its answer, lose or repeat a
receipt.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from channels.channel import Heard
from channels.sms.plain import plain
from channels.sms.segments import Segments, segments
from channels.zalo.templates import Template
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.errors import Gone, InDoubt, ServiceError, TryLater, Undeliverable
from domain.message import Choice, DeliveryState, HandedOver, Incoming, IncomingKind, Outgoing
from notifications.reports import Reports

MOST_PHONES = 50
MOST_TEXTS = 100  # on one screen
FLOOD_PAUSE = timedelta(seconds=5)
DAY = timedelta(days=1)

log = structlog.get_logger()


class Fault(StrEnum):
    """What goes wrong with the next message to somebody."""

    FLOOD = "flood"  # 429, too many requests
    UNREACHABLE = "unreachable"  # no connection
    NO_ANSWER = "no_answer"  # taken, and the answer lost
    REFUSED = "refused"
    BLOCKED = "blocked"  # the person has blocked us
    NOBODY = "nobody"  # no account belongs to this phone
    QUOTA = "quota"  # the day's allowance is used up


ALWAYS = (Fault.FLOOD, Fault.UNREACHABLE, Fault.NO_ANSWER, Fault.REFUSED, Fault.BLOCKED)
BY_PHONE = (Fault.NOBODY, Fault.QUOTA, Fault.FLOOD, Fault.UNREACHABLE, Fault.NO_ANSWER)  # of templates to a phone


class Receipts(StrEnum):
    """What becomes of the messages to somebody, as the provider reports it."""

    DELIVERED = "delivered"
    TWICE = "twice"
    FAILED = "failed"
    NEVER = "never"
    LATE = "late"  # when somebody at the page says so


_REPORTED: Mapping[Receipts, tuple[tuple[DeliveryState, str], ...]] = {
    Receipts.DELIVERED: ((DeliveryState.ON_ITS_WAY, "accepted"), (DeliveryState.DELIVERED, "delivered")),
    Receipts.TWICE: ((DeliveryState.DELIVERED, "delivered"), (DeliveryState.DELIVERED, "delivered")),
    Receipts.FAILED: ((DeliveryState.ON_ITS_WAY, "accepted"), (DeliveryState.FAILED, "undelivered")),
    Receipts.NEVER: (),
    Receipts.LATE: ((DeliveryState.DELIVERED, "delivered"),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownText:
    """One text on a person's screen, and what the provider knows of it.

    `message_id` is our row for what we sent, None for what the person sent; `gateway_id` is the provider's own number.
    `event` names something that happened beside the words: `joined`, `left`, a fault. `facts` are the parts of a
    template, which stands where free words may no longer go, and `template` is its number if it has one. `owed`: its
    report waits for somebody to let it go.
    """

    gateway_id: str
    at: datetime
    text: str = field(repr=False)
    other: str  # the number or account at the other end
    segments: Segments
    message_id: int | None = None
    state: DeliveryState | None = None
    choices: tuple[Choice, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict, repr=False)
    event: str = ""
    template: str = ""
    owed: bool = False


@dataclass(slots=True, kw_only=True)
class Conditions:
    """How it stands between one person and the provider."""

    fault: Fault | None = None  # of the next message
    receipts: Receipts = Receipts.DELIVERED
    left: bool = False
    window_closed: bool = False


class SimulatedGateway:
    """Sends to people who exist in this process only, and reports each text as a real provider would.

    `window` is how long after the person's last words free words may go, None for ever; `buttons`: whether screens show
    choices as such. `template`: where nothing else is taken, and nobody writes; its parameters are what screens show.
    """

    concurrency = 8
    rate = None

    def __init__(
        self,
        *,
        heard: Heard,
        reports: Reports,
        number: str,
        channel: ChannelName = ChannelName.SMS,
        window: timedelta | None = None,
        buttons: bool = True,
        accented: bool = False,
        template: Template | None = None,
        changed: Callable[[str], None] = lambda address: None,  # noqa: ARG005
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`number` is the one people text, or the account they write to; `changed` hears whose screen has changed."""
        self.reaches = channel
        self.name = "simulator" if channel == ChannelName.SMS else f"simulator-{channel}"
        self.number = number
        self.window = window
        self._buttons = buttons
        self._heard = heard
        self._reports = reports
        self.faults = ALWAYS if template is None else BY_PHONE
        self._template = template
        self._changed = changed
        self._accented = accented or channel != ChannelName.SMS
        self._clock = clock
        self._started = clock().strftime("%y%m%d%H%M%S%f")
        self._texts = 0
        self._phones: OrderedDict[str, deque[ShownText]] = OrderedDict()
        self._conditions: dict[str, Conditions] = {}
        self._reporting: set[asyncio.Task[None]] = set()
        self._watchers: dict[str, set[asyncio.Event]] = {}

    def phones(self) -> list[str]:
        """The addresses that have texts, the last used first."""
        return list(reversed(self._phones))

    def screen(self, phone: str) -> list[ShownText]:
        """What the person at the address `phone` sees, oldest first."""
        return list(self._phones.get(phone, ()))

    def conditions(self, phone: str) -> Conditions:
        """How it stands with the person at `phone`; the caller may change it."""
        while len(self._conditions) > MOST_PHONES:
            self._conditions.pop(next(iter(self._conditions)))
        return self._conditions.setdefault(phone, Conditions())

    async def receive(self, phone: str, text: str, kind: IncomingKind = IncomingKind.TEXT) -> None:
        """The person at `phone` sends `text`, comes or goes. Raises `Unavailable` as a real webhook would."""
        gateway_id, now = self._next_id(), self._clock()
        sent = ShownText(
            gateway_id=gateway_id,
            at=now,
            text=text,
            other=self.number,
            segments=segments(text),
            event="" if kind is IncomingKind.TEXT else kind.value,
        )
        self._show(phone, sent)
        if kind in {IncomingKind.JOINED, IncomingKind.LEFT}:
            self.conditions(phone).left = kind is IncomingKind.LEFT
        sender = Contact(channel=self.reaches, address=phone)
        external_id = f"{self.name}:{gateway_id}"
        try:
            await self._heard(
                Incoming(
                    sender=sender, recipient=self.number, text=text, external_id=external_id, received_at=now, kind=kind
                )
            )
        except BaseException:
            self._phones[phone].remove(sent)
            self.tell(phone)
            raise

    async def send(self, message: Outgoing) -> HandedOver:
        """Take one text and show it; the reports follow, as they do on a real line.

        Raises what the person's conditions ask for.
        """
        address = message.to.address
        conditions = self.conditions(address)
        fault, conditions.fault = conditions.fault, None
        self._refuse(address, conditions, fault)
        parameters = self._parameters(message, conditions)
        text = message.text if self._accented else plain(message.text)
        shown = ShownText(
            gateway_id=self._next_id(),
            at=self._clock(),
            text=text,
            other=message.sender or self.number,
            segments=segments(text),
            message_id=message.message_id,
            state=DeliveryState.HANDED_OVER,
            choices=message.choices if self._buttons else (),
            facts=parameters,
            template=self._template.number if self._template else "",
            owed=conditions.receipts is Receipts.LATE,
        )
        self._show(address, shown)
        if not shown.owed:
            self._begin_report(address, shown, conditions.receipts)
        if fault is Fault.NO_ANSWER:
            self._happened(address, fault)
            raise InDoubt("The provider did not answer.")
        return HandedOver(provider_id=shown.gateway_id)

    def report_late(self, phone: str, gateway_id: str) -> None:
        """Let the report go that is owed for a message to `phone`."""
        for text in self.screen(phone):
            if text.gateway_id == gateway_id and text.owed:
                self._change(phone, replace(text, owed=False))
                self._begin_report(phone, text, Receipts.LATE)

    async def changes(self, phone: str) -> AsyncGenerator[None, None]:
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

    def _refuse(self, address: str, conditions: Conditions, fault: Fault | None) -> None:
        """Raise what the provider answers in place of taking the message."""
        if conditions.left:
            raise Gone("The person has left.")
        match fault:
            case Fault.FLOOD:
                self._happened(address, fault)
                raise TryLater("The provider answered 429.", after=FLOOD_PAUSE)
            case Fault.UNREACHABLE:
                self._happened(address, fault)
                raise TryLater("No connection to the provider.")
            case Fault.REFUSED:
                self._happened(address, fault)
                raise Undeliverable("The provider answered 400.")
            case Fault.NOBODY:
                self._happened(address, fault)
                raise Undeliverable("The provider answered that no account has this phone.")
            case Fault.QUOTA:
                self._happened(address, fault)
                raise TryLater("The provider answered that the allowance is used up.", after=DAY)
            case Fault.BLOCKED:
                conditions.left = True
                self._happened(address, fault)
                raise Gone("The person has blocked us.")

    def _parameters(self, message: Outgoing, conditions: Conditions) -> Mapping[str, str]:
        """Those of a template, where one must stand for free words. Raises `Undeliverable`."""
        if self._template is None and not self._window_is_over(message, conditions):
            return {}
        if not message.facts:
            self._happened(message.to.address, "outside_window")
            raise Undeliverable("Only templates are taken.")
        if self._template is None:
            return {name: value for name, value in message.facts.items() if value}
        try:
            return self._template.filled(message.facts)
        except Undeliverable:
            self._happened(message.to.address, Fault.REFUSED)
            raise

    def _window_is_over(self, message: Outgoing, conditions: Conditions) -> bool:
        if self.window is None:
            return False
        last = message.last_heard
        return conditions.window_closed or last is None or self._clock() - last > self.window

    def _begin_report(self, phone: str, shown: ShownText, receipts: Receipts) -> None:
        task = asyncio.create_task(self._report(phone, shown.message_id, shown.gateway_id, receipts))
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)

    async def _report(self, phone: str, message_id: int | None, gateway_id: str, receipts: Receipts) -> None:
        for state, word in _REPORTED[receipts]:
            try:
                await self._reports.report(route=self.name, state=state, provider_word=word, message_id=message_id)
            except (ServiceError, OSError) as error:
                log.warning("simulated report lost", message_id=message_id, error=type(error).__qualname__)
                return
            shown = next((text for text in self.screen(phone) if text.gateway_id == gateway_id), None)
            if shown is not None:
                self._change(phone, replace(shown, state=state))

    def _next_id(self) -> str:
        """Unlike any of an earlier start: the store remembers those."""
        self._texts += 1
        return f"{self._started}-{self._texts}"

    def _happened(self, phone: str, event: str) -> None:
        """Note on the screen what the provider did with a message."""
        self._show(
            phone,
            ShownText(
                gateway_id=self._next_id(),
                at=self._clock(),
                text="",
                other=self.number,
                segments=segments(""),
                event=str(event),
            ),
        )

    def _show(self, phone: str, text: ShownText) -> None:
        screen = self._phones.setdefault(phone, deque(maxlen=MOST_TEXTS))
        self._phones.move_to_end(phone)
        screen.append(text)
        if len(self._phones) > MOST_PHONES:
            del self._phones[self._least_missed()]
        self.tell(phone)

    def _least_missed(self) -> str:
        """The phone that goes when there are too many: the oldest of people who have only been written to."""
        silent = (p for p, screen in self._phones.items() if all(text.message_id or text.event for text in screen))
        return next(silent, next(iter(self._phones)))

    def _change(self, phone: str, changed: ShownText) -> None:
        """Show `changed` where the text of that number stood."""
        screen = self._phones.get(phone, deque())
        for place, text in enumerate(screen):
            if text.gateway_id == changed.gateway_id:
                screen[place] = changed
                self.tell(phone)
                return

    def tell(self, phone: str) -> None:
        """Wake whoever watches the screen of `phone`."""
        self._changed(phone)
        for changed in self._watchers.get(phone, ()):
            changed.set()
