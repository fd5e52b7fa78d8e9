"""What people send us: recorded before the gateway is answered, then answered and marked handled in one commit."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

import structlog
from prometheus_client import Counter

from channels.conversation.engine import Conversation
from channels.conversation.turn import (
    Act,
    ActOnNumber,
    AllowPublishing,
    CompleteFeedback,
    ConfirmReply,
    FileFeedback,
    Follow,
    LinkPhone,
    Manner,
    Mute,
    Rate,
    RateHandling,
    Resume,
    Shown,
    StopAll,
    Turn,
    UnlinkPhone,
)
from channels.conversation_memory import BY_SMS, MOST_UNCLEAR, Heard, Memory, ReplyLimits
from channels.linked_phones import LinkedPhones, LinkSource
from channels.recording import Recorder
from database.pool import Connection, Database, Role
from database.supervision import place, supervised
from domain.contact import ChannelName, Contact
from domain.language import Language
from domain.message import Choice, Incoming, IncomingKind
from feedback_intake.filing import Filing
from feedback_intake.filing_caps import TooManyFiled
from feedback_intake.hearing import SenderActs
from feedback_intake.ratings import Ratings
from lookup.sealing import Seal, Unsealable
from notifications.outbox import Outbox
from notifications.shown import ShownDossiers
from notifications.subscriptions import Subscriptions

MOST_ATTEMPTS = 5

# `run_at` is the lease: a process that dies gives its messages up by time. Attempts count when leased, so that a
# message that kills its process is counted too. Messages of one sender come one at a time, in order.
LEASE = """
    UPDATE inbound
       SET attempts = attempts + 1, run_at = now() + $2
     WHERE id IN (SELECT i.id FROM inbound i
                   WHERE i.handled_at IS NULL AND i.run_at <= now()
                     AND NOT EXISTS (SELECT FROM inbound e
                                      WHERE e.sender_digest = i.sender_digest AND e.handled_at IS NULL AND e.id < i.id)
                   ORDER BY i.run_at, i.id LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING id AS inbound_id, attempts, channel, sender_digest, sender_sealed, recipient, text_sealed, text_digest,
              recorded_at, kind, automatic"""
# Only the holder of the newest lease may write the outcome.
SETTLE = """
    UPDATE inbound SET handled_at = now(), failure = $3, automatic = automatic OR coalesce($4, false)
     WHERE id = $1 AND attempts = $2 AND handled_at IS NULL RETURNING id"""
RETRY = "UPDATE inbound SET run_at = now() + $3, failure = $4 WHERE id = $1 AND attempts = $2 AND handled_at IS NULL"
FIND_DOSSIER = "SELECT dossier_id FROM dossier_code WHERE code = $1 AND NOT test"
HANDLED = Counter("motma_inbound", "Messages from people, by what became of them.", ["channel", "outcome"])

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """How inbound messages are worked off. `lease` must outlast handling one, `poll` finds what dead processes left."""

    at_once: int = 8
    lease: timedelta = timedelta(seconds=30)
    poll: timedelta = timedelta(seconds=2)
    first_retry: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leased:
    """One message in our hands, still sealed."""

    inbound_id: int
    attempts: int
    channel: str
    sender_digest: bytes
    sender_sealed: bytes = field(repr=False)
    recipient: str
    text_sealed: bytes = field(repr=False)
    text_digest: bytes
    recorded_at: datetime
    kind: str
    automatic: bool


class Inbox:
    """Hears messages and answers them. Any number may work on one database."""

    def __init__(
        self,
        database: Database,
        seal: Seal,
        conversation: Conversation,
        *,
        outbox: Outbox,
        subscriptions: Subscriptions,
        filing: Filing,
        acts: SenderActs,
        ratings: Ratings,
        phones: LinkedPhones,
        manners: Mapping[ChannelName, Manner] = MappingProxyType({}),
        handling: Handling | None = None,
        by_sms: ReplyLimits = BY_SMS,
    ) -> None:
        self._database = database
        self._seal = seal
        self._recorder = Recorder(database, seal)
        self._conversation = conversation
        self._outbox = outbox
        self._subscriptions = subscriptions
        self._filing = filing
        self._acts = acts
        self._ratings = ratings
        self._phones = phones
        self._manners = manners
        self._memory = Memory(seal, by_sms=by_sms)
        self._shown = ShownDossiers(seal)
        self._how = handling or Handling()
        self._wake = asyncio.Event()
        self._busy: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def heard(self, incoming: Incoming) -> bool:
        """Record a message; False when it was recorded before. Raises `Unavailable`: then it must be sent again."""
        recorded = await self._recorder.record(incoming)
        if recorded:
            self._wake.set()
        return recorded

    async def run(self) -> None:
        """Answer messages until `stop()`; then finish those in hand. Cancelling is a crash: their leases run out."""
        try:
            await supervised("inbox", self._work)
            if self._busy:
                await asyncio.wait(set(self._busy), timeout=self._how.lease.total_seconds())
        finally:
            for task in self._busy:
                task.cancel()
            await asyncio.gather(*self._busy, return_exceptions=True)

    def stop(self) -> None:
        """Take no more messages."""
        self._stopping = True
        self._wake.set()

    async def _work(self) -> None:
        while not self._stopping:
            self._wake.clear()
            room = self._how.at_once - len(self._busy)
            # Under load several at a time: one statement for each message would be the dearest part of its handling.
            leased = await self._lease(room) if room * 2 >= self._how.at_once else ()
            for message in leased:
                task = asyncio.create_task(self._handle(message))
                self._busy.add(task)
                task.add_done_callback(self._finished)
            if not leased:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._how.poll.total_seconds()):
                        await self._wake.wait()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        self._wake.set()

    async def _lease(self, room: int) -> Sequence[_Leased]:
        async with self._database.connection(Role.WORKER) as connection:
            rows = await connection.fetch(LEASE, room, self._how.lease)
        return [_Leased(**row) for row in sorted(rows, key=lambda row: row["inbound_id"])]

    async def _handle(self, message: _Leased) -> None:
        """Bring one message to its end, or back into the queue, or to the apology. Never raises."""
        try:
            if message.attempts > MOST_ATTEMPTS:  # its process died each time
                await self._give_up(message, "handling it never ended")
                return
            await self._answer(message)
        except Exception as error:
            await self._failed(message, error)

    async def _answer(self, message: _Leased) -> None:
        sender = self._sender(message)
        if message.kind in {IncomingKind.LEFT, IncomingKind.RETURNED}:
            await self._settle(message, None, silent=message.kind)
            return
        manner = self._manner(sender)
        ours = sender.address.lstrip("+") == message.recipient.lstrip("+")  # our own number: we would talk to ourselves
        if ours or not manner.may_be_answered(sender.address):
            await self._settle(message, None, silent="sender may not be answered")
            return
        async with self._database.connection(Role.WORKER) as connection:
            heard = Heard(
                inbound_id=message.inbound_id,
                sender=sender,
                kind=IncomingKind(message.kind),
                text=self._seal.open(message.text_sealed),
                text_digest=message.text_digest,
                automatic=message.automatic,
                recorded_at=message.recorded_at,
            )
            said, standing = await self._memory.recall(connection, heard, manner)
        turn = await self._conversation.answer(said)
        if pause := standing.pause:
            turn = self._conversation.pausing(turn, pause.until, same=pause.same, brief=manner.brief)
        elif turn.remember.unclear == MOST_UNCLEAR:
            turn = self._conversation.hinting(turn, brief=manner.brief)
        silent = standing.silent or ("nothing understood" if turn.remember.unclear > MOST_UNCLEAR else None)
        # What was asked for is done in any case: a 'stop' counts however many messages came before it.
        try:
            await self._settle(message, turn, silent=silent, automatic=standing.automatic)
        except TooManyFiled as refusal:
            later = self._conversation.put_off(said, refusal)
            await self._settle(message, later, silent=silent, automatic=standing.automatic)

    def _sender(self, message: _Leased) -> Contact:
        return Contact(channel=ChannelName(message.channel), address=self._seal.open(message.sender_sealed))

    def _manner(self, sender: Contact) -> Manner:
        return self._manners.get(sender.channel, Manner())

    async def _settle(
        self, message: _Leased, turn: Turn | None, *, silent: str | None = None, automatic: bool = False
    ) -> None:
        """The end of a message, in one commit: handled, its acts done, its reply queued, what matters remembered."""
        async with self._database.transaction(Role.WORKER) as connection:
            if await connection.fetchval(SETTLE, message.inbound_id, message.attempts, silent, automatic) is None:
                return  # another process holds it now
            await self._note_presence(connection, message)
            if turn is not None:
                await self._act(connection, message, turn)
                await self._memory.keep(connection, message.sender_digest, turn)
                if silent is None:
                    await self._reply(connection, message, turn.reply, turn.language, turn.choices)
                    if turn.shown is not None:
                        await self._note_shown(connection, message, turn.shown)
        HANDLED.labels(message.channel, "silent" if silent else "answered").inc()

    async def _note_shown(self, connection: Connection, message: _Leased, shown: Shown) -> None:
        """The person has seen the dossier, and needs no notice of what it said: neither here nor on the phone."""
        contacts = [self._sender(message)]
        if shown.phone is not None:
            contacts.append(Contact(channel=ChannelName.SMS, address=shown.phone))
        await self._shown.note(connection, shown.code, contacts, asked_at=message.recorded_at)

    async def _note_presence(self, connection: Connection, message: _Leased) -> None:
        """Who left the channel is told nothing there until back."""
        if message.kind == IncomingKind.LEFT:
            await self._subscriptions.left(connection, self._sender(message), inbound_id=message.inbound_id)
        elif message.kind in {IncomingKind.JOINED, IncomingKind.RETURNED}:
            await self._subscriptions.returned(connection, self._sender(message), inbound_id=message.inbound_id)

    async def _act(self, connection: Connection, message: _Leased, turn: Turn) -> None:
        sender, inbound_id = self._sender(message), message.inbound_id
        for act in turn.acts:
            match act:
                case StopAll():
                    await self._subscriptions.stop_all(connection, sender, source="keyword", inbound_id=inbound_id)
                case Resume():
                    await self._subscriptions.resume(connection, sender, inbound_id=inbound_id)
                case Follow(code=code, proven=proven, less=less):
                    if (dossier := await connection.fetchval(FIND_DOSSIER, code)) is not None:
                        await self._subscriptions.follow(
                            connection,
                            sender,
                            dossier,
                            proven=proven,
                            less=less,
                            language=turn.language,
                            inbound_id=inbound_id,
                        )
                case Mute(code=code):
                    if (dossier := await connection.fetchval(FIND_DOSSIER, code)) is not None:
                        await self._subscriptions.mute(connection, sender, dossier, inbound_id=inbound_id)
                case LinkPhone(phone=phone):
                    await self._phones.link(connection, sender, phone, source=LinkSource.PLATFORM)
                case UnlinkPhone():
                    await self._phones.unlink(connection, sender)
                case _:
                    await self._tell_office(connection, sender, act, inbound_id)

    async def _tell_office(self, connection: Connection, sender: Contact, act: Act, inbound_id: int) -> None:
        """Feedback and ratings."""
        match act:
            case FileFeedback(feedback=feedback):
                await self._filing.file(connection, sender, feedback, inbound_id=inbound_id)
            case Rate(rating=rating):
                await self._ratings.rate(connection, sender, rating, inbound_id=inbound_id)
            case ActOnNumber(number=number, act=done, words=words):
                await self._acts.act(connection, number, done, words)
            case CompleteFeedback(number=number, name=name, postal_address=address):
                await self._acts.complete(connection, number, name=name, postal_address=address)
            case AllowPublishing(number=number, consent=consent):
                await self._acts.may_publish(connection, number, consent)
            case RateHandling(rating=handling):
                await self._ratings.rate_handling(connection, handling)
            case ConfirmReply(number=number):
                await self._acts.prove_reply(connection, number, sender)

    async def _reply(
        self,
        connection: Connection,
        message: _Leased,
        text: str,
        language: Language,
        choices: Sequence[Choice] = (),
    ) -> None:
        await self._outbox.reply(
            connection,
            message.inbound_id,
            self._sender(message),
            text,
            our_sender=message.recipient or None,
            language=language,
            choices=choices,
        )

    async def _failed(self, message: _Leased, error: Exception) -> None:
        """Try again, ever later; after `MOST_ATTEMPTS` apologise. The log names the fault, never what was said."""
        what = f"{type(error).__qualname__} at {place(error)}"
        log.warning("inbound message failed", inbound_id=message.inbound_id, attempt=message.attempts, error=what)
        try:
            if message.attempts >= MOST_ATTEMPTS:
                await self._give_up(message, what)
                return
            async with self._database.connection(Role.WORKER) as connection:
                pause = self._how.first_retry * 2 ** (message.attempts - 1)
                await connection.execute(RETRY, message.inbound_id, message.attempts, pause, what)
        except Exception as second:  # the store is away: the lease runs out, and somebody tries again
            log.warning(
                "inbound message left to its lease", inbound_id=message.inbound_id, error=type(second).__qualname__
            )

    async def _give_up(self, message: _Leased, what: str) -> None:
        """Record the failure and apologise, so that nobody waits for an answer that will not come."""
        try:
            sender = self._sender(message)
            apologise = self._manner(sender).may_be_answered(sender.address)
        except (Unsealable, ValueError):  # the key is gone, or a newer version's channel: nobody to write to
            apologise = False
        async with self._database.transaction(Role.WORKER) as connection:
            if await connection.fetchval(SETTLE, message.inbound_id, message.attempts, what, None) is None:
                return
            if apologise:
                language = Language.VIETNAMESE
                await self._reply(connection, message, self._conversation.apology(language), language)
        log.error("inbound message given up", inbound_id=message.inbound_id, error=what)
        HANDLED.labels(message.channel, "failed").inc()


STATEMENTS = (LEASE, SETTLE, RETRY, FIND_DOSSIER)
