"""The web chat as a channel: a message is handed over by being laid where the page of its session finds it.

The address is the session's random number, which a cookie of that browser holds and nobody else. A session lives for
`SESSION` after the person's last word; what would be told later is told nobody.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from channels.channel import Opening, Surroundings
from database.pool import DATABASE_AWAY, Database, Role
from domain.civil_time import utc_now
from domain.contact import ChannelName
from domain.errors import Gone, TryLater, Unavailable
from domain.message import HandedOver, Outgoing
from lookup.sealing import Seal
from notifications.outbox import sealed_choices

SESSION = timedelta(hours=24)
NEWS = "motma_web_chat"  # the channel of NOTIFY; the statement below names it too

# The words of a notice are made when it is sent: from now on the row keeps what was shown.
SHOW = """
    WITH shown AS (
        UPDATE message
           SET text_sealed = coalesce(text_sealed, $2), choices_sealed = coalesce(choices_sealed, $3),
               handed_over_at = coalesce(handed_over_at, now())
         WHERE id = $1
        RETURNING contact_digest)
    SELECT pg_notify('motma_web_chat', encode(contact_digest, 'hex')) FROM shown"""


_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, Unavailable)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebChatSettings:
    """There is nothing to set: the chat speaks to our own pages only."""


class WebChat:
    """Sends to the page. What people say arrives by `channels.web.chat.pages`."""

    name = "web"
    reaches = ChannelName.WEB
    concurrency = 8
    rate = None

    def __init__(self, database: Database, seal: Seal, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._seal = seal
        self._clock = clock

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """No webhook: nobody stands between the page and us."""
        return ()

    async def send(self, message: Outgoing) -> HandedOver:
        """Lay `message` out for its session. Raises `Gone` when that has ended, `TryLater` while the store is away."""
        if message.last_heard is None or self._clock() - message.last_heard > SESSION:
            raise Gone("The web chat has ended.")
        text, choices = self._seal.seal(message.text), sealed_choices(self._seal, message.choices)
        try:
            async with self._database.connection(Role.WORKER) as connection:
                await connection.execute(SHOW, message.message_id, text, choices)
        except _AWAY as error:
            raise TryLater("The store cannot be reached.") from error
        return HandedOver(provider_id=None)


def _make(_settings: WebChatSettings, around: Surroundings) -> WebChat:
    return WebChat(around.database, around.seal)


OPENING = Opening(
    prefix="MOTMA_WEB_CHAT_",
    settings=WebChatSettings,
    secret=None,
    make=_make,
    reaches=ChannelName.WEB,
)

STATEMENTS = (SHOW,)
