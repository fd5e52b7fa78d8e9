"""G45: who refuses is told nothing more, whatever was queued before, and whatever dies or is sent again after."""

import asyncio
import time
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import count

import redis.asyncio as redis

from tests.faults.evidence import Evidence
from tests.faults.load import DAYS, Producer, event, facts, phone
from tests.faults.rig import AGENCY, NO_MUTANT, Rig, open_rig
from tests.faults.waiting import handled, sent_out
from tests.faults.webhooks import SETTINGS, Call, Callers, blocked, by_kannel, by_telegram, open_line

RACE = 1.0  # seconds: what was being handed over when the refusal was committed
SENT_BEFORE = 0.2  # share of the queue that went out before anybody refuses
STAYS = 10  # one in so many refuses nothing
# In the spellings people use, NFD as some phones write it included.
REFUSALS = (
    "STOP",
    "stop",
    "HUY",
    "Hủy",
    "HỦY tất cả",
    "TC",
    "tc",
    "Từ chối",
    "TU CHOI",
    "từ chối nhận tin",
    "DUNG",
    "Dừng lại",
    "ngừng nhận tin",
    "unsubscribe",
    "STOP ALL",
    unicodedata.normalize("NFD", "Từ chối"),
    unicodedata.normalize("NFD", "hủy"),
    "  Huỷ. ",
)
NO_CONSENT = ("Cảm ơn", "ok", "OK", "HELP", "{code}")  # what does not take a refusal back
BACK = "TIEP TUC"
KINDS = "SELECT id, kind, provider_id FROM message"
REFUSED = """
    SELECT i.provider_id, o.since FROM opt_out o JOIN inbound i ON i.sender_digest = o.contact_digest
     WHERE i.provider_id = ANY ($1)"""


@dataclass(slots=True)
class Refusals:
    """Who refused by which call, and what they heard before and after."""

    calls: dict[str, str]  # the call's name -> phone or chat
    since: dict[str, float] = field(default_factory=dict)  # phone or chat -> when the refusal was committed


async def refused(*, numbers: int, each: int, chats: int, rate: float, mutant: str = NO_MUTANT) -> Evidence:
    """`each` notices queued for each of so many phones and `chats`; refusals come while they go out; then Redis is
    flushed, a dispatcher and a web process are killed, and everything is imported again with news.

    Mutant: `refusals_unheeded`.
    """
    evidence = Evidence(guarantee="G45")
    settings = {**SETTINGS, "MOTMA_KANNEL_RATE": str(rate), "MOTMA_TELEGRAM_RATE": str(rate / 4)}
    async with open_rig(mutant=mutant, dispatchers=1, settings=settings) as rig, open_line() as http:
        producer, callers, ids = Producer(rig), Callers(rig, http), count(1)
        (dispatcher,) = rig.of("dispatcher")
        codes = [f"{AGENCY}-2610{n % DAYS + 1:02d}-{n:06d}" for n in range(1, numbers * each + 1)]
        dossiers = [facts(code, n % numbers) for n, code in enumerate(codes)]
        await _push(producer, "dossiers", dossiers)
        follows = [(5_000_000 + n % chats, code) for n, code in enumerate(codes[: chats * 10])]
        await callers.at_once(by_telegram(chat, f"THEO DOI {code}", next(ids)) for chat, code in follows)
        await handled(rig, evidence)
        await sent_out(rig, evidence)
        await dispatcher.stop()
        await _push(producer, "events", [event(code, 0) for code in codes])
        already = len(rig.ledger.lines())
        await dispatcher.start()
        while len(rig.ledger.lines()) - already < len(codes) * SENT_BEFORE:  # noqa: ASYNC110 - other processes send
            await asyncio.sleep(0.05)
        refusals = await _refuse(callers, ids, numbers, chats)
        async with redis.from_url(rig.servers.redis_url) as client:
            await client.flushall()
        await handled(rig, evidence)
        refusals.since = await _since(rig, refusals)
        for process in (dispatcher, rig.of("web")[0]):
            await process.kill()
            await process.start()
        await _push(producer, "dossiers", dossiers)
        await _push(producer, "events", [event(code, 1) for code in codes])
        await sent_out(rig, evidence)
        await _nothing_after(rig, refusals, evidence, queued=len(codes) + len(follows))
        await _only_by_asking(rig, producer, callers, ids, refusals, codes, evidence)
        evidence.expect(not callers.refused, f"{len(callers.refused)} genuine calls were refused")
    return evidence


async def _push(producer: Producer, kind: str, items: list[dict[str, object]]) -> None:
    for start in range(0, len(items), 500):
        await producer.push(kind, items[start : start + 500])


async def _refuse(callers: Callers, ids: "count[int]", numbers: int, chats: int) -> Refusals:
    """Nearly all refuse, at once: by words from a phone, by blocking the bot."""
    calls: list[tuple[str, Call]] = []
    for n in range(numbers):
        if n % STAYS:
            call = by_kannel(phone(n), REFUSALS[n % len(REFUSALS)], next(ids))
            calls.append((phone(n), call))
    calls += [(str(5_000_000 + n), blocked(5_000_000 + n, next(ids))) for n in range(chats) if n % STAYS]
    await callers.at_once(call for _, call in calls)
    return Refusals({call.name: address for address, call in calls})


async def _since(rig: Rig, refusals: Refusals) -> dict[str, float]:
    rows = await rig.query(REFUSED, list(refusals.calls))
    return {refusals.calls[row["provider_id"]]: row["since"].timestamp() for row in rows}


async def _notices(rig: Rig) -> dict[str, list[float]]:
    """When each phone or chat was told something it had not asked for."""
    kinds = {str(row["id"]): row["kind"] for row in await rig.query(KINDS)}
    kinds |= {f"telegram:{row['provider_id']}": row["kind"] for row in await rig.query(KINDS) if row["provider_id"]}
    told: defaultdict[str, list[float]] = defaultdict(list)
    for number, address, at in rig.ledger.lines():
        if kinds[number] != "reply":
            told[address].append(at)
    return told


async def _nothing_after(rig: Rig, refusals: Refusals, evidence: Evidence, *, queued: int) -> None:
    told, now = await _notices(rig), time.time()
    after = [at - refusals.since[who] for who in refusals.since for at in told[who] if at > refusals.since[who]]
    late = sum(seconds > RACE for seconds in after)
    unheard = len(refusals.calls) - len(refusals.since)
    evidence.figures |= {"queued": queued, "refused": len(refusals.since), "told before": sum(map(len, told.values()))}
    evidence.figures |= {"within 1 s after": len(after) - late, "latest s": round(max(after, default=0.0), 2)}
    evidence.figures |= {"later": late}
    evidence.expect(unheard == 0, f"{unheard} refusals were not understood")
    evidence.expect(late == 0, f"{late} notices more than {RACE:.0f} s after the refusal")
    stayed = [who for who in told if who not in refusals.since]
    quiet = sum(now - max(told[who]) > now - max(refusals.since.values()) for who in stayed)
    evidence.expect(quiet == 0, f"{quiet} who refused nothing hear nothing any more")
    evidence.need(len(told) > len(refusals.since) / 2, "hardly anybody was told anything before")


async def _only_by_asking(
    rig: Rig,
    producer: Producer,
    callers: Callers,
    ids: "count[int]",
    refusals: Refusals,
    codes: list[str],
    evidence: Evidence,
) -> None:
    """Of those who refused a few say other things, one says that it is to go on: only that one is told again."""
    some = [who for who in sorted(refusals.since) if who.startswith("+")][: len(NO_CONSENT) + 1]
    before = Counter({who: len(times) for who, times in (await _notices(rig)).items()})
    for who, words in zip(some, (*NO_CONSENT, BACK), strict=True):
        await callers.call(by_kannel(who, words.format(code=codes[0]), next(ids)))
    await handled(rig, evidence)
    await _push(producer, "events", [event(code, 2) for code in codes[: len(codes) // 5]])
    await sent_out(rig, evidence)
    told = Counter({who: len(times) for who, times in (await _notices(rig)).items()}) - before
    again = set(told) & set(refusals.since)
    evidence.figures["told again after asking"] = len(again & {some[-1]})
    evidence.expect(again == {some[-1]}, f"{len(again - {some[-1]})} were told again who had not asked for it")
