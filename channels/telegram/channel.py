"""Telegram: updates by webhook or by long polling, answers by sendMessage.

Reads the Bot API of core.telegram.org/bots/api and the source of its server, tdlib/telegram-bot-api. Updates of one
person come in order, one at a time; one that is not answered 2xx comes again at once, then after pauses that double up
to two minutes, for a day, and Retry-After is honoured. There are no reports of delivery.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import aiohttp
import msgspec
import structlog
from aiohttp import web
from telegram import InlineKeyboardMarkup, Update, WebhookInfo
from telegram.constants import MessageLimit

from cache.limits import Limits
from cache.turns import SharedTurns
from channels.channel import IGNORED, Heard, KeepPicture
from channels.chat_pace import ChatPace
from channels.hook_secrets import is_one_of, secrets_of
from channels.pictures import MOST_PICTURE, code_in
from channels.side_by_side import side_by_side
from channels.telegram.bot_api import AnotherListens, BotApi, Flooded
from channels.telegram.messages import keyboard, menu
from channels.telegram.opening import TELEGRAM, TelegramSettings
from channels.telegram.updates import KINDS, NOTHING, Meaning, meaning
from channels.text_parts import all_of, parts
from database.supervision import place
from domain.civil_time import utc_now
from domain.contact import Contact
from domain.errors import Malformed, ServiceError, TryLater, Undeliverable
from domain.language import Language
from domain.message import HandedOver, Incoming, Outgoing
from pages.requests import small_body

PATH = "/webhooks/telegram"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
MOST_UPDATE = 1024 * 1024  # bytes; the longest text, quoted in another, escaped, has a third of that
MOST_UPDATE_ID = 2**63
MOST_BATCH = 8 * 1024 * 1024  # bytes; the server ends a batch at four
MOST_AGE = timedelta(days=2)  # Telegram keeps updates for one; what claims to be older, or from the future, is from now
POLL_SECONDS = 50  # the most that getUpdates waits
PICTURE_SECONDS = 6.0  # for fetching and reading a picture before its message is recorded
AT_ONCE = 8  # chats whose fetched messages are recorded side by side
PAUSE = timedelta(seconds=5)
MOST_TURN = 1.5  # seconds a message waits for the bot's turn, the chat's being its own already
SHORTEST_SECRET = 16

_TOKEN = re.compile(r"([0-9]{1,20}):[A-Za-z0-9_-]{20,}")
_SECRET = re.compile(rb"[A-Za-z0-9_-]{%d,256}" % SHORTEST_SECRET)

log = structlog.get_logger()


class TelegramChannel:
    """One bot, for private chats."""

    name = "telegram"
    reaches = TELEGRAM
    own_turns = True

    def __init__(
        self,
        settings: TelegramSettings,
        *,
        http: aiohttp.ClientSession,
        heard: Heard,
        public_url: str,
        keep_picture: KeepPicture | None = None,
        clock: Callable[[], datetime] = utc_now,
        limits: Limits | None = None,
    ) -> None:
        token = _TOKEN.fullmatch(settings.token or "")
        if token is None:
            raise Malformed("MOTMA_TELEGRAM_TOKEN is not a bot's token, which looks like 123456789:AAE….")
        self._secrets = secrets_of(settings.webhook_secret or "")
        if not all(_SECRET.fullmatch(secret) for secret in self._secrets):
            raise Malformed(f"MOTMA_TELEGRAM_WEBHOOK_SECRET must have {SHORTEST_SECRET} to 256 of A-Z a-z 0-9 _ -.")
        self._bot_id = token[1]
        self._settings = settings
        self._api = BotApi(http, url=settings.api_url, token=token[0])
        self._public_url = public_url
        self._keep_picture = keep_picture
        self._heard = heard
        self._clock = clock
        self._pace = ChatPace(settings.chat_spacing, limits, name=self.name)
        self._turns = None if limits is None else SharedTurns(limits)
        self._offset = 0
        # Telegram delivers to https only. Where it cannot deliver, the role `bot` fetches.
        reachable = self._secrets and public_url.startswith("https://")
        self._webhook_url = f"{public_url.rstrip('/')}{PATH}" if reachable else ""

    @property
    def concurrency(self) -> int:
        """Calls at once."""
        return self._settings.concurrency

    @property
    def rate(self) -> float | None:
        """Messages a second."""
        return self._settings.rate

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The webhook, where there is a secret to know Telegram by."""
        return [web.post(PATH, self.receive)] if self._secrets else []

    # --- in ---

    async def receive(self, request: web.Request) -> web.Response:
        """One update. Whoever does not know the secret finds nothing here. Raises `TooLarge`, `Malformed`."""
        if not is_one_of(request.headers.get(SECRET_HEADER, ""), self._secrets):
            raise web.HTTPNotFound
        body = await small_body(request, MOST_UPDATE)
        try:
            update = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Malformed("The body must be JSON: an update of the Bot API.") from None
        update_id = update.get("update_id")
        if not isinstance(update_id, int) or not 0 <= update_id < MOST_UPDATE_ID:
            raise Malformed("The update has no update_id.", field="update_id")
        at_once = await self._take(update_id, self._read(update))
        # A method in the answer is called by Telegram as if we had called it.
        return web.json_response(at_once) if at_once else web.Response()

    async def poll(self) -> None:
        """Fetch and record until cancelled; returns where Telegram delivers to the webhook.

        An update is confirmed, by asking for those after it, only when it is recorded: none is lost, and one fetched
        twice is recorded once.
        """
        if self._webhook_url:
            log.info("telegram delivers to the webhook: there is nothing to fetch", webhook=self._webhook_url)
            return
        await self.register()
        while True:
            try:
                updates = await self._api.call(
                    "getUpdates",
                    within=POLL_SECONDS + 10,
                    most=MOST_BATCH,
                    offset=self._offset,
                    timeout=POLL_SECONDS,
                    allowed_updates=KINDS,
                )
                await self._take_all(updates)
            except AnotherListens as error:
                # It was we who were cut off, so the other has the word: both record, and nothing is recorded twice.
                log.warning("another process fetches this bot's updates, or set a webhook", said=error.message)
                await asyncio.sleep(random.uniform(20, 40))  # noqa: S311 - spreads, guards nothing
            except ServiceError as error:
                await self._rest("telegram's updates could not be fetched or recorded", error)

    async def _take_all(self, updates: list[dict[str, Any]]) -> None:
        """Record a batch, the updates of each chat in order. Raises what kept one from being recorded."""
        understood = [(update["update_id"], self._read(update)) for update in updates]

        async def take(update: tuple[int, Meaning]) -> None:
            if at_once := await self._take(*update):
                await self._call_at_once(**at_once)

        await side_by_side(((update[1].chat, update) for update in understood), take, at_once=AT_ONCE)
        self._offset = max((update["update_id"] + 1 for update in updates), default=self._offset)

    async def _call_at_once(self, method: str, **parameters: Any) -> None:  # noqa: ANN401 - JSON
        try:
            await self._api.call(method, **parameters)
        except ServiceError as error:  # the button waits a little longer; the message is recorded and gets its answer
            log.info("telegram did not take the answer to an update", method=method, error=error.code)

    def _read(self, update: Mapping[str, Any]) -> Meaning:
        """What an update says; nothing, where it is of a kind or form that python-telegram-bot does not know yet."""
        try:
            understood = meaning(Update.de_json(dict(update)))
        except Exception as error:  # whatever its form: refused, it would come again and hold up the person's others
            IGNORED.labels(self.name, "unreadable").inc()
            log.warning("update cannot be read", error=type(error).__qualname__, at=place(error))
            return NOTHING
        if understood == NOTHING:
            IGNORED.labels(self.name, "kind").inc()
        return understood

    async def _take(self, update_id: int, understood: Meaning) -> Mapping[str, Any] | None:
        """Record what was said; the call, if any, that answers the update itself. Raises `Unavailable`."""
        if understood.kind is None:
            return understood.at_once
        text = understood.text
        if understood.picture is not None:
            text = await self._shown(understood.picture, Contact(channel=self.reaches, address=understood.chat)) or text
        now = self._clock()
        at = understood.at if understood.at and now - MOST_AGE <= understood.at <= now else now
        new = await self._heard(
            Incoming(
                sender=Contact(channel=self.reaches, address=understood.chat),
                recipient=self._bot_id,
                text=text,
                external_id=f"{self.name}:{self._bot_id}:{update_id}",
                received_at=at,
                kind=understood.kind,
            )
        )
        return understood.at_once if new or not understood.once else None

    async def _shown(self, file_id: str, sender: Contact) -> str:
        """The code of the slip in a picture, '' where there is none or it takes too long. The picture is not kept, but
        with the feedback its sender is filing, whose number it then stands for."""
        try:
            async with asyncio.timeout(PICTURE_SECONDS):
                picture = await self._api.download(file_id, MOST_PICTURE)
                code = await code_in(picture, public_url=self._public_url)
                return code or (await self._keep_picture(sender, picture) if self._keep_picture else "")
        except (ServiceError, TimeoutError) as error:
            log.info("telegram's picture could not be fetched", error=type(error).__qualname__)
            return ""

    # --- out ---

    async def send(self, message: Outgoing) -> HandedOver:
        """Write to one chat: as one message wherever the text fits, the buttons under the last."""
        chat = message.to.address
        if not chat.isascii() or not chat.isdigit():
            raise Undeliverable("Only private chats are written to.")
        *before, last = parts(message.text, MessageLimit.MAX_TEXT_LENGTH)
        return await all_of(
            *(partial(self._write, chat, text, None) for text in before),
            partial(self._write, chat, last, keyboard(message.choices)),
        )

    async def _write(self, chat: str, text: str, buttons: InlineKeyboardMarkup | None) -> HandedOver:
        parameters: dict[str, Any] = {"chat_id": int(chat), "text": text, "link_preview_options": {"is_disabled": True}}
        if buttons is not None:
            parameters["reply_markup"] = buttons.to_dict()
        try:
            async with self._pace.turn(chat, self._turn_of_bot):
                sent = await self._api.call("sendMessage", **parameters)
        except TryLater as error:
            if error.after is not None and isinstance(error, Flooded):
                self._pace.hold(chat, error.after)
            raise
        known = sent.get("message_id") if isinstance(sent, dict) else None
        return HandedOver(provider_id=None if known is None else str(known))

    @asynccontextmanager
    async def _turn_of_bot(self) -> AsyncIterator[None]:
        """One of the turns the bot has for all chats, taken in the chat's own. Raises `NotItsTurn`."""
        if self._turns is None:
            yield
            return
        async with self._turns.turn(self.name, self._settings.rate, within=MOST_TURN):
            yield

    # --- the account ---

    async def register(self) -> None:
        """Put up the menu of commands, and tell Telegram where to deliver, or that we fetch; tries until it is told."""
        while True:
            try:
                await self._introduce()
            except ServiceError as error:
                await self._rest("telegram could not be told where we are", error)
            else:
                return

    async def _introduce(self) -> None:
        for language in Language:
            await self._api.call(
                "setMyCommands",
                commands=[command.to_dict() for command in menu(language)],
                scope={"type": "all_private_chats"},
                language_code="" if language is Language.VIETNAMESE else language.value,
            )
        if self._webhook_url:
            secret = self._secrets[0].decode()
            await self._api.call("setWebhook", url=self._webhook_url, secret_token=secret, allowed_updates=KINDS)
        else:
            await self._api.call("deleteWebhook")

    async def _rest(self, what: str, error: ServiceError) -> None:
        wait = getattr(error, "after", None) or PAUSE
        log.warning(what, said=error.message, pause=wait.total_seconds())
        await asyncio.sleep(wait.total_seconds())

    async def examine(self) -> str:
        """Who the bot is and how its updates come. Raises `ServiceError`."""
        me = await self._api.call("getMe")
        info = WebhookInfo.de_json(await self._api.call("getWebhookInfo"))
        if self._webhook_url and info.url != self._webhook_url:
            told = f"Telegram delivers to {info.url or 'nobody'} instead of {self._webhook_url}"
            raise Malformed(f"{told}: start `motma web`, which tells it, and no other service with this token.")
        if not self._webhook_url and info.url:
            raise Malformed(f"Telegram delivers to {info.url}, but we fetch: start `motma bot`, which ends that.")
        failed = info.last_error_date
        if failed is not None and self._clock() - failed < timedelta(hours=1) and info.pending_update_count:
            raise Malformed(
                f"{info.pending_update_count} updates wait; at {failed:%H:%M} UTC Telegram could not deliver: "
                f"{info.last_error_message}."
            )
        way = "delivered to the webhook" if self._webhook_url else "fetched by `motma bot`"
        groups = ", may be added to groups: forbid it with /setjoingroups" if me.get("can_join_groups") else ""
        return f"@{me.get('username')}, {info.pending_update_count} updates waiting to be {way}{groups}"
