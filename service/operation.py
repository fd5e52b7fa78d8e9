"""Figures for Prometheus: of this process always, of the whole by the one process whose turn it is."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol, runtime_checkable

import structlog
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from database.pool import DATABASE_AWAY, Database, Role
from database.supervision import beside
from domain.contact import ChannelName
from domain.errors import Unavailable
from notifications.dispatcher import Dispatcher
from notifications.no_receipt import NoReceipt
from notifications.operation import Figures, Provider, figures
from notifications.sender import Sender
from notifications.turn import Turn

EVERY = 15.0  # seconds
FRESH = 60.0  # seconds for which figures may be told
MOST_AGENCIES = 50  # told by name; the rest together

log = structlog.get_logger()

_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, Unavailable)


@runtime_checkable
class Resting(Protocol):
    """A sender that chooses between routes and leaves some alone."""

    def resting(self) -> dict[str, bool]:
        """By route, whether it is left alone."""

    def reporting(self) -> list[str]:
        """The routes whose providers report on each message."""


def _reporting(senders: Iterable[Sender]) -> Iterator[str]:
    for sender in senders:
        if isinstance(sender, Resting):
            yield from sender.reporting()
        elif getattr(sender, "gives_receipts", False):
            yield sender.name


class Operation(Collector):
    """Keeps the figures and tells them when Prometheus asks."""

    def __init__(
        self, database: Database, *, dispatcher: Dispatcher | None = None, senders: Sequence[Sender] = ()
    ) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._routers = [sender for sender in senders if isinstance(sender, Resting)] if dispatcher else []
        self._silent = NoReceipt(list(_reporting(senders)))
        self._turn = Turn()
        self._figures: Figures | None = None
        self._read = float("-inf")

    async def keep(self) -> None:
        """Read the figures now and then, for ever."""
        while True:
            try:
                await self.once()
            except _AWAY as error:
                log.warning("figures put off", error=type(error).__qualname__)
            await asyncio.sleep(EVERY)

    async def once(self) -> None:
        """Say which routes are left alone; if it is our turn, sum up and read the figures. Raises database errors."""
        resting = {route for route, rests in self._resting().items() if rests}
        async with self._database.connection(Role.OPERATOR) as connection:
            await self._turn.rest(connection, resting)
            if not await self._turn.take(connection):
                self._figures = None
                return
            await self._turn.sum_up(connection)
            await self._silent.end(connection)
            self._figures, self._read = await figures(connection), time.monotonic()

    async def leave(self) -> None:
        """Tell nothing more, and let another process begin at once."""
        self._figures = None
        try:
            async with self._database.connection(Role.OPERATOR) as connection:
                await self._turn.rest(connection, ())
                await self._turn.leave(connection)
        except _AWAY as error:
            log.warning("the turn to tell figures ends by itself", error=type(error).__qualname__)

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: the names are known when they are told."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every figure."""
        if self._dispatcher is not None:
            yield _family("motma_route_resting", "Left alone by this process.", "route", self._resting())
            in_flight = self._dispatcher.in_flight()
            yield _family("motma_messages_in_flight", "Held by this process.", "route", in_flight)
        told = self._figures if time.monotonic() - self._read < FRESH else None
        yield _one("motma_figures_of_the_whole", "1 where this process tells those of the whole.", told is not None)
        if told is not None:
            yield from _of_queues(told)
            yield from _of_providers(told)
            yield from _of_the_day(told)

    def _resting(self) -> dict[str, bool]:
        found = dict(self._dispatcher.resting()) if self._dispatcher else {}
        for router in self._routers:
            found |= router.resting()
        return found


def _of_queues(told: Figures) -> Iterator[GaugeMetricFamily]:
    waiting, due = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    oldest: dict[tuple[str, str], float] = {}
    agencies = Counter[str]()
    for queue in told.queues:
        lane = queue.channel, queue.lane.name.lower()
        waiting[lane] += queue.waiting
        due[lane] += queue.due
        oldest[lane] = max(oldest.get(lane, 0.0), _since(queue.oldest_due, told))
        if queue.agency:
            agencies[queue.agency] += queue.waiting
    yield _by_lane("motma_queue_waiting", "Messages that have not ended.", waiting)
    yield _by_lane("motma_queue_due", "Messages that might leave now.", due)
    yield _by_lane("motma_queue_oldest_seconds", "For how long the first of these has been due.", oldest)
    longest = max(oldest.values(), default=0.0)
    yield _one("motma_oldest_seconds", "For how long the message has been due that waits for longest.", longest)
    yield _family("motma_queue_agency_waiting", "Messages that have not ended.", "agency", _largest(agencies))


def _of_providers(told: Figures) -> Iterator[GaugeMetricFamily]:
    values: list[tuple[str, str, Callable[[Provider], float | None]]] = [
        ("motma_provider_handed_over", "Taken in ten minutes.", lambda p: p.handed_over),
        ("motma_provider_error_share", "Attempts for nothing, of all in ten minutes.", lambda p: p.error_share),
        ("motma_provider_refused", "Refused for good in ten minutes.", lambda p: p.refused),
        ("motma_provider_in_doubt", "Attempts without an answer in ten minutes.", lambda p: p.in_doubt),
        ("motma_provider_resting", "Processes that leave it alone.", lambda p: p.resting),
        ("motma_provider_slow", "1 where receipts come late.", lambda p: p.slow),
        (
            "motma_provider_receipt_seconds",
            "From hand-over to delivery, on the average of ten minutes.",
            lambda p: p.receipt_after.total_seconds() if p.receipt_after else None,
        ),
    ]
    for name, what, value in values:
        given = {provider.route: value(provider) for provider in told.providers}
        yield _family(name, what, "route", {route: v for route, v in given.items() if v is not None})


def _of_the_day(told: Figures) -> Iterator[GaugeMetricFamily]:
    costs = Counter[str]()
    for cost in told.costs:
        costs[cost.agency or "answers"] += cost.dong
    yield _family("motma_cost_today_dong", "What messages of this civil day cost.", "agency", _largest(costs))
    yield _one("motma_cost_today_dong_all", "The same, of all agencies.", sum(costs.values()))
    yield _one("motma_opt_outs_today", "Who stopped all messages today.", told.refusals.today)
    yield _one("motma_dead_letters", "Dead letters, to a thousand.", told.given_up.dead)
    yield _one("motma_dead_letters_today", "Of these, of today.", told.given_up.dead_today)
    yield _one("motma_messages_failed_today", "Refused for good today.", told.given_up.failed_today)
    yield _one("motma_apologies_waiting", "Apologies that wait for an officer.", told.apologies.waiting)
    oldest = _since(told.apologies.oldest, told)
    yield _one("motma_apologies_oldest_seconds", "For how long the first of these has waited.", oldest)
    oldest = _since(told.apologies.oldest_automatic, told)
    yield _one("motma_apologies_automatic_oldest_seconds", "The same of those that are given by themselves.", oldest)


def _since(then: datetime | None, told: Figures) -> float:
    """Seconds since `then`; 0 where there is nothing."""
    return (told.as_of - then).total_seconds() if then else 0.0


def _largest(numbers: Counter[str]) -> dict[str, float]:
    """The largest by name, the rest as `others`: a label for each of ten thousand offices would drown Prometheus."""
    named = dict(numbers.most_common(MOST_AGENCIES))
    rest = sum(numbers.values()) - sum(named.values())
    return {**named, "others": rest} if len(numbers) > MOST_AGENCIES else {**named}


def _family(name: str, what: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family


def _by_lane(name: str, what: str, values: Mapping[tuple[str, str], float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=["channel", "lane"])
    for key, value in values.items():
        family.add_metric([*key], float(value))
    return family


def _one(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=float(value))


@asynccontextmanager
async def told_to_prometheus(
    database: Database,
    *,
    dispatcher: Dispatcher | None,
    senders: Mapping[ChannelName, Sender],
    registry: CollectorRegistry = REGISTRY,
) -> AsyncIterator[Operation]:
    """Figures are kept and told while inside."""
    operation = Operation(database, dispatcher=dispatcher, senders=list(senders.values()))
    registry.register(operation)
    try:
        async with beside("figures", operation.keep):
            yield operation
    finally:
        registry.unregister(operation)
        await operation.leave()
