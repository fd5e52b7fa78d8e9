"""G39f: a secret is replaced under load: who signs with either is heard as long as both hold, with the old one after
that nobody."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from itertools import count

from tests.faults.evidence import Evidence
from tests.faults.load import Producer
from tests.faults.rig import HOOK_SECRET, NO_MUTANT, Rig, open_rig
from tests.faults.webhooks import (
    SETTINGS,
    SMS_SECRET,
    TELEGRAM_SECRET,
    Call,
    Callers,
    by_kannel,
    by_sms,
    by_telegram,
    open_line,
)

RATE = 60.0  # webhooks a second
OLD = {"sms": SMS_SECRET, "telegram": TELEGRAM_SECRET, "kannel": HOOK_SECRET}
NEW = {"sms": "whsec_" + "bmV3c2VjcmV0" * 4, "telegram": "faults-by-telegram-0002", "kannel": "hook-secret-new-00002"}
NAMES = {
    "sms": "MOTMA_SMS_HOOK_SECRET",
    "telegram": "MOTMA_TELEGRAM_WEBHOOK_SECRET",
    "kannel": "MOTMA_KANNEL_HOOK_SECRET",
}
RECORDED = "SELECT count(*) AS n FROM inbound"

Secrets = Mapping[str, str]


async def replaced(*, seconds: float, mutant: str = NO_MUTANT) -> Evidence:
    """`old`, then `new,old`, then `new`: web processes started anew one by one each time, calls of three gateways
    meanwhile.

    Mutant: `newest_secret_only`.
    """
    evidence = Evidence(guarantee="G39f")
    async with open_rig(mutant=mutant, dispatchers=0, settings=SETTINGS) as rig, open_line() as http:
        codes = await Producer(rig).dossiers(500)
        numbers, callers = count(1), Callers(rig, http)

        async def meanwhile(*secrets: Secrets, restart: Mapping[str, str] | None) -> None:
            """Calls with each of `secrets` for a while, and until all processes have started anew."""
            calls = _calls(secrets, codes, numbers)
            done = asyncio.Event()
            async with asyncio.TaskGroup() as load:
                load.create_task(_until(done, callers, calls))
                if restart is not None:
                    await _one_by_one(rig, restart)
                await asyncio.sleep(seconds)
                done.set()

        await meanwhile(OLD, restart=None)
        await meanwhile(OLD, restart={NAMES[kind]: f"{NEW[kind]},{OLD[kind]}" for kind in NAMES})
        await meanwhile(OLD, NEW, restart=None)
        await meanwhile(NEW, restart={NAMES[kind]: NEW[kind] for kind in NAMES})
        refused, acked = len(callers.refused), len(callers.acked)
        evidence.figures |= {"genuine": acked, "refused": refused, "tried again": len(callers.failed)}
        evidence.expect(refused == 0, f"{refused} genuine calls were refused, e.g. {callers.refused[:2]}")
        stale = Callers(rig, http)
        old = _calls([OLD], codes, numbers)
        await stale.at_once(next(old) for _ in range(300))
        recorded = (await rig.query(RECORDED))[0]["n"]
        evidence.figures |= {"with the old after its end": len(stale.refused), "of these heard": len(stale.acked)}
        evidence.expect(not stale.acked, f"{len(stale.acked)} calls with the old secret were heard after its end")
        evidence.expect(recorded == acked, f"{recorded} recorded, {acked} acknowledged")
        evidence.need(acked > RATE * seconds, "hardly anything was called")
    return evidence


def _calls(secrets: "list[Secrets] | tuple[Secrets, ...]", codes: list[str], numbers: "count[int]") -> Iterator[Call]:
    """Look-ups by people of their own; each gateway and each of `secrets` in turn."""
    makers: dict[str, Callable[[int, str, str], Call]] = {
        "sms": lambda n, code, secret: by_sms(f"+8491{n:07d}", code, n, secret=secret),
        "telegram": lambda n, code, secret: by_telegram(5_000_000 + n, code, n, secret=secret),
        "kannel": lambda n, code, secret: by_kannel(f"+8498{n:07d}", code, n, secret=secret),
    }
    while True:
        for some in secrets:
            for kind, make in makers.items():
                n = next(numbers)
                yield make(n, codes[n % len(codes)], some[kind])


async def _until(done: asyncio.Event, callers: Callers, calls: Iterator[Call]) -> None:
    while not done.is_set():
        await callers.steadily((next(calls) for _ in range(12)), rate=RATE)


async def _one_by_one(rig: Rig, settings: Mapping[str, str]) -> None:
    for process in rig.of("web"):
        process.environment = {**process.environment, **settings}
        await process.stop()
        await process.start()
