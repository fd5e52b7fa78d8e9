"""Zalo Bot Platform: a bot as on Telegram, without an Official Account behind it (docs.zaloplatforms.com/docs/BOT).

It answers in private chats only, and knows neither templates, buttons, reports nor who follows. What it is told is
proven by a secret in a header; the body is not signed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import msgspec
import structlog
from aiohttp import web

from channels.channel import IGNORED, Heard, KeepPicture, Opening, Surroundings
from channels.conversation.turn import Manner
from channels.hook_secrets import is_one_of, secrets_of
from channels.linked_pictures import LinkedPictures
from channels.provider_call import ProviderAnswer, call_once, refused
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.errors import InDoubt, Invalid, Malformed, TryLater, Unauthenticated
from domain.message import HandedOver, Incoming, Outgoing
from domain.vietnamese import clean
from pages.requests import small_body

ZALO_BOT = ChannelName("zalo_bot")
API_URL = "https://bot-api.zaloplatforms.com"
SECRET = "X-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
SHORTEST_SECRET, LONGEST_SECRET = 8, 256
MOST_BODY = 65_536  # bytes
MOST_TEXT = 2_000  # characters
PICTURE_SECONDS = 1.4  # for fetching and reading a picture before its message is recorded
MOST_AGE = timedelta(days=1)
PRIVATE = "PRIVATE"
PICTURE = "message.image.received"
# Kinds that people send and that say nothing to us are answered with help; a kind we do not know is not.
_KINDS = ("text", "link", "image", "sticker", "voice", "unsupported")
_HEARD = frozenset(f"message.{kind}.received" for kind in _KINDS)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ZaloBotSettings:
    """MOTMA_ZALO_BOT_…; off until `webhook_secret` is set; it may be `new,old`."""

    token: str = field(default="", repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    api_url: str | None = None
    picture_origins: str = "https://*.zdn.vn,https://*.zadn.vn"
    rate: float | None = 10.0
    concurrency: int = 8


class _Chat(msgspec.Struct, frozen=True):
    id: str | int = ""
    chat_type: str = ""


class _From(msgspec.Struct, frozen=True):
    is_bot: bool = False


class _Message(msgspec.Struct, frozen=True):
    chat: _Chat | None = None
    sender: _From | None = msgspec.field(name="from", default=None)
    message_id: str | int = ""
    date: int | float | None = None
    text: str | None = None
    caption: str | None = None
    photo: Any = None
    url: Any = None


class _Update(msgspec.Struct, frozen=True):
    """One update: as documented under `result`, as some receive it without."""

    event_name: str = ""
    message: _Message | None = None
    result: "_Update | None" = None


class _Answer(msgspec.Struct, frozen=True):
    ok: bool
    result: Any = None
    error_code: int = 0


class ZaloBotChannel:
    """Words in, words out."""

    name = "zalo_bot"
    reaches = ZALO_BOT

    def __init__(
        self,
        settings: ZaloBotSettings,
        *,
        http: aiohttp.ClientSession,
        heard: Heard,
        public_url: str,
        keep_picture: KeepPicture | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._secrets = secrets_of(settings.webhook_secret or "")
        if not self._secrets or not settings.token:
            raise Malformed("The Zalo bot needs MOTMA_ZALO_BOT_TOKEN and MOTMA_ZALO_BOT_WEBHOOK_SECRET.")
        if not all(SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET for secret in self._secrets):
            raise Malformed("MOTMA_ZALO_BOT_WEBHOOK_SECRET must have 8 to 256 characters: Zalo takes no other.")
        self._hook_url = f"{public_url.rstrip('/')}/webhooks/zalo-bot"
        self._pictures = LinkedPictures(
            http, settings.picture_origins, public_url=public_url, within=PICTURE_SECONDS, keep=keep_picture
        )
        self._http = http
        self._heard = heard
        self._clock = clock

    @property
    def concurrency(self) -> int:
        """Calls at once."""
        return self._settings.concurrency

    @property
    def rate(self) -> float | None:
        """Messages a second."""
        return self._settings.rate

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The one webhook."""
        return [web.post("/webhooks/zalo-bot", self.receive)]

    async def register(self) -> None:
        """Tell Zalo where we are, with our secret."""
        if not self._hook_url.startswith("https://") and self._settings.api_url is None:
            log.warning("Zalo delivers to https only: the bot hears nothing", webhook=self._hook_url)
            return
        await self._call("setWebhook", url=self._hook_url, secret_token=self._secrets[0].decode())

    async def examine(self) -> str:
        """Who the bot is and whether Zalo knows where we are. Raises `Invalid` when it does not."""
        who = await self._call("getMe")
        where = await self._call("getWebhookInfo")
        url = where.get("url") if isinstance(where, dict) else None
        if url != self._hook_url:
            raise Invalid(
                f"Zalo calls {url or 'nobody'}, not {self._hook_url}: start the role web with MOTMA_PUBLIC_URL set.",
                field="MOTMA_PUBLIC_URL",
            )
        return f"bot {who.get('account_name') if isinstance(who, dict) else '?'}"

    # --- in ---

    async def receive(self, request: web.Request) -> web.Response:
        """One update. Raises `Unauthenticated`, `TooLarge`; anything genuine is answered 200."""
        if not is_one_of(request.headers.get(SECRET, ""), self._secrets):
            raise Unauthenticated("The call does not bear the secret agreed on.")
        body = await small_body(request, MOST_BODY)
        try:
            update = msgspec.json.decode(body, type=_Update)
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            IGNORED.labels(self.name, "unreadable").inc()
            return web.Response()
        await self._take(update.result or update)
        return web.Response()

    async def _take(self, update: _Update) -> None:
        message = update.message
        if message is None or update.event_name not in _HEARD:
            IGNORED.labels(self.name, "event").inc()
            return
        chat, message_id = message.chat or _Chat(), clean(str(message.message_id))[:64]
        address = clean(str(chat.id))[:64]
        # A group would read what is meant for one person, and another bot would never tire of answering.
        if chat.chat_type != PRIVATE or (message.sender and message.sender.is_bot) or not address or not message_id:
            IGNORED.labels(self.name, "not a person").inc()
            return
        sender = Contact(channel=ZALO_BOT, address=address)
        await self._heard(
            Incoming(
                sender=sender,
                recipient="",
                text=await self._words(update.event_name, message, sender),
                external_id=f"{self.name}:{message_id}",
                received_at=self._sent_at(message.date),
            )
        )

    async def _words(self, event_name: str, message: _Message, sender: Contact) -> str:
        said = message.text or message.caption or (message.url if isinstance(message.url, str) else "")
        if event_name == PICTURE and isinstance(message.photo, str):
            return await self._pictures.code_in(message.photo, sender) or clean(said)
        return clean(said)

    def _sent_at(self, milliseconds: float | None) -> datetime:
        """When it was sent; a time that cannot be is a clock gone wrong, and ours counts."""
        now = self._clock()
        try:
            at = datetime.fromtimestamp((milliseconds or 0) / 1_000, UTC)
        except (ValueError, OverflowError, OSError):
            return now
        return at if now - MOST_AGE <= at <= now else now

    # --- out ---

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one message over."""
        text = message.text if len(message.text) <= MOST_TEXT else f"{message.text[: MOST_TEXT - 1]}…"
        result = await self._call("sendMessage", chat_id=message.to.address, text=text)
        message_id = result.get("message_id") if isinstance(result, dict) else None
        return HandedOver(provider_id=None if message_id is None else str(message_id))

    async def _call(self, method: str, **members: str) -> Any:  # noqa: ANN401 - the member `result`
        """Call the bot API once. The token stands in the address, which is therefore in no error and no log."""
        url = f"{(self._settings.api_url or API_URL).rstrip('/')}/bot{self._settings.token}/{method}"
        return _read(await call_once(self._http, "POST", url, json=members))


def _read(answer: ProviderAnswer) -> Any:  # noqa: ANN401 - the member `result`
    """The result. A refusal stands in the body, with an HTTP status or without."""
    try:
        said = msgspec.json.decode(answer.body, type=_Answer)
    except (ValueError, RecursionError):
        if 200 <= answer.status < 300:
            raise InDoubt("The bot API's answer says neither yes nor no.") from None
        raise refused(answer) from None
    if said.ok:
        return said.result
    status = said.error_code if 400 <= said.error_code < 600 else answer.status
    if status < 400:
        raise TryLater(f"The bot API refused with {said.error_code}.")
    raise refused(ProviderAnswer(status=status, body=answer.body, retry_after=answer.retry_after))


def _make(settings: ZaloBotSettings, around: Surroundings) -> ZaloBotChannel:
    return ZaloBotChannel(
        settings, http=around.http, heard=around.heard, public_url=around.public_url, keep_picture=around.keep_picture
    )


OPENING = Opening(
    prefix="MOTMA_ZALO_BOT_",
    settings=ZaloBotSettings,
    secret="webhook_secret",  # noqa: S106 - the field's name
    make=_make,
    reaches=ZALO_BOT,
    manner=Manner(fits=lambda text: len(text) <= MOST_TEXT, buttons=False),
)
