"""A provider simulator with its own fsynced ledger: the truth outside the service.

It speaks Kannel's sendsms, and of Telegram's Bot API as much as sending takes.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

SENDSMS = "/cgi-bin/sendsms"


class Ledger:
    """One line per text taken: our message id, the number, the time. Synced before the gateway answers.

    A message by Telegram has its message id there as id, with `telegram:` before it. `texts` are what was said, in
    order.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.texts: list[tuple[str, str]] = []  # phone or chat, text
        # What the network does with a text that it took.
        self.on_text: Callable[[str, str], None] = lambda _phone, _text: None
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, message_id: str, phone: str) -> None:
        """Keep one line for good."""
        os.write(self._descriptor, f"{message_id} {phone} {time.time():.6f}\n".encode())
        os.fdatasync(self._descriptor)

    def take(self, address: str, text: str) -> None:
        """Note what was said, and let the network do with it what it does."""
        self.texts.append((address, text))
        self.on_text(address, text)

    def lines(self) -> list[tuple[str, str, float]]:
        """Message id, phone and time of every text taken."""
        rows = (line.split() for line in self.file.read_text().splitlines())
        return [(row[0], row[1], float(row[2])) for row in rows]

    def times_taken(self) -> Counter[str]:
        """How often each message was taken."""
        return Counter(message_id for message_id, _, _ in self.lines())

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


@asynccontextmanager
async def provider(directory: Path, *, delay: float = 0.0) -> AsyncIterator[tuple[str, Ledger]]:
    """The gateway's sendsms address and its ledger. `delay` seconds pass between taking and answering."""
    ledger = Ledger(directory / "ledger")

    async def sendsms(request: web.Request) -> web.Response:
        report = parse_qs(urlsplit(request.query["dlr-url"]).query)
        phone, text = request.query["to"], request.query["text"]
        await asyncio.to_thread(ledger.write, report["mid"][0], phone)
        ledger.take(phone, text)
        if delay:
            await asyncio.sleep(delay)
        return web.Response(status=202, text="0: Accepted for delivery")

    numbers = count(1)

    async def bot_api(request: web.Request) -> web.Response:
        if request.match_info["method"] != "sendMessage":
            return web.json_response({"ok": True, "result": True})
        given, number = await request.json(), next(numbers)
        await asyncio.to_thread(ledger.write, f"telegram:{number}", str(given["chat_id"]))
        ledger.take(str(given["chat_id"]), given["text"])
        return web.json_response({"ok": True, "result": {"message_id": number}})

    app = web.Application()
    app.router.add_get(SENDSMS, sendsms)
    app.router.add_post("/bot{token}/{method}", bot_api)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}{SENDSMS}", ledger
    finally:
        await runner.cleanup()
        ledger.close()
