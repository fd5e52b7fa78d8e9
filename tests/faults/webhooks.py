"""Gateways that call us: genuine calls as each signs them, and callers that call again until they are acknowledged."""

import asyncio
import base64
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from channels.standard_webhooks import PREFIX, key_of, sign
from tests.faults.rig import HOOK_SECRET, Rig

SMS_SECRET = PREFIX + base64.b64encode(b"faults-by-sms-" * 3).decode()
TELEGRAM_SECRET = "faults-by-telegram-0001"
OUR_NUMBER = "8088"
# What a rig needs beside its own settings for these calls to be genuine.
SETTINGS: Mapping[str, str] = {
    "MOTMA_SMS_HOOK_SECRET": SMS_SECRET,
    "MOTMA_TELEGRAM_TOKEN": "123456789:AAEfaultsFaultsFaultsFaultsFaults00",
    "MOTMA_TELEGRAM_WEBHOOK_SECRET": TELEGRAM_SECRET,
    "MOTMA_TELEGRAM_RATE": "1000",
    "MOTMA_TELEGRAM_CHAT_SPACING": "0.01",
}
AGAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One webhook call. `name` is the provider's id of what it tells, as we record it."""

    name: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def by_sms(sender: str, text: str, number: int, *, secret: str = SMS_SECRET) -> Call:
    """A text from a phone, told by a gateway that signs (Standard Webhooks)."""
    told = {"id": f"sms-{number}", "from": sender, "to": OUR_NUMBER, "text": text}
    body, now = msgspec.json.encode(told), int(time.time())
    headers = {
        "webhook-id": f"call-{number}",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(key_of(secret), f"call-{number}", now, body),
        "Content-Type": "application/json",
    }
    return Call(name=f"sms:sms-{number}", path="/webhooks/sms", headers=headers, body=body)


def by_kannel(sender: str, text: str, number: int, *, secret: str = HOOK_SECRET) -> Call:
    """A text from a phone, told by Kannel, which knows a secret address and signs nothing."""
    told = {"from": sender, "to": OUR_NUMBER, "text": text, "id": f"mo-{number}", "charset": "UTF-8", "coding": "0"}
    body = "&".join(f"{name}={quote(value, safe='')}" for name, value in told.items()).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Call(name=f"kannel:mo-{number}", path=f"/webhooks/kannel/{secret}/mo", headers=headers, body=body)


def report_by_kannel(message_id: int) -> Call:
    """One of our messages arrived, told by Kannel."""
    body = f"type=1&id=gateway-{message_id}&mid={message_id}&reply=DELIVRD".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Call(name=report_name(message_id), path=f"/webhooks/kannel/{HOOK_SECRET}/dlr", headers=headers, body=body)


def report_name(message_id: int) -> str:
    """What a report of that message is called here."""
    return f"report:{message_id}"


def by_telegram(chat: int, text: str, number: int, *, secret: str = TELEGRAM_SECRET) -> Call:
    """Words in a private chat with the bot."""
    return update(number, {"message": said(chat, number) | {"text": text}}, secret=secret)


def said(chat: int, number: int) -> dict[str, Any]:
    """A message in a private chat, without what is said in it."""
    person = {"id": chat, "is_bot": False, "first_name": "An"}
    private = {"id": chat, "first_name": "An", "type": "private"}
    return {"message_id": number, "from": person, "chat": private, "date": int(time.time())}


def blocked(chat: int, number: int) -> Call:
    """The bot is blocked by a person."""
    bot = {"id": 123456789, "is_bot": True, "first_name": "Một Mã", "username": "motma_bot"}
    change = said(chat, number)
    del change["message_id"]
    standings = {
        "old_chat_member": {"user": bot, "status": "member"},
        "new_chat_member": {"user": bot, "status": "kicked", "until_date": 0},
    }
    return update(number, {"my_chat_member": change | standings})


def update(number: int, what: dict[str, Any], *, secret: str = TELEGRAM_SECRET) -> Call:
    """One update as Telegram delivers it."""
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret, "Content-Type": "application/json"}
    body = msgspec.json.encode({"update_id": number, **what})
    return Call(name=f"telegram:123456789:{number}", path="/webhooks/telegram", headers=headers, body=body)


@dataclass(slots=True)
class Callers:
    """Calls as a provider does: again after anything but 2xx, until told to stop. Notes what became of each try."""

    rig: Rig
    http: aiohttp.ClientSession
    acked: set[str] = field(default_factory=set)  # names
    seconds: list[tuple[float, float]] = field(default_factory=list)  # when asked (monotonic), time to the ack
    refused: list[str] = field(default_factory=list)  # 4xx
    failed: list[str] = field(default_factory=list)  # 5xx, cut off

    async def call(self, call: Call, *, tries: int = 1_000) -> bool:
        """Make `call` until it is acknowledged or refused; whether it was acknowledged."""
        for _ in range(tries):
            asked = time.monotonic()
            status = await self._once(call)
            if 200 <= status < 300:
                self.acked.add(call.name)
                self.seconds.append((asked, time.monotonic() - asked))
                return True
            if 400 <= status < 500:
                self.refused.append(f"{call.path} {status}")
                return False
            await asyncio.sleep(AGAIN_SECONDS)
        return False

    async def _once(self, call: Call) -> int:
        try:
            async with self.http.post(self.rig.url + call.path, data=call.body, headers=call.headers) as response:
                await response.read()
                if response.status >= 500:
                    self.failed.append(str(response.status))
                return response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failed.append(type(error).__name__)
            return 0

    async def steadily(self, calls: Iterable[Call], *, rate: float, tries: int = 1_000) -> None:
        """Make the calls at `rate` a second, whether or not earlier ones were answered; returns when each was."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as under_way:
            for sent, call in enumerate(calls, 1):
                under_way.create_task(self.call(call, tries=tries))
                await asyncio.sleep(max(0.0, began + sent / rate - loop.time()))

    async def at_once(self, calls: Iterable[Call], *, lines: int = 32) -> None:
        """Make the calls as fast as `lines` at a time are answered."""
        waiting = iter(calls)

        async def line() -> None:
            for call in waiting:
                await self.call(call)

        async with asyncio.TaskGroup() as under_way:
            for _ in range(lines):
                under_way.create_task(line())


def open_line() -> aiohttp.ClientSession:
    """Connections for callers, as many as they need."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=10), connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
    )
