"""G39c: a webhook that comes again, whenever and wherever, has had its effect: there is no second one."""

import asyncio
import random
from collections import Counter

import redis.asyncio as redis

from tests.faults.evidence import Evidence
from tests.faults.load import Producer
from tests.faults.rig import NO_MUTANT, Rig, open_rig
from tests.faults.waiting import handled, sent_out
from tests.faults.webhooks import SETTINGS, Call, Callers, by_sms, by_telegram, open_line

MOST_COPIES = 5
RECORDED = "SELECT channel, provider_id FROM inbound"
REPLIES = "SELECT count(*) AS n FROM message WHERE kind = 'reply'"
# Who of ours may take a record away, and with it the memory that its message came.
MAY_FORGET = """
    SELECT r.rolname FROM pg_roles r
     WHERE r.rolname LIKE 'motma%' AND (has_table_privilege(r.oid, 'inbound', 'DELETE')
                                        OR has_table_privilege(r.oid, 'inbound', 'TRUNCATE'))"""


async def replayed(*, requests: int, mutant: str = NO_MUTANT) -> Evidence:
    """Genuine requests one to five times each, shuffled; Redis flushed after a third, all web processes started anew
    after two: each recorded once and answered once.

    Mutant: `known_to_redis_only`.
    """
    evidence = Evidence(guarantee="G39c")
    async with open_rig(mutant=mutant, dispatchers=1, settings=SETTINGS) as rig, open_line() as http:
        codes = await Producer(rig).dossiers(500)
        genuine = [_call(n, codes[n % len(codes)]) for n in range(requests)]
        choice = random.Random(39)
        copies = [call for call in genuine for _ in range(choice.randint(1, MOST_COPIES))]
        choice.shuffle(copies)
        third, callers = len(copies) // 3, Callers(rig, http)
        await callers.at_once(copies[:third])
        async with redis.from_url(rig.servers.redis_url) as client:
            await client.flushall()
        await callers.at_once(copies[third : 2 * third])
        async with asyncio.TaskGroup() as both:
            both.create_task(callers.at_once(copies[2 * third :]))
            both.create_task(_restart(rig))
        await handled(rig, evidence)
        await sent_out(rig, evidence)
        await _one_effect_each(rig, genuine, callers, evidence)
        evidence.figures |= {"requests": requests, "calls": len(copies), "cut off": len(callers.failed)}
        forgetful = [row["rolname"] for row in await rig.query(MAY_FORGET)]
        evidence.expect(not forgetful, f"{forgetful} may forget what came")
        evidence.expect(not callers.refused, f"{len(callers.refused)} refused, e.g. {callers.refused[:2]}")
    return evidence


def _call(n: int, code: str) -> Call:
    """A look-up by a person of their own."""
    return by_telegram(5_000_000 + n, code, n + 1) if n % 2 else by_sms(f"+8491{n:07d}", code, n)


async def _restart(rig: Rig) -> None:
    """All web processes, one after the other."""
    for process in rig.of("web"):
        await process.stop()
        await process.start()


async def _one_effect_each(rig: Rig, genuine: list[Call], callers: Callers, evidence: Evidence) -> None:
    recorded = len(await rig.query(RECORDED))
    replies = (await rig.query(REPLIES))[0]["n"]
    answers = Counter(address for _, address, _ in rig.ledger.lines())
    twice = sum(times > 1 for times in answers.values())
    evidence.figures |= {"recorded": recorded, "replies": replies, "people answered": len(answers), "twice": twice}
    evidence.expect(len(callers.acked) == len(genuine), f"{len(callers.acked)} of {len(genuine)} acknowledged")
    evidence.expect(recorded == len(genuine), f"{recorded} recorded of {len(genuine)} requests")
    evidence.expect(replies == len(genuine), f"{replies} replies to {len(genuine)} requests")
    evidence.expect(twice == 0, f"{twice} people were answered more than once")
    evidence.expect(len(answers) == len(genuine), f"{len(genuine) - len(answers)} people were not answered")
