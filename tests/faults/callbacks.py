"""G12, G73: agencies' receivers that fail in every way; addresses that are not to be called."""

import asyncio
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.faults.conditions import NAMES
from tests.faults.evidence import Evidence
from tests.faults.load import Producer
from tests.faults.rig import NO_MUTANT, Rig, free_port, open_rig

WISH = 3.0  # seconds a receiver asks to be left alone
PLACES = 4
REBINDING = "rebinding.faults.example.vn"
HOSTILE = (
    "https://127.0.0.1:{port}/",
    "https://127.1:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://[::1]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/",
    "https://169.254.169.254:{port}/",
    "https://10.0.0.1:{port}/",
    "https://localhost:{port}/",
    "https://a:b@example.vn:{port}/",
    "http://example.vn:{port}/",
    "gopher://127.0.0.1:{port}/",
)
# Only what was tried has an age; what was not comes after it, so that one delivery after another grows old.
FORWARD = """
    UPDATE callback_delivery SET run_at = run_at - interval '73 hours', since = since - interval '73 hours',
                                 tries = greatest(tries, 9)
     WHERE receiver_id = $1 AND state = 0 AND since IS NOT NULL RETURNING change_id"""
RESTED = """
    UPDATE callback_receiver SET rest_until = '-infinity', failing_since = failing_since - interval '73 hours'
     WHERE id = $1 RETURNING id"""
STATE = "SELECT state FROM callback_receiver WHERE id = $1"


@dataclass
class Receivers:
    """Receivers of one agency, each at a path of its own with a way of its own."""

    url: str = ""
    heard: Counter[str] = field(default_factory=Counter)
    at: dict[str, list[float]] = field(default_factory=dict)
    under_way: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """One call."""
        way = request.match_info["way"]
        self.heard[way] += 1
        self.at.setdefault(way, []).append(time.monotonic())
        self.under_way[way] += 1
        self.most[way] = max(self.most[way], self.under_way[way])
        try:
            return await self._answer(way, request)
        finally:
            self.under_way[way] -= 1

    async def _answer(self, way: str, request: web.Request) -> web.StreamResponse:
        match way:
            case "slow":
                await asyncio.sleep(1)
            case "hangs":
                await asyncio.sleep(30)
            case "resets":
                assert request.transport is not None
                line: socket.socket = request.transport.get_extra_info("socket")
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                request.transport.abort()
            case "moved":
                return web.Response(status=307, headers={"Location": f"{self.url}/elsewhere"})
            case "busy" if self.heard[way] <= PLACES:
                return web.Response(status=429, headers={"Retry-After": str(int(WISH))})
        return web.Response(status={"gone": 410, "broken": 500, "dead": 503}.get(way, 204))


@asynccontextmanager
async def receivers() -> AsyncIterator[Receivers]:
    """All of them, listening."""
    listening = Receivers()
    app = web.Application()
    app.router.add_post("/{way}", listening.receive)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listening.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield listening
    finally:
        await runner.cleanup()


async def _register(rig: Rig, url: str) -> tuple[int, str]:
    async with rig.http.post(f"{rig.url}/api/v1/callbacks", json={"url": url}, headers=rig.headers) as answer:
        said = await answer.json()
        return answer.status, said.get("id", "")


async def failing_receivers(*, changes: int, mutant: str = NO_MUTANT) -> Evidence:
    """G12: 500, 410, 429, a redirect, a hang, a reset, slowness, each beside one that works.

    Mutants: `redirects_followed`, `gone_unheeded`, `receivers_crowded`, `receivers_wishes_unheeded`.
    """
    evidence = Evidence(guarantee="G12")
    ways = ("works", "slow", "busy", "moved", "gone", "broken", "hangs", "resets", "dead")
    settings = {"MOTMA_CALLBACK_LOOPBACK": "true"}
    async with receivers() as hooks, open_rig(mutant=mutant, webs=1, settings=settings) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(changes)
        ids = {way: (await _register(rig, f"{hooks.url}/{way}"))[1] for way in ways}
        await producer.one_each(codes)
        began = time.monotonic()
        while hooks.heard["works"] < changes and time.monotonic() - began < 20:  # noqa: ASYNC110 - the site calls
            await asyncio.sleep(0.1)
        soon = time.monotonic() - began
        await asyncio.sleep(max(0.0, 9.0 - soon))
        evidence.figures |= {"changes": changes, "the one that works heard all after s": round(soon, 1)}
        evidence.expect(hooks.heard["works"] == changes, f"the one that works heard {hooks.heard['works']}")
        evidence.expect_within(8.0, soon, "the one that works")
        last, following = (*hooks.at["busy"], 0.0, 0.0)[PLACES - 1 : PLACES + 1]
        evidence.figures["429: called again after s"] = round(following - last, 1)
        evidence.expect(WISH - 0.1 <= following - last <= WISH + 3, "the wish to wait was not kept")
        evidence.expect(hooks.heard["elsewhere"] == 0, "a redirect was followed")
        evidence.figures |= {"after 410": hooks.heard["gone"] - 1, "most at once": max(hooks.most.values())}
        evidence.expect(hooks.heard["gone"] <= PLACES, f"{hooks.heard['gone']} calls of one that is gone")
        evidence.expect((await rig.query(STATE, ids["gone"]))[0]["state"] == "disabled", "410 did not disable")
        evidence.expect(max(hooks.most.values()) <= PLACES, f"{max(hooks.most.values())} calls at once of one receiver")
        await _dead_letters(rig, ids["dead"], evidence)
    return evidence


async def _dead_letters(rig: Rig, receiver_id: str, evidence: Evidence) -> None:
    """One that failed for three days is suspended; what it missed is listed, and delivered again when asked for."""
    deadline = time.monotonic() + 20
    while (await rig.query(STATE, receiver_id))[0]["state"] == "active" and time.monotonic() < deadline:
        await rig.query(FORWARD, receiver_id)
        await rig.query(RESTED, receiver_id)
        await asyncio.sleep(0.3)
    state = (await rig.query(STATE, receiver_id))[0]["state"]
    url = f"{rig.url}/api/v1/callbacks/{receiver_id}"
    async with rig.http.get(f"{url}/deliveries?state=dead", headers=rig.headers) as answer:
        dead = len((await answer.json())["items"])
    async with rig.http.post(f"{url}/replay", json={}, headers=rig.headers) as answer:
        queued = (await answer.json())["queued"]
    evidence.figures |= {"after three days": state, "dead letters": dead, "replayed": queued}
    evidence.expect(state == "suspended", f"one that failed for three days is {state}")
    evidence.expect(dead > 0 and queued >= dead, f"of {dead} dead letters {queued} can be had again")


async def hostile_addresses(*, calls: int, mutant: str = NO_MUTANT) -> Evidence:
    """G73: addresses that lead inside, in every disguise; and a name that does so once it has been taken.

    Mutant: `any_address`.
    """
    evidence = Evidence(guarantee="G73")
    port, connections = free_port(), 0

    def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", port)
    settings = {"MOTMA_CALLBACK_PORTS": str(port), NAMES: f"{REBINDING}=127.0.0.1"}
    async with listener, open_rig(mutant=mutant, webs=1, settings=settings) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(calls)
        taken = [url for url in HOSTILE if (await _register(rig, url.format(port=port)))[0] < 400]
        status, _ = await _register(rig, f"https://{REBINDING}:{port}/")
        evidence.need(status == 201, "the name that changes its mind was not taken")
        await producer.one_each(codes)
        tried = await _until_tried(rig)
        evidence.figures |= {"refused when written": len(HOSTILE) - len(taken), "deliveries tried": tried}
        evidence.figures["connections"] = connections
        evidence.expect(not taken, f"taken: {taken}")
        evidence.expect(connections == 0, f"{connections} connections to this machine")
        evidence.need(tried > 0, "nothing was tried")
    return evidence


async def _until_tried(rig: Rig) -> int:
    deadline = time.monotonic() + 15
    tried = 0
    while not tried and time.monotonic() < deadline:
        tried = (await rig.query("SELECT count(*) AS n FROM callback_delivery WHERE failure IS NOT NULL"))[0]["n"]
        await asyncio.sleep(0.2)
    return tried
