"""A stand-in for the Bot API, written from core.telegram.org/bots/api and the source of tdlib/telegram-bot-api.

There is no real Telegram here. It keeps the server's own semantics: offsets that confirm, one long poll at a time, no
fetching while a webhook is set, one update of a person at a time and again until it is taken, methods in a webhook's
answer. It enforces the limits of the FAQ, and fails as it is told.
"""

import asyncio
import json
import re
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "123456789:AAF-a_token_of_the_tests_0123456789abc"
BOT = {"id": 123456789, "is_bot": True, "first_name": "Một Mã", "username": "motma_bot"}
Json = dict[str, Any]


class Refusal(Exception):
    """An answer with ok=false."""

    def __init__(self, code: int, description: str, **parameters: float) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


@dataclass(kw_only=True)
class Fault:
    """How one call goes wrong. `taken`: the server does what was asked, and the answer is lost."""

    refusal: Refusal | None = None
    taken: bool = False
    html: int = 0  # the status of a page that is not the Bot API's
    waits: asyncio.Event | None = None


@dataclass(kw_only=True)
class Limits:
    """What the FAQ promises: messages a `second`, and in groups a minute. Tests may make the second shorter."""

    second: float = 1.0
    per_chat: int = 1
    per_bot: int = 30
    per_group: int = 20
    sent: dict[int, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def count(self, chat: int) -> None:
        """Count one message to `chat`, or raise 429."""
        now = time.monotonic()
        rules = [(0, self.per_bot, self.second), (chat, self.per_chat, self.second)]
        if chat < 0:
            rules[1] = (chat, self.per_group, 60 * self.second)
        for key, most, window in rules:
            times = self.sent[key]
            while times and times[0] <= now - window:
                times.popleft()
            if len(times) >= most:
                after = times[0] + window - now
                raise Refusal(429, f"Too Many Requests: retry after {after:.3f}", retry_after=after)
        for key, _, _ in rules:
            self.sent[key].append(now)


@dataclass
class Webhook:
    """Where updates go."""

    url: str = ""
    secret: str = ""
    allowed: list[str] = field(default_factory=list)
    last_error: str = ""
    last_error_date: int = 0


@dataclass
class BotApi:
    """The server and all it knows. `deliver_to` is where a webhook's updates really go: tests have no https."""

    url: str = ""
    deliver_to: str = ""
    limits: Limits | None = None
    first_pause: float = 0.01  # seconds until an update not taken twice comes again; doubles
    calls: list[tuple[str, Json]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)  # of every sendMessage
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    chats: dict[int, Json] = field(default_factory=dict)  # those that wrote to the bot
    blocked: set[int] = field(default_factory=set)
    deactivated: set[int] = field(default_factory=set)
    messages: dict[int, list[Json]] = field(default_factory=lambda: defaultdict(list))  # of the bot, by chat
    answered: list[str] = field(default_factory=list)  # callback queries
    commands: dict[str, list[Json]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    webhook: Webhook = field(default_factory=Webhook)
    updates: deque[Json] = field(default_factory=deque)
    attempts: list[tuple[int, int]] = field(default_factory=list)  # deliveries: update id, status
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _update_id: int = 817_000_000
    _message_id: int = 100
    _polling: "asyncio.Future[None] | None" = None
    _deliveries: dict[int, "asyncio.Task[None]"] = field(default_factory=dict)
    _http: aiohttp.ClientSession | None = None

    # --- what happens in Telegram ---

    async def update(self, chat: int, **what: object) -> int:
        """Something happens in `chat`; its update id."""
        self._update_id += 1
        self.updates.append({"update_id": self._update_id, **what})
        await self.tell()
        if self.webhook.url:
            self._deliver(chat)
        return self._update_id

    def next_message_id(self) -> int:
        """Message ids count up, over all private chats of the bot."""
        self._message_id += 1
        return self._message_id

    async def tell(self) -> None:
        """Wake whoever waits for a change."""
        async with self.changed:
            self.changed.notify_all()

    # --- delivery to the webhook ---

    def _deliver(self, chat: int) -> None:
        """Each chat's updates one at a time and in order, beside those of others."""
        running = self._deliveries.get(chat)
        if running is None or running.done():
            self._deliveries[chat] = asyncio.create_task(self._deliver_all(chat))

    async def _deliver_all(self, chat: int) -> None:
        while waiting := [update for update in self.updates if _chat_of(update) == chat]:
            pause = 0.0
            while self.webhook.url and not await self._delivered(waiting[0]):
                await asyncio.sleep(pause)
                pause = pause * 2 or self.first_pause
            if not self.webhook.url:
                return
            self.updates.remove(waiting[0])
            await self.tell()

    async def _delivered(self, update: Json) -> bool:
        assert self._http is not None
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.webhook.secret} if self.webhook.secret else {}
        try:
            async with self._http.post(self.deliver_to, json=update, headers=headers) as response:
                self.attempts.append((update["update_id"], response.status))
                if 200 <= response.status <= 299:
                    await self._call_from_answer(await response.read())
                    return True
                self.webhook.last_error = f"Wrong response from the webhook: {response.status} {response.reason}"
        except aiohttp.ClientError:
            self.webhook.last_error = "Webhook connection closed"
        self.webhook.last_error_date = int(time.time())
        return False

    async def _call_from_answer(self, body: bytes) -> None:
        """A webhook may answer with the method it wants called; it never hears what became of that."""
        asked = json.loads(body) if body else {}
        method = str(asked.pop("method", ""))
        if method and not method.lower().startswith(("get", "setwebhook", "deletewebhook")):
            with suppress(Refusal):
                await self._do(method, asked)

    # --- the methods ---

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """POST /bot{token}/{method}"""
        method = request.match_info["method"]
        if request.match_info["token"] != TOKEN:
            return _answer(Refusal(401, "Unauthorized"))
        given = await request.json() if request.can_read_body else {}
        fault = self.faults[method].popleft() if self.faults[method] else Fault()
        if fault.waits is not None:
            await fault.waits.wait()
        if fault.html:
            return web.Response(status=fault.html, text="<html>no Bot API</html>", content_type="text/html")
        try:
            if fault.refusal is not None:
                self.calls.append((method, given))
                raise fault.refusal
            answer = _answer(await self._do(method, given))
        except Refusal as refusal:
            answer = _answer(refusal)
        if method == "sendMessage":
            self.statuses.append(answer.status)
        if fault.taken:
            assert request.transport is not None
            request.transport.abort()
        return answer

    async def file(self, request: web.Request) -> web.Response:
        """GET /file/bot{token}/{path}"""
        content = self.files.get(request.match_info["path"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    async def _do(self, method: str, given: Json) -> object:
        self.calls.append((method, given))
        handlers = {
            "getme": self._get_me,
            "sendmessage": self._send_message,
            "answercallbackquery": self._answer_callback_query,
            "getupdates": self._get_updates,
            "setwebhook": self._set_webhook,
            "deletewebhook": self._set_webhook,
            "getwebhookinfo": self._get_webhook_info,
            "setmycommands": self._set_my_commands,
            "getfile": self._get_file,
        }
        handler = handlers.get(method.lower())
        if handler is None:
            raise Refusal(404, "Not Found")
        return await handler(given)

    async def _get_me(self, _given: Json) -> Json:
        return {**BOT, "can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}

    async def _send_message(self, given: Json) -> Json:
        chat = given["chat_id"]
        assert isinstance(chat, int)
        if chat in self.deactivated:
            raise Refusal(403, "Forbidden: user is deactivated")
        if chat in self.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        if chat not in self.chats:
            raise Refusal(400, "Bad Request: chat not found")
        text = given["text"]
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > 4096:
            raise Refusal(400, "Bad Request: message is too long")
        for row in given.get("reply_markup", {}).get("inline_keyboard", []):
            for button in row:
                if not 1 <= len(button["callback_data"].encode()) <= 64:
                    raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
        if self.limits is not None:
            self.limits.count(chat)
        message = {
            "message_id": self.next_message_id(),
            "from": BOT,
            "chat": self.chats[chat],
            "date": int(time.time()),
            "text": text,
        }
        if markup := given.get("reply_markup"):
            message["reply_markup"] = markup
        self.messages[chat].append(message)
        await self.tell()
        return message

    async def _answer_callback_query(self, given: Json) -> bool:
        if given["callback_query_id"] in self.answered:
            raise Refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self.answered.append(given["callback_query_id"])
        await self.tell()
        return True

    async def _get_updates(self, given: Json) -> list[Json]:
        if self.webhook.url:
            raise Refusal(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook")
        self._end_polling("Conflict: terminated by other getUpdates request; make sure that only one bot is running")
        while self.updates and self.updates[0]["update_id"] < given.get("offset", 0):
            self.updates.popleft()
        await self.tell()
        ended = self._polling = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(given.get("timeout", 0) or 0.001):
                while not self.updates:
                    waiting = asyncio.create_task(self._something_happens())
                    await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
                    if ended.done():
                        ended.result()
        except TimeoutError:
            pass
        allowed = given.get("allowed_updates") or []
        return [update for update in list(self.updates)[:100] if not allowed or set(update) & set(allowed)]

    async def _something_happens(self) -> None:
        async with self.changed:
            await self.changed.wait()

    def _end_polling(self, why: str) -> None:
        if self._polling is not None and not self._polling.done():
            self._polling.set_exception(Refusal(409, why))
            self._polling.exception()  # it may be nobody's by now

    async def _set_webhook(self, given: Json) -> bool:
        url = given.get("url", "")
        if url and not url.startswith("https://"):
            raise Refusal(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if not re.fullmatch("[A-Za-z0-9_-]{0,256}", given.get("secret_token", "")):
            raise Refusal(400, "Bad Request: secret token contains unallowed characters")
        if url:
            self._end_polling("Conflict: terminated by setWebhook request")
        self.webhook = Webhook(url=url, secret=given.get("secret_token", ""), allowed=given.get("allowed_updates", []))
        if url:
            for chat in {_chat_of(update) for update in self.updates}:
                self._deliver(chat)
        await self.tell()
        return True

    async def _get_webhook_info(self, _given: Json) -> Json:
        info: Json = {
            "url": self.webhook.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self.updates),
            "max_connections": 40,
            "allowed_updates": self.webhook.allowed,
        }
        if self.webhook.last_error_date:
            info |= {"last_error_date": self.webhook.last_error_date, "last_error_message": self.webhook.last_error}
        return info

    async def _set_my_commands(self, given: Json) -> bool:
        for command in given["commands"]:
            if not re.fullmatch("[a-z0-9_]{1,32}", command["command"]) or not 1 <= len(command["description"]) <= 256:
                raise Refusal(400, "Bad Request: BOT_COMMAND_INVALID")
        self.commands[given.get("language_code", "")] = given["commands"]
        await self.tell()
        return True

    async def _get_file(self, given: Json) -> Json:
        path = f"photos/{given['file_id']}"
        if path not in self.files:
            raise Refusal(400, "Bad Request: invalid file_id")
        return {
            "file_id": given["file_id"],
            "file_unique_id": "u",
            "file_size": len(self.files[path]),
            "file_path": path,
        }


def _chat_of(update: Json) -> int:
    what = next(value for name, value in update.items() if name != "update_id")
    chat = what.get("message", what).get("chat") or what["from"]
    return int(chat["id"])


def _answer(result: object) -> web.Response:
    if isinstance(result, Refusal):
        told = {"ok": False, "error_code": result.code, "description": result.description}
        if result.parameters:
            told["parameters"] = result.parameters
        return web.json_response(told, status=result.code)
    return web.json_response({"ok": True, "result": result})


@asynccontextmanager
async def bot_api() -> AsyncIterator[BotApi]:
    """A server that listens."""
    async with aiohttp.ClientSession() as http:
        api = BotApi()
        api._http = http
        app = web.Application()
        app.router.add_post("/bot{token}/{method}", api.handle)
        app.router.add_get("/file/bot{token}/{path:.+}", api.file)
        server = TestServer(app)
        await server.start_server()
        api.url = str(server.make_url("")).rstrip("/")
        try:
            yield api
        finally:
            for task in api._deliveries.values():
                task.cancel()
            api._end_polling("Internal Server Error: restart")
            await asyncio.gather(*api._deliveries.values(), return_exceptions=True)
            await server.close()
