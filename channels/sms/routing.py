"""Every text leaves through here: to whom it may go, how much may be spent, by which gateway, from whom.

A reply goes back by the gateway whose number the person wrote to, while that works. All else goes by the route that
carries the traffic (`channels.sms.traffic`), a small share by the next one, so that it is known how that does. A
gateway that fails several times in a row is left alone for a while, with one text at a time to try it. A text goes by
one route only: one that was not taken comes back from the queue, one in doubt as the policy of doubts says
(`notifications.retries`), and either may then go by another.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, runtime_checkable

from cache.breaker import Breaker
from cache.limits import Limits
from cache.turns import SharedTurns
from channels.channel import Asked, Gateway
from channels.sms.allowances import Allowances, Caps, Charge
from channels.sms.gateway import LONGEST_NAME, is_name
from channels.sms.numbers import allowed_numbers
from channels.sms.segments import cost
from channels.sms.traffic import Rule, Traffic
from database.pool import Database
from domain.errors import CannotTell, InDoubt, Malformed, NotItsTurn, TryLater, Undeliverable
from domain.message import HandedOver, Outgoing
from notifications.pace import Pace

MOST_FAILURES = 3  # in a row, before a gateway is left alone
PAUSE = 15.0  # seconds
MOST_TURN = 3.0  # seconds a text waits for its turn at a gateway with a rate


@runtime_checkable
class Carrier(Gateway, Protocol):
    """A gateway that carries texts: `channels.sms.gateway.SmsGateway` with a way to send."""

    @property
    def gives_receipts(self) -> bool:
        """Whether the end of each message is reported."""

    def written(self, text: str) -> str:
        """`text` as it leaves there."""

    def owns(self, sender: str) -> bool:
        """Whether `sender` is a number or name of ours there."""


@runtime_checkable
class Answering(Gateway, Protocol):
    """A gateway that takes an answer in the body of its own call, and nothing else."""

    async def answer(self, message: Outgoing) -> HandedOver | None:
        """Hand `message` to the call that waits for it; None when none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingSettings:
    """MOTMA_SMS_…: what holds for all gateways together.

    `routes` names those that carry texts, by preference; all that can, in the order of the table of channels, unless
    given. `share` is how many of a hundred texts go by the second. `prefixes` may be texted besides Vietnamese mobile
    phones. `senders` maps agencies to their names (`H05=UBNDBacNinh,H05.16=SNV`). The rest are caps
    (`channels.sms.allowances`) and the price of a segment in đồng.
    """

    routes: str = ""
    share: int = 5
    prefixes: str = ""
    senders: str = ""
    per_number: str = "30/day"
    spend_per_number: str = "21000/day"
    spend_per_prefix: str = "20000000/day"
    spend: str = "100000000/day"
    segment_price: int = 350


SETTINGS_PREFIX = "MOTMA_SMS_"


class _Route:
    """One gateway and how it does."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.breaker = Breaker(failures=MOST_FAILURES, pause=PAUSE)
        self.pace = None if carrier.rate is None else Pace(carrier.rate)

    @property
    def concurrency(self) -> int:
        """Calls at once; where texts wait for their turn, no more than get it in time."""
        most = self.carrier.concurrency
        return most if self.carrier.rate is None else max(1, min(most, int(self.carrier.rate * MOST_TURN)))


class RoutedSender:
    """The one sender of texts. Texts wait for their turn at each gateway here, so that the dispatcher knows no rate."""

    rate = None

    def __init__(
        self,
        gateways: Sequence[Gateway],
        settings: RoutingSettings,
        *,
        limits: Limits,
        database: Database,
        rule: Rule | None = None,
    ) -> None:
        carriers = _chosen([gateway for gateway in gateways if isinstance(gateway, Carrier)], settings.routes)
        self._routes = {carrier.name: _Route(carrier) for carrier in carriers}
        self._answering = [gateway for gateway in gateways if isinstance(gateway, Answering)]
        self._traffic = (
            Traffic(
                database,
                list(self._routes),
                judged=[carrier.name for carrier in carriers if carrier.gives_receipts],
                rule=rule,
            )
            if len(carriers) > 1
            else None
        )
        self._turns = SharedTurns(limits)
        self.name = carriers[0].name if len(carriers) == 1 else "sms"
        self._in_use = carriers[0].name if carriers else ""
        if not 0 <= settings.share < 100:
            raise Malformed("MOTMA_SMS_SHARE is a number from 0 to 99.")
        self._share = settings.share
        self._price = settings.segment_price
        self._may_be_texted: Callable[[str], bool] = allowed_numbers(settings.prefixes)
        self._allowances = Allowances(
            limits,
            Caps(
                messages=settings.per_number,
                number=settings.spend_per_number,
                prefix=settings.spend_per_prefix,
                total=settings.spend,
            ),
        )

    @property
    def concurrency(self) -> int:
        """What the route in use allows."""
        route = self._routes.get(self._in_use)
        return route.concurrency if route else max(gateway.concurrency for gateway in self._answering)

    def reporting(self) -> list[str]:
        """The gateways that report on each message."""
        return [name for name, route in self._routes.items() if route.carrier.gives_receipts]

    def resting(self) -> dict[str, bool]:
        """By gateway, whether this process leaves it alone because it failed several times in a row."""
        return {name: route.breaker.open for name, route in self._routes.items()}

    async def send(self, message: Outgoing) -> HandedOver:
        """Send one text. Raises as `notifications.sender.Sender` says, and `TryLater` when a cap is reached."""
        for gateway in self._answering:
            if handed_over := await gateway.answer(message):
                return replace(handed_over, dong=0)  # the call has paid for its answer
        address = message.to.address
        ours = any(route.carrier.owns(address) for route in self._routes.values())
        if ours or not self._may_be_texted(address):
            raise Undeliverable("This number may not be texted.")
        route = await self._route_of(message)
        dong = cost(route.carrier.written(message.text), self._price)
        charge = await self._allowances.charge(address, dong)
        try:
            return replace(await self._send(route, self._as_from(route, message), charge), dong=dong)
        except InDoubt as error:
            error.dong = dong
            raise

    async def ask(self, message: Outgoing, *, route: str | None, since: datetime) -> HandedOver | None:
        """What the gateway by which `message` went says of it. Raises as `notifications.sender.Asked` says."""
        if route not in self._routes and len(self._routes) == 1:
            (route,) = self._routes
        tried = self._routes.get(route or "")
        if tried is None or not isinstance(tried.carrier, Asked):
            raise CannotTell("That route cannot be asked.")
        found = await tried.carrier.find(self._as_from(tried, message), since)
        return found and replace(found, route=tried.carrier.name)

    async def _route_of(self, message: Outgoing) -> _Route:
        """The route for `message`: the one it ought to go by, unless that fails and another does not."""
        if not self._routes:
            raise Undeliverable("No gateway can send this, and no call waits for it.")
        if self._traffic is not None:
            self._in_use = await self._traffic.route()
        wanted = self._wanted(message)
        others = [route for name, route in self._routes.items() if name != wanted]
        return next(
            (route for route in (self._routes[wanted], *others) if route.breaker.allows()), self._routes[wanted]
        )

    def _wanted(self, message: Outgoing) -> str:
        owner = self._owner(message.sender)
        if owner and not (self._traffic and self._traffic.is_slow(owner)):
            return owner
        others = [name for name in self._routes if name != self._in_use]
        # By the message's own number: a message that comes back goes the same way.
        return others[0] if others and message.message_id % 100 < self._share else self._in_use

    def _owner(self, sender: str | None) -> str | None:
        """The route whose own number `sender` is; None for names, which are the same everywhere."""
        if not sender or is_name(sender):
            return None
        return next((name for name, route in self._routes.items() if route.carrier.owns(sender)), None)

    def _as_from(self, route: _Route, message: Outgoing) -> Outgoing:
        """`message` without the number of another route, from which this one cannot send."""
        owner = self._owner(message.sender)
        return message if owner in {None, route.carrier.name} else replace(message, sender=None)

    async def _send(self, route: _Route, message: Outgoing, charge: Charge) -> HandedOver:
        """Send by one route and take note of how it went. What did not leave costs nothing."""
        try:
            async with self._turn_of(route):
                handed_over = await route.carrier.send(message)
        except Undeliverable:
            route.breaker.succeeded()  # it answers
            await self._allowances.give_back(charge)
            raise
        except NotItsTurn:
            await self._allowances.give_back(charge)
            raise
        except (TryLater, OSError):
            route.breaker.failed()
            await self._allowances.give_back(charge)
            raise
        except InDoubt as error:
            route.breaker.failed()
            error.route = route.carrier.name
            raise
        except asyncio.CancelledError:
            route.breaker.failed()
            raise
        route.breaker.succeeded()
        return replace(handed_over, route=handed_over.route or route.carrier.name)

    @asynccontextmanager
    async def _turn_of(self, route: _Route) -> AsyncIterator[None]:
        """A turn in this process, and then one among all of them, kept while inside. Raises `NotItsTurn`."""
        if route.pace is None or route.carrier.rate is None:
            yield
            return
        if turn := route.pace.take():
            await asyncio.sleep(turn)
        async with self._turns.turn(route.carrier.name, route.carrier.rate, within=MOST_TURN):
            yield


def _chosen(carriers: Sequence[Carrier], routes: str) -> list[Carrier]:
    """The carriers that `routes` names, in its order; all of them when it names none."""
    known = {carrier.name: carrier for carrier in carriers}
    wanted = [name.strip() for name in routes.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in known]:
        raise Malformed(f"MOTMA_SMS_ROUTES names {', '.join(unknown)}, but open are {', '.join(known) or 'none'}.")
    return [known[name] for name in wanted] or list(carriers)


def agency_senders(setting: str) -> dict[str, str]:
    """The names of MOTMA_SMS_SENDERS by agency code. Raises `Malformed`."""
    senders = {}
    for pair in setting.split(","):
        if pair.strip():
            code, _, name = (part.strip() for part in pair.partition("="))
            if not code or not is_name(name) or len(name) > LONGEST_NAME or not name.isascii():
                raise Malformed(f"MOTMA_SMS_SENDERS is a list such as H05=UBNDBacNinh; {pair.strip()!r} is not.")
            senders[code] = name
    return senders
