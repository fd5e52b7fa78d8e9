"""The provider: Kannel's sendsms, eSMS's JSON and the sending half of Telegram's Bot API, under one set of faults."""

import asyncio
import math
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from domain.errors import Invalid
from service.provider_simulator.faults import Chance, Faults, Window, faults_of
from service.provider_simulator.ledger import Ledger

SENDSMS = "/cgi-bin/sendsms"
ESMS = "/MainService.svc/json/SendMultipleMessage_V4_post_json/"
NEVER = 3600.0  # seconds: longer than any caller waits
NOBODYS = 4_000_000_000_000_000_000  # a reference nobody sent
CALL_SECONDS = 10.0
# Telegram: messages a second to one chat, a second by one bot, a minute to one group.
CHAT_A_SECOND, BOT_A_SECOND, GROUP_A_MINUTE = 1, 30, 20

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One message taken: by which name of ours and of theirs, and where its receipts go."""

    reference: str
    provider_id: str
    report: Callable[[str], str]  # the address to call with a word: accepted, delivered, failed
    stranger: Callable[[str], str]  # the same about a message nobody sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: when it was answered (monotonic), by which wire, about which message of ours, and with what."""

    at: float
    wire: str
    reference: str
    answer: str


class Provider:
    """Takes messages, keeps its ledger, reports. `seen` counts calls and answers by what they were."""

    def __init__(
        self,
        ledger: Ledger,
        faults: Faults | None = None,
        *,
        strict_telegram: bool = False,
        remember: bool = True,
    ) -> None:
        self.ledger = ledger
        self.faults = faults or Faults()
        self.by_wire: dict[str, Faults] = {}  # where a wire has faults of its own
        self.seen: Counter[str] = Counter()
        self.calls: list[Call] = []  # where they are remembered
        self.under_way: Counter[str] = Counter()  # calls, by their path
        self.most_under_way: Counter[str] = Counter()
        self._strict = strict_telegram
        self._remember = remember
        self._chance = Chance()
        self._numbers = count(1)
        self._window = Window()
        self._bot = Window()
        self._chats: defaultdict[str, Window] = defaultdict(Window)
        self._groups: defaultdict[str, Window] = defaultdict(lambda: Window(60.0))
        self._ends: dict[str, str] = {}  # of what has been reported on, by reference
        self._reporting: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        """The site."""
        app = web.Application(client_max_size=65_536, middlewares=[self._counted])
        app.router.add_get(SENDSMS, self.sendsms)
        app.router.add_post(ESMS, self.esms)
        app.router.add_post("/bot{token}/{method}", self.bot_api)
        app.router.add_get("/faults", self.show_faults)
        app.router.add_put("/faults", self.set_faults)
        app.router.add_get("/ledger", self.show_ledger)
        app.on_cleanup.append(self._close)
        return app

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        self.under_way[path] += 1
        self.most_under_way[path] = max(self.most_under_way[path], self.under_way[path])
        try:
            return await handler(request)
        finally:
            self.under_way[path] -= 1

    # --- the wires ---

    async def sendsms(self, request: web.Request) -> web.StreamResponse:
        """Kannel (User's Guide, section 'HTTP based content'); 202 says that it is queued."""
        given = request.query
        where = given.get("dlr-url", "")
        reference = (parse_qs(urlsplit(where).query).get("mid") or ["-"])[0]
        note = partial(self._noted, "kannel", reference)
        if (refusal := await self._refused("kannel")) is not None:
            return note(refusal)
        if self._chance.falls(self._of("kannel").odd):
            return note(web.Response(text="4: Something is wrong here"), "odd")
        provider_id = f"k{next(self._numbers)}"
        codes = {"accepted": "8", "delivered": "1", "failed": "2"}

        def report(word: str, mid: str = reference) -> str:
            filled = where.replace("%d", codes[word]).replace("%F", provider_id).replace("%A", quote(word))
            return filled.replace(f"mid={reference}", f"mid={mid}")

        taken = Taken(
            reference=reference,
            provider_id=provider_id,
            report=report,
            stranger=lambda word: report(word, str(NOBODYS)),
        )
        await self._take(taken, given.get("to", "-"), given.get("text", ""), wire="kannel", reported=bool(where))
        return note(web.Response(status=202, text="0: Accepted for delivery"))

    async def esms(self, request: web.Request) -> web.StreamResponse:
        """eSMS: 200 whatever happened, `CodeResult` tells. Its own words for too many: 118."""
        given = await request.json()
        where, reference = str(given.get("CallbackUrl", "")), str(given.get("RequestId", "-"))
        note = partial(self._noted, "esms", reference.partition("-")[0])
        if (refusal := await self._refused("esms")) is not None:
            return note(refusal)
        if self._chance.falls(self._of("esms").odd):
            return note(_json({"CodeResult": "99", "ErrorMessage": "Unknown error"}), "odd")
        provider_id = f"e{next(self._numbers)}"
        said = {
            "accepted": {"SendStatus": "7", "SendSuccess": "0", "SendFailed": "0"},
            "delivered": {"SendStatus": "5", "SendSuccess": "1", "SendFailed": "0"},
            "failed": {"SendStatus": "5", "SendSuccess": "0", "SendFailed": "1"},
        }

        def report(word: str, name: str = reference) -> str:
            return f"{where}?{urlencode({'SMSID': provider_id, 'RequestId': name, **said[word]})}"

        taken = Taken(
            reference=reference.partition("-")[0],
            provider_id=provider_id,
            report=report,
            stranger=lambda word: report(word, f"{NOBODYS}-0000000000000000"),
        )
        address, text = str(given.get("Phone", "-")), str(given.get("Content", ""))
        await self._take(taken, address, text, wire="esms", reported=bool(where))
        return note(_json({"CodeResult": "100", "CountRegenerate": 0, "SMSID": provider_id}))

    async def bot_api(self, request: web.Request) -> web.StreamResponse:
        """Telegram's Bot API, as much of it as sending takes; with its limits, where they are asked for."""
        if request.match_info["method"] != "sendMessage":
            return _json({"ok": True, "result": True})
        given = await request.json()
        chat = str(given["chat_id"])
        note = partial(self._noted, "telegram", chat)
        refusal = await self._refused("telegram")
        wait = self._too_fast(chat) if self._strict and refusal is None else 0.0
        if wait or (refusal is not None and refusal.status == 429):
            seconds = math.ceil(wait or self._of("telegram").retry_after)
            told = {"ok": False, "error_code": 429, "parameters": {"retry_after": seconds}}
            return note(_json({**told, "description": f"Too Many Requests: retry after {seconds}"}, status=429))
        if refusal is not None:
            return note(refusal)
        number = next(self._numbers)
        taken = Taken(reference=f"telegram:{number}", provider_id=str(number), report=str, stranger=str)
        await self._take(taken, chat, str(given.get("text", "")), wire="telegram", reported=False)
        return note(_json({"ok": True, "result": {"message_id": number}}))

    def _too_fast(self, chat: str) -> float:
        windows = [(self._bot, BOT_A_SECOND), (self._chats[chat], CHAT_A_SECOND)]
        if chat.startswith("-"):
            windows.append((self._groups[chat], GROUP_A_MINUTE))
        return max(window.wait(most) for window, most in windows)

    # --- faults ---

    def _of(self, wire: str) -> Faults:
        return self.by_wire.get(wire, self.faults)

    async def _refused(self, wire: str) -> web.Response | None:
        """The answer in place of taking it."""
        faults = self._of(wire)
        if seconds := self._chance.seconds(faults.latency, faults.jitter):
            await asyncio.sleep(seconds)
        if faults.rate is not None and (wait := self._window.wait(faults.rate)):
            return web.Response(status=429, text="too many", headers={"Retry-After": str(math.ceil(wait))})
        if self._chance.falls(faults.too_many):
            after = str(math.ceil(faults.retry_after))
            return web.Response(status=429, text="too many", headers={"Retry-After": after})
        if self._chance.falls(faults.broken):
            return web.Response(status=503, text="out of order")
        return None

    async def _take(self, taken: Taken, address: str, text: str, *, wire: str, reported: bool) -> None:
        """Into the ledger; then the receipts are on their way, and the answer, unless it is lost."""
        faults = self._of(wire)
        silent = self._chance.falls(faults.silent)
        await self.ledger.take(taken.reference, address, text, wire=wire)
        if faults.receipts and reported:
            task = asyncio.create_task(self._report(taken, faults))
            self._reporting.add(task)
            task.add_done_callback(self._reporting.discard)
        if silent:
            self.seen["silent"] += 1
            await asyncio.sleep(NEVER)
        if faults.answer_after:
            await asyncio.sleep(faults.answer_after)

    async def _report(self, taken: Taken, faults: Faults) -> None:
        falls = self._chance.falls
        if falls(faults.missing):
            self.seen["no receipt"] += 1
            return
        end = "failed" if falls(faults.failed) else "delivered"
        words: Sequence[str] = ("accepted", end)
        order = words[::-1] if faults.reversed_ else words
        calls = [taken.report(word) for word in order for _ in range(faults.copies)]
        if falls(faults.unknown):
            calls.append(taken.stranger("delivered"))
        await asyncio.sleep(faults.receipt_after + (faults.late_by if falls(faults.late) else 0.0))
        self._ends[taken.reference] = end
        for url in calls:
            await self._call(url)

    async def _call(self, url: str, tries: int = 5) -> None:
        """As gateways do: again, a few times, until somebody takes it."""
        self._http = self._http or aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_SECONDS))
        for n in range(tries):
            try:
                async with self._http.get(url) as answer:
                    self.seen[f"receipt {answer.status}"] += 1
                    if answer.status < 500 and answer.status != 429:
                        return
            except (aiohttp.ClientError, TimeoutError):
                self.seen["receipt lost"] += 1
            await asyncio.sleep(0.5 * 2**n)

    # --- the switches and the ledger ---

    async def show_faults(self, _request: web.Request) -> web.StreamResponse:
        """GET /faults"""
        switches = {name.rstrip("_"): value for name, value in asdict(self.faults).items()}
        return web.json_response({"faults": switches, "seen": dict(self.seen)})

    async def set_faults(self, request: web.Request) -> web.StreamResponse:
        """PUT /faults: the switches to turn, the others stay."""
        try:
            given = msgspec.json.decode(await request.read(), type=dict)
            self.faults = faults_of(given, self.faults)
        except (Invalid, msgspec.MsgspecError, RecursionError) as error:
            return web.json_response({"error": str(error)}, status=422)
        return await self.show_faults(request)

    async def show_ledger(self, _request: web.Request) -> web.StreamResponse:
        """GET /ledger: a line of JSON for each message, as `motma reconcile` reads it."""
        rows = await asyncio.to_thread(lambda: list(self.ledger.rows()))
        lines = [
            _encode(
                {
                    "reference": reference,
                    "state": self._ends.get(reference, "accepted"),
                    "at": at,
                    "wire": wire,
                    "text_sha256": told,
                }
            )
            for reference, _, at, wire, told in rows
        ]
        return web.Response(body=b"\n".join(lines) + b"\n", content_type="application/x-ndjson")

    def _noted(self, wire: str, reference: str, answer: web.Response, kind: str = "") -> web.Response:
        said = kind or str(answer.status)
        self.seen[said] += 1
        if self._remember:
            self.calls.append(Call(at=time.monotonic(), wire=wire, reference=reference, answer=said))
        return answer

    async def _close(self, _app: web.Application) -> None:
        for task in self._reporting:
            task.cancel()
        await asyncio.gather(*self._reporting, return_exceptions=True)
        if self._http is not None:
            await self._http.close()


def _json(said: object, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=_encode(said), content_type="application/json")


@asynccontextmanager
async def open_provider(
    ledger_file: Path,
    faults: Faults | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    strict_telegram: bool = False,
    remember: bool = True,
) -> AsyncIterator[tuple[str, Provider]]:
    """A provider that answers at the address given with it. Raises `OSError` where it cannot."""
    ledger = Ledger(ledger_file, remember=remember)
    provider = Provider(ledger, faults, strict_telegram=strict_telegram, remember=remember)
    runner = web.AppRunner(provider.application(), access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield f"http://{host}:{runner.addresses[0][1]}", provider
    finally:
        await runner.cleanup()
        ledger.close()
