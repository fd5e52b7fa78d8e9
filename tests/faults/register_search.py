"""The register: whatever words and filters a person puts together, the answer is there at once, and right."""

import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from database.migrate import migrate
from database.pool import Role, open_database
from feedback_intake.filing import FeedbackKind
from feedback_intake.published import Reading, Wanted
from feedback_intake.register import words_of
from lookup.reference_loader import load_reference_data
from service.embedded import run_embedded
from tests.faults.evidence import Evidence, percentile
from tests.faults.rig import NO_MUTANT
from tests.feedback_intake.many_entries import RARE, SYLLABLES, fill

P95 = 0.2  # seconds for one page
LENGTH = 100  # syllables of an entry
COMPARED = 60  # of the questions are asked on and on, and compared with a look at every entry
MOST_FOUND = 400
SCOPES = "SELECT scope_id FROM agency_reach GROUP BY scope_id HAVING count(*) < (SELECT count(*) FROM agency)"
# All of it, without the index of words.
EVERY = """
    SELECT e.n FROM register_entry e
     WHERE e.listed AND tsvector_to_array(e.words) @> $1::text[] AND ($2::text IS NULL OR e.kind = $2)
       AND ($3::boolean IS NULL OR e.on_time = $3)
       AND ($4::int IS NULL OR e.agency_id IN (SELECT agency_id FROM agency_reach WHERE scope_id = $4))
       AND e.n < $5 AND e.n >= $6
     ORDER BY e.n DESC LIMIT $7"""


async def searched(*, entries: int, questions: int, mutant: str = NO_MUTANT) -> Evidence:
    """So many entries, asked by words of every rarity and filters of every kind. Mutant: `a_block_left_out`."""
    del mutant  # what is searched runs in this process
    evidence = Evidence(guarantee="register")
    with TemporaryDirectory(prefix="motma-faults-") as directory:
        async with run_embedded(Path(directory) / "data") as servers:
            await migrate(servers.database_url)
            await load_reference_data(servers.database_url)
            await fill(servers.database_url, entries, length=LENGTH)
            owner = await asyncpg.connect(servers.database_url)
            offices = [row["scope_id"] for row in await owner.fetch(SCOPES)]
            async with open_database(servers.database_url, roles=(Role.PUBLIC,)) as database:
                reading = Reading(database)
                asked = _questions(random.Random(48), offices, entries, questions)
                await reading.newest(Wanted(text="hồ sơ"))
                took = [await _page(reading, wanted) for wanted in asked]
                wrong = 0
                for wanted in asked[:COMPARED]:
                    wrong += await _all_pages(reading, wanted) != await _every(owner, wanted)
            await owner.close()
        seconds = [each for each, _ in took]
        evidence.figures |= {
            "entries": entries,
            "questions": len(asked),
            "ended early": sum(early for _, early in took),
        }
        evidence.figures |= {"p50 ms": round(1000 * percentile(seconds, 0.5)), "most ms": round(1000 * max(seconds))}
        evidence.figures["p95 ms"] = round(1000 * percentile(seconds, 0.95))
        evidence.expect(not wrong, f"{wrong} of {COMPARED} questions were not answered with all that fits")
        evidence.expect_within(P95, percentile(seconds, 0.95), "95 % of the questions")
    return evidence


def _questions(choice: random.Random, offices: list[int], entries: int, most: int) -> list[Wanted]:
    asked = []
    for number in range(most):
        words = choice.sample(SYLLABLES, (1, 2, 3, 5, 8, 12)[number % 6])
        if number % 7 == 0:
            words = [choice.choice((RARE, "không-đâu-có"))]
        asked.append(
            Wanted(
                text=" ".join(words) if number % 11 else "",
                office=choice.choice((None, choice.choice(offices))),
                kind=choice.choice((None, *FeedbackKind)),
                on_time=choice.choice((None, True, False)),
                before=choice.choice((None, choice.randrange(1, entries))),
            )
        )
    return asked


async def _page(reading: Reading, wanted: Wanted) -> tuple[float, bool]:
    began = time.monotonic()
    found = await reading.newest(wanted)
    return time.monotonic() - began, found.unsearched


async def _all_pages(reading: Reading, wanted: Wanted) -> list[int]:
    """The newest `MOST_FOUND` that fit, page by page as a reader turns them."""
    numbers: list[int] = []
    while len(numbers) < MOST_FOUND:
        found = await reading.newest(wanted)
        numbers += [entry.n for entry in found.entries]
        if found.before is None:
            break
        wanted = Wanted(
            text=wanted.text,
            office=wanted.office,
            kind=wanted.kind,
            on_time=wanted.on_time,
            before=found.before,
        )
    return numbers[:MOST_FOUND]


async def _every(owner: asyncpg.Connection, wanted: Wanted) -> list[int]:
    high = 1 << 62 if wanted.before is None else wanted.before
    filters = (wanted.kind, wanted.on_time, wanted.office, high, wanted.since, MOST_FOUND)
    return [row["n"] for row in await owner.fetch(EVERY, words_of(wanted.text), *filters)]
