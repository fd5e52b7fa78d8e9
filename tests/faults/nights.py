"""G46: a day and a half by a clock that is put forward: no notice at night, few in a day, the rest in one digest."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from domain.civil_time import CIVIL_ZONE, civil_day, start_of_day
from tests.faults.dispatchers import until
from tests.faults.evidence import Evidence
from tests.faults.load import Producer, event, facts
from tests.faults.rig import AGENCY, NO_MUTANT, Rig, open_rig

A_DAY = 3
NOON = 24  # half hours
HURRIED = 9_999  # the number of the person who must be told by night
CODE = re.compile(r"-2610\d\d-\d{6}")
STEP = timedelta(minutes=30)
DAY = timedelta(hours=24)
SETTINGS = {"MOTMA_QUIET_HOURS": "21:00-07:00", "MOTMA_NOTICES_A_DAY": str(A_DAY), "MOTMA_NOTICE_WINDOW": "0"}
# Every statement of ours asks `now()`; found here first, it is the store's own clock put forward.
CLOCK = """
    CREATE SCHEMA faked;
    CREATE TABLE faked.clock (ahead interval NOT NULL);
    INSERT INTO faked.clock VALUES ('0');
    CREATE FUNCTION faked.now() RETURNS timestamptz LANGUAGE sql STABLE
        AS 'SELECT pg_catalog.now() + (SELECT c.ahead FROM faked.clock c)';
    GRANT USAGE ON SCHEMA faked TO public;
    GRANT SELECT ON faked.clock TO public;
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = faked, pg_catalog, public', current_database());
    END $$;"""
PUT_FORWARD = "UPDATE faked.clock SET ahead = $1 RETURNING ahead"
DUE = "SELECT count(*) AS n FROM message WHERE state <= 20 AND run_at <= now()"


async def by_night(*, people: int, hours: int, mutant: str = NO_MUTANT) -> Evidence:
    """G46: until noon two changes each half hour for each person, of ten dossiers; at 23:00 one that cannot wait.

    Mutants: `no_nights`, `no_digests`.
    """
    evidence = Evidence(guarantee="G46")
    async with open_rig(mutant=mutant, webs=1, dispatchers=1, settings=SETTINGS, prepared=CLOCK) as rig:
        producer = Producer(rig)
        dossiers = 10
        codes = [[f"{AGENCY}-2610{n + 1:02d}-{p:06d}" for n in range(dossiers)] for p in range(1, people + 1)]
        hurried = f"{AGENCY}-261020-000099"
        for person, own in enumerate(codes, 1):
            await producer.push("dossiers", [facts(code, person) for code in own])
        await producer.push("dossiers", [facts(hurried, HURRIED)])
        midnight = start_of_day(civil_day(datetime.now(UTC)) + timedelta(days=1))
        told: defaultdict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for step in range(hours * 2):
            at = midnight + step * STEP
            await rig.query(PUT_FORWARD, at - datetime.now(UTC))
            if step < NOON:
                news = [(own[n % dossiers], n // dossiers) for n in (2 * step, 2 * step + 1) for own in codes]
                await producer.push("events", [event(*one) for one in news])
            if step == 46:
                await producer.push("events", [_urgent(hurried)])
            await asyncio.sleep(0.3)  # the dispatcher looks again
            await until(rig, DUE, lambda n: n == 0, 10)
            _note(rig, at, told)
        _judge(told, evidence, people)
    return evidence


def _urgent(code: str) -> dict[str, object]:
    """Papers asked for that are due today."""
    now = datetime.now(UTC)
    asked = {"status": 5, "asked_of_applicant": "Bản sao căn cước", "due_at": (now + timedelta(minutes=1)).isoformat()}
    return event(code, 0) | asked


def _note(rig: Rig, at: datetime, told: defaultdict[str, list[tuple[datetime, str]]]) -> None:
    """Who was told what in this half hour."""
    known = sum(map(len, told.values()))
    for phone, text in rig.ledger.texts[known:]:
        told[phone].append((at, text))


def _judge(told: defaultdict[str, list[tuple[datetime, str]]], evidence: Evidence, people: int) -> None:
    hurried = [phone for phone in told if phone.endswith(f"{HURRIED:07d}")]
    others = {phone: said for phone, said in told.items() if phone not in hurried}
    asleep = [at for said in others.values() for at, _ in said if not 7 <= at.astimezone(CIVIL_ZONE).hour < 21]
    most = max((_most_in_a_day([at for at, _ in said]) for said in others.values()), default=0)
    digests = sum(len(set(CODE.findall(text))) > 1 for said in others.values() for _, text in said)
    evidence.figures |= {"people": len(others), "texts": sum(map(len, others.values())), "at night": len(asleep)}
    evidence.figures |= {"most in 24 h": most, "digests": digests, "urgent at night": len(hurried)}
    evidence.expect(not asleep, f"{len(asleep)} notices at night")
    evidence.expect(most <= A_DAY, f"{most} notices to one person in 24 hours")
    evidence.expect(digests > 0, "what was held back was not told in a digest")
    evidence.expect(len(hurried) == 1, "what could not wait did")
    evidence.need(len(others) == people, "not everybody was told something")


def _most_in_a_day(times: Sequence[datetime]) -> int:
    return max((sum(at <= later < at + DAY for later in times) for at in times), default=0)
