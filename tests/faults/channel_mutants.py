"""Guards of the channels taken away, one at a time."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from secrets import token_hex
from typing import Any

import redis.asyncio as redis
from aiohttp import web

from channels import conversation_memory, hook_secrets, inbound, open_channels, standard_webhooks
from channels.conversation import answers
from channels.inbound import Inbox
from channels.sms import allowances, generic, routing
from channels.web import duties
from channels.web.devices import proofs
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.message import Incoming, IncomingKind
from lookup import disclosure
from notifications import claims, reports

LATER = 0.3  # seconds


def ack_before_recording() -> None:
    """G39b: the provider's answer does not wait for the store."""
    record, kept = Inbox.heard, set[asyncio.Task[Any]]()

    async def hasty(self: Inbox, incoming: Incoming) -> bool:
        async def later() -> None:
            await asyncio.sleep(LATER)
            await record(self, incoming)

        task = asyncio.create_task(later())
        kept.add(task)
        task.add_done_callback(kept.discard)
        return True

    report = reports.Reports.report

    async def hasty_report(self: reports.Reports, **told: Any) -> bool:
        async def later() -> None:
            await asyncio.sleep(LATER)
            await report(self, **told)

        task = asyncio.create_task(later())
        kept.add(task)
        task.add_done_callback(kept.discard)
        return True

    Inbox.heard = hasty  # type: ignore[method-assign]
    reports.Reports.report = hasty_report  # type: ignore[method-assign]


def reports_one_by_one() -> None:
    """G39b: each delivery report has a statement and a commit of its own."""
    reports.MOST_TOGETHER = 1


def known_to_redis_only() -> None:
    """G39c: what came before is known to Redis, for five minutes."""
    record = Inbox.heard
    client = redis.from_url(os.environ["MOTMA_REDIS_URL"]) if "MOTMA_REDIS_URL" in os.environ else None

    async def heard(self: Inbox, incoming: Incoming) -> bool:
        assert client is not None
        if not await client.set(f"heard:{incoming.external_id}", b"", nx=True, ex=300):
            return False
        return await record(self, replace(incoming, external_id=f"{incoming.external_id} {token_hex(4)}"))

    Inbox.heard = heard  # type: ignore[method-assign]


def every_refusal_logged() -> None:
    """G39d: one line for every call."""
    duties.MOST_REFUSALS_LOGGED = sys.maxsize


def forgeries_recorded() -> None:
    """G39d: whoever calls is first written down, then looked at."""
    whole = generic.GenericSmsChannel.receive

    async def receive(self: generic.GenericSmsChannel, request: web.Request) -> web.Response:
        called = Contact(channel=ChannelName.SMS, address="gateway")
        await self._heard(
            Incoming(
                sender=called, recipient="8088", text="", external_id=f"call:{token_hex(8)}", received_at=utc_now()
            )
        )
        return await whole(self, request)

    generic.GenericSmsChannel.receive = receive  # type: ignore[method-assign]


def newest_secret_only() -> None:
    """G39f: of several secrets the newest counts."""
    from channels.telegram import channel as telegram  # noqa: PLC0415 - costs 20 MB

    several = hook_secrets.secrets_of
    for module in (hook_secrets, telegram):
        setattr(module, "secrets_of", lambda setting: several(setting)[:1])
    is_signed = standard_webhooks.Verifier._is_signed

    def signed_with_newest(self: standard_webhooks.Verifier, *given: Any) -> bool:
        self._keys = self._keys[:1]
        return is_signed(self, *given)

    setattr(standard_webhooks.Verifier, "_is_signed", signed_with_newest)


def machines_answered() -> None:
    """G44: what is said again and again, or by a machine, is answered like anything else."""
    conversation_memory.MOST_ALIKE = conversation_memory.MOST_AUTOMATIC = sys.maxsize
    setattr(inbound, "MOST_UNCLEAR", sys.maxsize)


def no_reply_limits() -> None:
    """G44: whoever writes is answered, however often."""
    for limit in ("an_hour", "a_day"):
        object.__setattr__(conversation_memory.BY_SMS, limit, sys.maxsize)


def anybody_texted() -> None:
    """G44: any sender is answered and any number texted."""
    for module in (open_channels, routing):
        setattr(module, "allowed_numbers", lambda _prefixes: lambda _address: True)


def no_money_caps() -> None:
    """G44: texts cost nothing."""

    async def charge(self: allowances.Allowances, address: str, cost: int) -> allowances.Charge:
        return allowances.Charge(taken=())

    allowances.Allowances.charge = charge  # type: ignore[method-assign]


def refusals_unheeded() -> None:
    """G45: what is queued goes out."""
    guard = "EXISTS (SELECT FROM opt_out o WHERE o.contact_digest = m.contact_digest)"
    assert guard in claims.CLAIM
    claims.CLAIM = claims.CLAIM.replace(guard, "false")


def names_in_texts() -> None:
    """G47: who has proven something is told the name."""
    head = answers._head

    def with_name(answer: Any, language: Any) -> str:
        return f"{head(answer, language)} {answer.proven.applicant if answer.proven else ''}"

    disclosure.masked = lambda name: name
    answers._head = with_name


def anybodys_contact() -> None:
    """G47: a contact card is taken for the sender's own."""
    from channels.telegram import updates  # noqa: PLC0415 - costs 20 MB

    read = updates._said

    def trusting(message: Any) -> updates.Meaning:
        if message.contact is None:
            return read(message)
        phone = updates._phone(message.contact)
        return updates.Meaning(chat=str(message.chat.id), kind=IncomingKind.OWN_PHONE, text=phone, at=message.date)

    updates._said = trusting


def codes_not_counted() -> None:
    """G47: a code that came to a phone may be guessed at for ever."""
    proofs.MOST_TRIES = 30_000


CHANNEL_MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        ack_before_recording,
        reports_one_by_one,
        known_to_redis_only,
        every_refusal_logged,
        forgeries_recorded,
        newest_secret_only,
        machines_answered,
        no_reply_limits,
        anybody_texted,
        no_money_caps,
        refusals_unheeded,
        names_in_texts,
        anybodys_contact,
        codes_not_counted,
    )
}
