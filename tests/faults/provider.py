"""A provider simulator that speaks Kannel's sendsms and keeps its own fsynced ledger: the truth outside the service."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from aiohttp import web


class Ledger:
    """One line per text taken: our message id, the number, the time. Synced before the gateway answers."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, message_id: str, phone: str) -> None:
        """Keep one line for good."""
        os.write(self._descriptor, f"{message_id} {phone} {time.time():.6f}\n".encode())
        os.fdatasync(self._descriptor)

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
        await asyncio.to_thread(ledger.write, report["mid"][0], request.query["to"])
        if delay:
            await asyncio.sleep(delay)
        return web.Response(status=202, text="0: Accepted for delivery")

    app = web.Application()
    app.router.add_get("/cgi-bin/sendsms", sendsms)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/cgi-bin/sendsms", ledger
    finally:
        await runner.cleanup()
        ledger.close()
