"""G32: a provider takes messages and never says so, or never hears of them: it is asked before anything is sent again.

The wait of a message in doubt, minutes in life, is over at once here: asking is what is proven, not waiting.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from tests.faults.conditions import LEASE
from tests.faults.evidence import Evidence
from tests.faults.load import Producer
from tests.faults.provider import Faults, Ledger
from tests.faults.rig import NO_MUTANT, Rig, open_rig

ACCOUNT = "AC" + "0" * 32
SETTINGS = {
    "MOTMA_SMS_ROUTES": "twilio",
    "MOTMA_TWILIO_ACCOUNT_SID": ACCOUNT,
    "MOTMA_TWILIO_AUTH_TOKEN": "token-of-the-faults",
    "MOTMA_TWILIO_SENDER": "+84888000001",
}
SHORT = {LEASE: "10"}  # seconds, so that a call is given up after three, not eight
SILENT_OF, LOST_OF = 20, 100  # one of so many is taken without an answer; one of so many does not arrive
MOST_TWICE = 0.001
FEWER = 4  # times, by the gateway that cannot be asked: its messages are only waited for
NEVER = 3600.0
DRAIN_SECONDS = 200.0  # and a second for every twenty that wait
OVER = "UPDATE message SET run_at = now() WHERE state = 20 RETURNING id"
WAITING = "SELECT count(*) AS n FROM message WHERE state <= 20"
DOUBTED = "SELECT count(*) AS n FROM message WHERE doubts > 0"
STATES = "SELECT id, state FROM message"
WHY = "SELECT failure, doubts, faults FROM message WHERE state NOT IN (30, 40, 80) LIMIT 3"
SENT = {30, 40, 80}


@dataclass(slots=True)
class Twilio:
    """Takes messages and lists them (Messages resource of 2010-04-01); what fails, fails at the first call about it."""

    ledger: Ledger
    met: set[int] = field(default_factory=set)
    held: list[dict[str, str]] = field(default_factory=list)  # newest last
    silent: int = 0
    lost: int = 0
    questions: int = 0

    def application(self) -> web.Application:
        """The site."""
        app, path = web.Application(), f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        app.router.add_post(path, self.take)
        app.router.add_get(path, self.list)
        return app

    async def take(self, request: web.Request) -> web.Response:
        """One message, under our own id."""
        given = await request.post()
        mid = int(parse_qs(urlsplit(str(given["StatusCallback"])).query)["mid"][0])
        first = mid not in self.met
        self.met.add(mid)
        if first and mid % LOST_OF == 1:
            self.lost += 1
            await asyncio.sleep(NEVER)
        sid = f"SM{len(self.held):032x}"
        made = formatdate(time.time()).replace("-0000", "+0000")
        self.held.append(
            {"sid": sid, "to": str(given["To"]), "body": str(given["Body"]), "status": "queued", "date_created": made}
            | {"direction": "outbound-api"}
        )
        await self.ledger.take(str(mid), str(given["To"]), str(given["Body"]), wire="twilio")
        if first and mid % SILENT_OF == 0:
            self.silent += 1
            await asyncio.sleep(NEVER)
        return web.json_response({"sid": sid, "status": "queued"}, status=201)

    async def list(self, request: web.Request) -> web.Response:
        """The newest messages to a number."""
        self.questions += 1
        newest = [one for one in reversed(self.held) if one["to"] == request.query["To"]]
        return web.json_response({"messages": newest[: int(request.query["PageSize"])]})


@asynccontextmanager
async def open_twilio(directory: Path) -> AsyncIterator[tuple[str, Twilio]]:
    """Its address, and itself."""
    twilio = Twilio(Ledger(directory / "twilio", remember=False))
    runner = web.AppRunner(twilio.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", twilio
    finally:
        await runner.cleanup()
        twilio.ledger.close()


async def taken_in_silence(*, sends: int, mutant: str = NO_MUTANT) -> Evidence:
    """G32: of `sends` one in twenty is taken without an answer, one in a hundred lost; then some by receipts alone.

    Mutant: `blind_retry`.
    """
    evidence = Evidence(guarantee="G32")
    with TemporaryDirectory(prefix="motma-doubts-") as directory:
        async with AsyncExitStack() as stack:
            url, twilio = await stack.enter_async_context(open_twilio(Path(directory)))
            settings = {**SETTINGS, **SHORT, "MOTMA_TWILIO_API_URL": url}
            rig = await stack.enter_async_context(open_rig(webs=1, mutant=mutant, settings=settings))
            await _notices(rig, sends)
            await _drained(rig, evidence, hurry=True)
            evidence.figures |= {"sends": sends, "taken in silence": twilio.silent, "lost on the way": twilio.lost}
            evidence.figures["asked"] = twilio.questions
            evidence.need(twilio.silent > 0 and twilio.lost > 0, "nothing was in doubt")
            await _judged(rig, twilio.ledger, sends, evidence)
    if mutant == NO_MUTANT:
        await _by_receipts(sends // FEWER, evidence)
    return evidence


async def _by_receipts(sends: int, evidence: Evidence) -> None:
    """A gateway that cannot be asked, but reports: what it took in silence is never sent again."""
    async with open_rig(webs=1, settings=SHORT) as rig:
        rig.gateway.faults = Faults(silent=1 / SILENT_OF, receipts=True, receipt_after=5.0)  # after we gave up waiting
        await _notices(rig, sends)
        await _drained(rig, evidence, hurry=False)
        doubted = (await rig.query(DOUBTED))[0]["n"]
        evidence.need(doubted > 0, "nothing was in doubt by the gateway that reports")
        evidence.figures["settled by receipts"] = doubted
        await _judged(rig, rig.ledger, sends, evidence)


async def _notices(rig: Rig, sends: int) -> None:
    """One notice for each of as many dossiers."""
    producer = Producer(rig)
    codes = await producer.dossiers(sends)
    await producer.one_each(codes, batch=200)


async def _drained(rig: Rig, evidence: Evidence, *, hurry: bool) -> None:
    began, longest = time.monotonic(), DRAIN_SECONDS + (await rig.query(WAITING))[0]["n"] / 20
    while left := (await rig.query(WAITING))[0]["n"]:
        if time.monotonic() - began > longest:
            evidence.expect(holds=False, said=f"{left} messages never ended")
            return
        if hurry:
            await rig.query(OVER)
        await asyncio.sleep(0.5)


async def _judged(rig: Rig, ledger: Ledger, sends: int, evidence: Evidence) -> None:
    """Every message that counts as sent was taken, and hardly any twice."""
    states = {str(row["id"]): row["state"] for row in await rig.query(STATES)}
    taken = ledger.times_taken()
    lost = sum(taken[number] == 0 for number in states)
    unsent = [state for state in states.values() if state not in SENT]
    twice = sum(times - 1 for times in taken.values())
    evidence.need(len(states) == sends, f"{len(states)} messages of {sends}")
    evidence.figures |= {"never taken": lost, "sent twice": evidence.figures.get("sent twice", 0) + twice}  # type: ignore[operator]
    evidence.expect(lost == 0, f"{lost} messages were never taken")
    evidence.expect(not unsent, f"messages do not count as sent: {unsent[:10]}, {await rig.query(WHY)}")
    evidence.expect(twice <= sends * MOST_TWICE, f"{twice} of {sends} were sent twice, more than 0.1 %")
