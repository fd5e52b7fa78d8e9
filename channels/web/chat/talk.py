"""What was said in one session of the web chat, read from the store, and the news that there is more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from channels.channel import Heard
from channels.web.chat.channel import NEWS, SESSION
from database.pool import DATABASE_AWAY, Database, Role
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.errors import Unavailable
from domain.language import Language
from domain.message import Choice, DeliveryState, Incoming, IncomingKind
from lookup.sealing import Seal
from notifications.outbox import opened_choices
from notifications.reports import Reports
from notifications.wakeup import listen

ROUTE = "web"
MOST_SHOWN = 60  # lines of each side
LOOK_AGAIN = 10.0  # seconds; a NOTIFY may be lost on its way

SAID = """
    SELECT id, recorded_at AS at, text_sealed FROM inbound
     WHERE sender_digest = $1 AND kind = 'text' AND recorded_at > now() - $2::interval
     ORDER BY id DESC LIMIT $3"""
SHOWN = """
    SELECT id, handed_over_at AS at, text_sealed, choices_sealed, state FROM message
     WHERE contact_digest = $1 AND channel = 'web' AND handed_over_at > now() - $2::interval
       AND text_sealed IS NOT NULL
     ORDER BY id DESC LIMIT $3"""
NEWEST = """
    SELECT id FROM message
     WHERE contact_digest = $1 AND channel = 'web' AND handed_over_at IS NOT NULL ORDER BY id DESC LIMIT 1"""
# The conversation begins in the language of the page; from then on the person's own words decide.
SPEAK = """
    INSERT INTO conversation (contact_digest, state_sealed, language, expires_at)
    SELECT $1, $2, $3, now() WHERE NOT EXISTS (SELECT FROM inbound WHERE sender_digest = $1)
    ON CONFLICT (contact_digest) DO NOTHING"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing said. `key` is its name on the page; `choices` are what may be answered by a tap."""

    key: str
    ours: bool
    at: datetime
    text: str = field(repr=False)
    choices: tuple[Choice, ...] = ()


class Talks:
    """The sessions of this process's pages. `listening` must run beside them."""

    def __init__(self, database: Database, seal: Seal, heard: Heard) -> None:
        self._database = database
        self._seal = seal
        self._heard = heard
        self._reports = Reports(database)
        self._watchers: dict[str, set[asyncio.Event]] = {}

    async def listening(self) -> None:
        """Hear of what the dispatchers hand over, until the connection is lost, which raises."""
        await listen(self._database.url, NEWS, self._tell)

    async def say(self, session: str, text: str, *, word_id: str, language: Language) -> bool:
        """The person says `text`; False when this very `word_id` was said before. Raises `Unavailable`."""
        if language is not Language.VIETNAMESE:
            await self._speak(session, language)
        return await self._hear(session, text, word_id, IncomingKind.TEXT)

    async def end(self, session: str) -> None:
        """The person leaves: nothing more is told here. Raises `Unavailable`."""
        await self._hear(session, "", "end", IncomingKind.LEFT)

    async def _hear(self, session: str, text: str, word_id: str, kind: IncomingKind) -> bool:
        # The page chose the id: it counts within its own session only.
        external_id = f"{ROUTE}:{self._digest(session).hex()}:{word_id}"
        return await self._heard(
            Incoming(
                sender=_contact(session),
                recipient="",
                text=text,
                external_id=external_id,
                received_at=utc_now(),
                kind=kind,
            )
        )

    async def lines(self, session: str) -> list[Line]:
        """What was said in the session, oldest first; what is shown for the first time is reported delivered."""
        digest = self._digest(session)
        try:
            async with self._database.connection(Role.WORKER) as connection:
                said = await connection.fetch(SAID, digest, SESSION, MOST_SHOWN)
                shown = await connection.fetch(SHOWN, digest, SESSION, MOST_SHOWN)
        except DATABASE_AWAY as error:
            raise Unavailable("The conversation cannot be read at the moment.") from error
        new = [row["id"] for row in shown if row["state"] < DeliveryState.DELIVERED]
        delivered = partial(self._reports.report, route=ROUTE, state=DeliveryState.DELIVERED, provider_word="shown")
        await asyncio.gather(*(delivered(message_id=id_) for id_ in new))
        lines = [
            Line(key=f"s{row['id']}", ours=False, at=row["at"], text=self._seal.open(row["text_sealed"]))
            for row in said
        ]
        lines += [
            Line(
                key=f"m{row['id']}",
                ours=True,
                at=row["at"],
                text=self._seal.open(row["text_sealed"]),
                choices=opened_choices(self._seal, row["choices_sealed"]),
            )
            for row in shown
        ]
        return sorted(lines, key=lambda line: line.at)

    async def newest(self, session: str) -> int:
        """The newest message handed over to the session; 0 when there is none."""
        async with self._database.connection(Role.WORKER) as connection:
            return await connection.fetchval(NEWEST, self._digest(session)) or 0

    async def answered(self, session: str, since: int, within: timedelta) -> bool:
        """Wait for a message newer than `since`; False when none came `within` that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within.total_seconds()), aclosing(self.news(session, since)) as news:
                async for _ in news:
                    return True
        return False

    async def news(self, session: str, since: int) -> AsyncGenerator[int, None]:
        """Each message newer than `since` as it is handed over; never ends by itself. Raises `Unavailable`."""
        changed = asyncio.Event()
        key = self._digest(session).hex()
        self._watchers.setdefault(key, set()).add(changed)
        try:
            while True:
                changed.clear()
                if (newest := await self.newest(session)) > since:
                    since = newest
                    yield newest
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN):
                        await changed.wait()
        finally:
            self._watchers[key].discard(changed)
            if not self._watchers[key]:
                del self._watchers[key]

    async def _speak(self, session: str, language: Language) -> None:
        async with self._database.connection(Role.WORKER) as connection:
            await connection.execute(SPEAK, self._digest(session), self._seal.seal("{}"), language)

    def _tell(self, session_digest: str) -> None:
        """There is something new for one session; for any of them when it is not said for which."""
        keys = [session_digest] if session_digest else list(self._watchers)
        for key in keys:
            for changed in self._watchers.get(key, ()):
                changed.set()

    def _digest(self, session: str) -> bytes:
        return self._seal.contact(_contact(session))


def _contact(session: str) -> Contact:
    return Contact(channel=ChannelName.WEB, address=session)


STATEMENTS = (SAID, SHOWN, NEWEST, SPEAK)
