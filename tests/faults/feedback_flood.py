"""G48: a thousand complaints a minute by a few people: caps hold, nothing huge is kept, officers' lists stay quick.

Two processes take them, and Redis stands still half of the time: what each knows by itself adds up to twice the caps.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from urllib.parse import urlencode

from aiohttp import ClientSession, CookieJar

from console.roles import OfficerRole
from lookup.sealing import Seal
from service.wiring import open_core
from tests.console.officers import PASSWORD, Browser, hire
from tests.faults.answers_under_fault import valkey_of
from tests.faults.evidence import Evidence, percentile
from tests.faults.load import Producer
from tests.faults.rig import AGENCY, NO_MUTANT, SECRET, Rig, open_rig

ABOUT = 10  # dossiers that half of the complaints are about
A_MINUTE = 1_000
PER_PERSON, PER_DOSSIER = 5, 10  # an hour (feedback_intake.filing_caps)
STILL, MOVING = 2.0, 2.0  # seconds of Redis, in turns
HUGE = 5 * 1024 * 1024
MORE = b"&address_string=" + b"xa+" * (HUGE // 3)  # made once: it is not our making of it that is measured
LIST_P95 = 1.0  # seconds
LISTS = (
    "/console/phan-anh?tab=unit",
    "/console/phan-anh?tab=unassigned",
    "/console/phan-anh?tab=ended",
    "/console/phan-anh?tab=unit&late=1",
    "/console/phan-anh?tab=mine",
    "/console/phe-duyet",
)
OFFICER = "hoa@bacninh.gov.vn"
# Cases of an office and all below it, one in fifty confidential, in every state that lists show.
FILL = """
    WITH opened AS (
        INSERT INTO feedback_case (state, holder_agency, parties, filed_at, holder_due_on, answer_due_on, confidential)
        SELECT (ARRAY['received', 'assigned', 'awaiting_approval', 'answered', 'closed'])[1 + n % 5], h, ARRAY[h],
               now() - interval '1 day' * (n % 300), current_date + n % 40 - 10, current_date + n % 40 - 10, n % 50 = 0
          FROM (SELECT n, offices.ids[1 + n % cardinality(offices.ids)] AS h
                  FROM generate_series($2::int, $3::int) n,
                       (SELECT array_agg(r.agency_id ORDER BY r.agency_id) AS ids FROM agency_reach r
                          JOIN agency a ON a.id = r.scope_id AND a.code = $1) offices) x
        RETURNING id, holder_agency)
    INSERT INTO feedback (case_id, number, kind, owner_agency, agency_id, proven, channel, language, text_sealed)
    SELECT id, 'PA-2601' || lpad((1 + id / 1000000 % 28)::text, 2, '0') || '-' || lpad((id % 1000000)::text, 6, '0'),
           'feedback', holder_agency, holder_agency, false, 'sms', 'vi', $4
      FROM opened RETURNING 1"""
AT_ONCE = 50_000
TIDY = "VACUUM ANALYZE feedback_case, feedback"
FILED = """
    SELECT count(*) AS n, max(length(text_sealed)) AS longest, count(DISTINCT phone_digest) AS people,
           coalesce((SELECT max(m) FROM (SELECT count(*) AS m FROM feedback WHERE channel = 'open311'
                                         GROUP BY phone_digest) p), 0) AS by_one,
           coalesce((SELECT max(m) FROM (SELECT count(*) AS m FROM feedback WHERE channel = 'open311'
                                         AND dossier_id IS NOT NULL GROUP BY dossier_id) d), 0) AS about_one
      FROM feedback WHERE channel = 'open311'"""


async def complaints(*, cases: int, people: int, seconds: float, mutant: str = NO_MUTANT) -> Evidence:
    """A store with so many cases; for so long complaints come, some of 5 MiB, while officers page through their lists.

    Mutant: `filed_uncounted`.
    """
    evidence = Evidence(guarantee="G48")
    async with open_rig(webs=2, dispatchers=0, mutant=mutant) as rig:
        seal = Seal.from_secret(SECRET.encode())
        words = seal.seal("Chờ mãi chưa có kết quả.")
        for start in range(0, cases, AT_ONCE):
            await rig.query(FILL, AGENCY, start, min(cases, start + AT_ONCE) - 1, words)
        await rig.query(TIDY)
        async with open_core(rig.servers, seal, application="faults", answers_in_process=False) as core:
            await hire(core, OFFICER, *OfficerRole, office=AGENCY)
        codes = await Producer(rig).dossiers(ABOUT)
        statuses, done = Counter[int](), asyncio.Event()
        async with asyncio.TaskGroup() as load:
            paging = load.create_task(_page(rig, done))
            load.create_task(_halting(await valkey_of(rig), done))
            await _complain(rig, codes, people, seconds, statuses)
            done.set()
            took = await paging
        filed = (await rig.query(FILED))[0]
        evidence.figures |= {"cases": cases, "complaints": statuses.total(), "answered": dict(sorted(statuses.items()))}
        evidence.figures |= {"filed": filed["n"], "of one person": filed["by_one"], "about one": filed["about_one"]}
        evidence.figures |= {"lists": len(took), "p95 ms": round(1000 * percentile(took, 0.95))}
        evidence.expect(filed["by_one"] <= PER_PERSON, f"{filed['by_one']} were filed by one person within an hour")
        evidence.expect(filed["about_one"] <= PER_DOSSIER, f"{filed['about_one']} about one dossier within an hour")
        evidence.expect((filed["longest"] or 0) < HUGE / 100, "a huge text was kept")
        evidence.expect(not statuses[500], f"{statuses[500]} faults of ours")
        evidence.expect_within(LIST_P95, percentile(took, 0.95), "95 % of the lists")
        evidence.need(filed["n"] > ABOUT, "hardly anything was filed")
        evidence.need(statuses.total() > PER_DOSSIER * ABOUT, "there was no flood")
    return evidence


async def _halting(valkey: int, done: asyncio.Event) -> None:
    """Redis is still for a while, and goes on for a while."""
    while not done.is_set():
        os.kill(valkey, signal.SIGSTOP)
        try:
            await asyncio.sleep(STILL)
        finally:
            os.kill(valkey, signal.SIGCONT)
        await asyncio.sleep(MOVING)


async def _complain(rig: Rig, codes: list[str], people: int, seconds: float, statuses: Counter[int]) -> None:
    choice, loop = random.Random(48), asyncio.get_running_loop()
    began, sent = loop.time(), 0

    async def one(number: int) -> None:
        form = {
            "api_key": rig.api_key,
            "service_code": "delay",
            "description": "Hẹn mãi chưa xong. " * 3,
            "last_name": f"Nguyễn Văn {number % people}",
            "phone": f"09120{number % people:05d}",
        }
        if number % 2:
            form["attribute[dossier]"] = choice.choice(codes)
        body = urlencode(form).encode() + (MORE if number % 40 == 0 else b"")
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        async with rig.http.post(f"{rig.url}/open311/v2/requests.json", data=body, headers=headers) as response:
            await response.read()
            statuses[response.status] += 1

    async with asyncio.TaskGroup() as calls:
        while loop.time() - began < seconds:
            calls.create_task(one(sent))
            sent += 1
            await asyncio.sleep(max(0.0, began + sent * 60 / A_MINUTE - loop.time()))


async def _page(rig: Rig, done: asyncio.Event) -> list[float]:
    """Officers look at their lists, one after the other; how long each took."""
    took: list[float] = []
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        browser = Browser(http=http, url=rig.url)
        await browser.signs_in(OFFICER, PASSWORD)
        while not done.is_set() or len(took) < len(LISTS):
            for path in LISTS:
                began = time.monotonic()
                answer = await browser.get(path)
                took.append(time.monotonic() - began)
                assert answer.status == 200, path
            await asyncio.sleep(0.2)
    return took
