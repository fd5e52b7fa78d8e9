"""Guards of the notices taken away, one at a time."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import aiohttp

from cache import turns
from channels import chat_pace
from channels.agency_api import callbacks_address
from channels.sms import traffic
from channels.web import front_door
from domain.message import Lane
from lookup import ingest, newest
from notifications import claims, dispatcher, outage, outbox, pace, reports, retries, settlement, timing
from notifications.callbacks import claims as callback_claims
from notifications.callbacks import courier
from notifications.callbacks import retries as callback_retries
from service import front, roles
from tests.faults.conditions import defaults_of

A_LOT = 1_000_000


def without(text: str, guard: str, instead: str) -> str:
    """`text` with another part in the guard's place, which must be there."""
    assert guard in text, guard
    return text.replace(guard, instead)


def no_fence() -> None:
    """G03: whoever held a message once may write what became of it."""
    guard = "WHERE m.id = s.id AND m.attempts = s.fence AND (m.state = 10 OR s.state >= 30)"
    settlement.SETTLE = without(settlement.SETTLE, guard, "WHERE m.id = s.id")


def poison_for_ever() -> None:
    """G08: what fails is tried again, however often it failed."""
    setattr(claims, "MOST_FAULTS", A_LOT)
    setattr(settlement, "MOST_FAULTS", A_LOT)


def suspects_among_others() -> None:
    """G08: what was in hand when a process died is sent beside all else."""
    guard = "g.faults > 1 AND m.lane <> 3 THEN 0"
    claims.CLAIM = without(claims.CLAIM, guard, "false THEN 0")


def no_grace() -> None:
    """G11: a process that is asked to end ends at once."""

    def abrupt() -> asyncio.Event:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, lambda: os._exit(0))
        return asyncio.Event()

    roles._stop_on_signals = abrupt


def kept_connections_cut() -> None:
    """G11: a connection that is silent when the process is told to stop is closed at once."""
    last_calls = front_door.FrontDoor.last_calls

    async def none(self: Any, _seconds: float) -> int:
        return await last_calls(self, 0.0)

    setattr(front_door.FrontDoor, "last_calls", none)


def nobody_told_to_leave() -> None:
    """G11: answers do not say that their connection closes."""

    async def silent(_self: Any) -> None:
        pass

    setattr(front.Front, "last_calls", silent)


def lease_by_own_clock() -> None:
    """G64: a lease ends by the clock of the process that took it."""
    claim = claims.claim

    async def by_own_clock(connection: Any, rooms: Any, lease: timedelta, *rest: Any) -> Any:
        off = time.time() - time.clock_gettime(time.CLOCK_REALTIME)
        return await claim(connection, rooms, lease + timedelta(seconds=round(off)), *rest)

    setattr(dispatcher, "claim", by_own_clock)


def hears_nothing() -> None:
    """G04: nobody says that a message was queued; the queue is looked at now and then."""

    async def deaf(*_given: Any) -> None:
        await asyncio.Event().wait()

    setattr(dispatcher, "listen", deaf)
    defaults_of(dispatcher.Dispatching)["poll"] = timedelta(seconds=12)


def one_lane() -> None:
    """G09: what is urgent waits behind what is not."""
    queue = outbox.Outbox.queue

    async def in_line(self: Any, *given: Any, **named: Any) -> int | None:
        return await queue(self, *given, **{**named, "lane": Lane.BULK})

    setattr(outbox.Outbox, "queue", in_line)


def no_pace() -> None:
    """G10: messages leave as fast as they can."""
    setattr(pace.Pace, "ready", lambda _self: A_LOT)
    setattr(pace.Pace, "take", lambda _self: 0.0)

    setattr(turns.SharedTurns, "turn", lambda *_given, **_named: nullcontext())


def paced_by_leaving() -> None:
    """G10: a message has its place from its leaving for a period, whenever it arrives."""
    guard = "put(ARGV[n], now + longest)\n        taken"
    turns.PLACES = without(turns.PLACES, guard, "put(ARGV[n], now + period)\n        taken")
    turns.PLACES = without(turns.PLACES, "do put(ARGV[n], now + period) end", "do end")


def sent_too_late() -> None:
    """G10: what has expired is sent all the same."""
    claims.CLAIM = without(claims.CLAIM, "WHEN m.expires_at <= now() THEN 60", "WHEN false THEN 60")


def wishes_unheeded() -> None:
    """G33: however long a provider asks to wait, the message comes back by the ladder."""
    wait = retries.wait_before_retry

    def by_ladder(attempt: int, _after: timedelta | None = None) -> timedelta:
        return wait(attempt)

    setattr(settlement, "wait_before_retry", by_ladder)


def no_breaker_of_routes() -> None:
    """G33: a provider that is out of order is asked as before."""
    outage.MOST_FAILURES = A_LOT


def one_after_another() -> None:
    """G34: one message is on its way at a time, whatever its channel."""
    send, turn = dispatcher.Dispatcher._send, asyncio.Lock()

    async def alone(self: Any, *given: Any) -> None:
        async with turn:
            await send(self, *given)

    setattr(dispatcher.Dispatcher, "_send", alone)


def stays_on_its_route() -> None:
    """G35: texts go by the route they went by."""
    setattr(traffic, "decided", lambda standing, _routes, _rule: standing.route)


def moves_at_will() -> None:
    """G35: texts move whenever one route seems better than another."""
    defaults_of(traffic.Rule)["stay"] = timedelta(0)
    decided = traffic.decided

    def restless(standing: Any, names: Any, rule: Any) -> str:
        better = decided(standing, names, rule)
        slow = {name for name, (is_slow, _) in standing.verdicts.items() if is_slow}
        others = [name for name in names if name != standing.route]
        return others[0] if better in slow and others else better

    setattr(traffic, "decided", restless)


def last_report_counts() -> None:
    """G36: whatever a provider says last is what became of a message."""
    together = without(reports.RECORD, "AND h.state < t.state", "")
    together = without(together, "AND m.state < t.state", "")
    last = "ORDER BY t.message_id, t.place DESC"
    reports.RECORD = without(together, "ORDER BY t.message_id, t.state DESC, t.place", last)
    reports.RECORD_ONE = without(reports.RECORD_ONE, "AND state < $2", "")


def no_turns_of_chats() -> None:
    """G38: a chat is written to as fast as there is something to say."""
    init = chat_pace.ChatPace.__init__

    def hasty(self: Any, _spacing: float, *_given: Any, **_named: Any) -> None:
        init(self, 0.0)

    setattr(chat_pace.ChatPace, "__init__", hasty)


def no_nights() -> None:
    """G46: notices go out at any hour."""
    setattr(timing.Timing, "shift", property(lambda _self: timedelta(0)))
    init = timing.Timing.__init__

    def sleepless(self: Any, **given: Any) -> None:
        init(self, **{**given, "quiet_for": timedelta(0)})

    setattr(timing.Timing, "__init__", sleepless)


def no_digests() -> None:
    """G46: however many notices a person had, the next one goes out."""
    init = timing.Timing.__init__

    def untiring(self: Any, **given: Any) -> None:
        init(self, **{**given, "a_day": 0})

    setattr(timing.Timing, "__init__", untiring)


def imports_told() -> None:
    """G68: whoever imports tells everybody, asked or not."""
    arrival = newest.Arrival

    def told(index: int, key: bytes, name: str, step: Any, _notify: bool, *rest: Any) -> Any:
        return arrival(index, key, name, step, True, *rest)

    setattr(ingest, "Arrival", told)


def redirects_followed() -> None:
    """G12: a receiver may send us elsewhere."""
    post = aiohttp.ClientSession.post

    def following(self: Any, url: Any, **given: Any) -> Any:
        return post(self, url, **{**given, "allow_redirects": True})

    setattr(aiohttp.ClientSession, "post", following)


def gone_unheeded() -> None:
    """G12: one that is gone is called again."""
    setattr(courier, "GONE", 0)
    callback_claims.SETTLE = without(callback_claims.SETTLE, "WHEN $6 = 410 THEN", "WHEN $6 = 0 THEN")


def receivers_crowded() -> None:
    """G12: as many calls at once as there are changes."""
    defaults_of(courier.Calling)["per_receiver"] = 100


def receivers_wishes_unheeded() -> None:
    """G12: however long a receiver asks to be left alone."""
    wait, rest = callback_retries.wait_before_retry, callback_retries.rest
    setattr(courier, "wait_before_retry", lambda tries, age, _after=None: wait(tries, age))
    setattr(courier, "rest", lambda failures, _after=None: rest(failures))


def any_address() -> None:
    """G73: whatever a name leads to is called."""
    setattr(callbacks_address, "is_public", lambda _address: True)


def standby_not_waited_for() -> None:
    """G26: commits do not wait for the standby. The proof sets its servers up so; nothing of ours is taken away."""


NOTIFICATION_MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        no_fence,
        poison_for_ever,
        suspects_among_others,
        no_grace,
        kept_connections_cut,
        nobody_told_to_leave,
        lease_by_own_clock,
        hears_nothing,
        one_lane,
        no_pace,
        paced_by_leaving,
        sent_too_late,
        wishes_unheeded,
        no_breaker_of_routes,
        one_after_another,
        stays_on_its_route,
        moves_at_will,
        last_report_counts,
        no_turns_of_chats,
        no_nights,
        no_digests,
        imports_told,
        redirects_followed,
        gone_unheeded,
        receivers_crowded,
        receivers_wishes_unheeded,
        any_address,
        standby_not_waited_for,
    )
}
