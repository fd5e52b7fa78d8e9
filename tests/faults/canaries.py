"""G53, G54: a person with a name, a phone and a number like nobody's goes through everything; then is forgotten."""

import json
import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import redis.asyncio as redis

from database.pool import Role, open_database
from domain.contact import ChannelName, Contact
from domain.vietnamese import unaccented
from feedback_intake.cases import SENDER, Step
from feedback_intake.moves import MoveName
from lookup.sealing import Seal
from tests.faults.dispatchers import until
from tests.faults.evidence import Evidence
from tests.faults.load import BEGIN, Producer
from tests.faults.nights import CLOCK, PUT_FORWARD
from tests.faults.rig import AGENCY, NO_MUTANT, SECRET, Rig, free_port, open_rig
from tests.faults.spreadsheets import run_motma
from tests.faults.waiting import handled, sent_out
from tests.faults.webhooks import Callers, by_kannel, open_line
from tests.feedback_intake.desk import CaseDesk

NAME, PHONE, IDENTITY, MAIL = "Chim Yến Phụng Hoàng", "+84912873645", "001203948576", "chimyen.phung@canary.example"
STREET = "Ngách Chim Yến 77/19"
CODE = f"{AGENCY}-261005-004711"
# Whatever the agency said of a dossier is its own record (docs/personal-data.md), in its own tables.
ALLOWED = frozenset({"dossier", "dossier_event"})
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
TABLES = """
    SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
       AND NOT relispartition ORDER BY 1"""
SEALED = """
    SELECT c.relname AS table, a.attname AS column FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND a.attname LIKE '%sealed' AND NOT a.attisdropped"""
SETTLED, AHEAD = timedelta(days=5), timedelta(days=401)
UNSETTLED = "SELECT count(*) AS n FROM message WHERE state < 50"
POISON = "UPDATE message SET address_sealed = 'poison', state = 0, run_at = now() WHERE id = $1 RETURNING id"
ONE = "SELECT min(id) AS id FROM message WHERE dossier_id IS NOT NULL"


def spellings() -> dict[str, re.Pattern[bytes]]:
    """What to look for, in whatever way it may be written."""
    digits = PHONE.removeprefix("+84")
    spaced = r"[\s.\-]?".join(digits)
    names = {NAME, unicodedata.normalize("NFD", NAME), unaccented(NAME), STREET, unaccented(STREET)}
    written = {spelt for name in names for spelt in (name, quote(name), quote(name, safe=" "), json.dumps(name)[1:-1])}
    either = "|".join(map(re.escape, sorted(written)))
    return {
        "name": re.compile(either.encode(), re.IGNORECASE),
        "phone": re.compile(spaced.encode()),
        "identity": re.compile(IDENTITY.encode()),
        "mail": re.compile(MAIL.partition("@")[0].encode(), re.IGNORECASE),
    }


def found(text: bytes) -> set[str]:
    """Which of the canaries sing in `text`."""
    return {name for name, pattern in spellings().items() if pattern.search(text)}


async def canaries(*, others: int, mutant: str = NO_MUTANT) -> Evidence:
    """G53: the person asks, follows, complains, errs, and is told; then all that is no sealed column is searched.

    Mutants: `words_in_the_log`, `senders_in_redis`.
    """
    evidence = Evidence(guarantee="G53")
    async with open_rig(mutant=mutant, webs=1, dispatchers=1) as rig, open_line() as http:
        ports = await _with_figures(rig)
        errors = await _lived(rig, Callers(rig, http), others, evidence)
        places: dict[str, bytes] = {f"error page {name}": body for name, body in errors.items()}
        places |= {path.name: path.read_bytes() for path in rig.directory.glob("*.log")}
        for name, port in ports.items():
            async with rig.http.get(f"http://127.0.0.1:{port}/metrics") as response:
                places[f"figures of {name}"] = await response.read()
        places["redis"] = await _redis(rig.servers.redis_url)
        for kind in ("csv", "ndjson"):
            export = rig.directory / f"messages.{kind}"
            await run_motma(rig, "messages", "export", "--format", kind, "-o", str(export))
            places[export.name] = export.read_bytes()
        places["texts sent"] = "\n".join(text for _, text in rig.ledger.texts).encode()
        places |= await _tables(rig)
        evidence.figures |= {"places": len(places), "KiB searched": sum(map(len, places.values())) >> 10}
        for place, content in sorted(places.items()):
            sung = found(content)
            evidence.expect(not sung, f"{', '.join(sorted(sung))} in {place}")
        evidence.need(b"request" in places["web-0.log"], "the log says nothing of requests")
        evidence.need(len(rig.ledger.texts) > 2, "nobody was told anything")
        dossier = b"\n".join([row["t"].encode() for row in await rig.query("SELECT t::text AS t FROM dossier t")])
        evidence.need("name" in found(dossier), "the canary never was in the store")
    return evidence


async def forgotten(*, others: int, mutant: str = NO_MUTANT) -> Evidence:
    """G54: the person has it all forgotten; the rest ends by its terms, 400 days later.

    Mutants: `nobody_forgotten`, `nothing_ends`.
    """
    evidence = Evidence(guarantee="G54")
    async with open_rig(mutant=mutant, webs=1, dispatchers=1, prepared=CLOCK) as rig, open_line() as http:
        await _lived(rig, Callers(rig, http), others, evidence)
        seal = Seal.from_secret(SECRET.encode())
        before = await _opened(rig, seal)
        evidence.need({"phone", "identity"} <= found(before), "nothing of the person was kept")
        await _withdrawn(rig, seal)
        await run_motma(rig, "person", "forget", PHONE, "--yes")
        after = await _opened(rig, seal, but=frozenset({"dossier", "message"}))
        evidence.expect(not found(after), f"{sorted(found(after))} after the person was forgotten")
        await rig.query(PUT_FORWARD, SETTLED)  # what has no receipt by now is settled as that
        await until(rig, UNSETTLED, lambda n: n == 0, 60)
        await rig.query(PUT_FORWARD, SETTLED + AHEAD)
        await run_motma(rig, "retention")
        left = await _opened(rig, seal, but=frozenset({"dossier"}))
        evidence.expect(not found(left), f"{sorted(found(left))} after 400 days")
        tables = b"\n".join((await _tables(rig)).values())
        evidence.expect(not found(tables), f"{sorted(found(tables))} in clear after 400 days")
        still = (await rig.query("SELECT count(*) AS n FROM inbound WHERE text_sealed <> ''"))[0]["n"]
        evidence.expect(still == 0, f"{still} texts are still kept after 400 days")
        kept = (await rig.query("SELECT count(*) AS n FROM feedback"))[0]["n"]
        evidence.figures |= {"sealed KiB before": len(before) >> 10, "after": len(left) >> 10, "feedback numbers": kept}
        evidence.expect(kept > 0, "the figures lost their feedback")
        evidence.need((await rig.query("SELECT count(*) AS n FROM dossier"))[0]["n"] > 0, "the dossiers are gone")
    return evidence


async def _with_figures(rig: Rig) -> dict[str, int]:
    """Have each process say its figures at a port of its own."""
    ports = {}
    for process in rig.processes:
        ports[process.log.stem] = free_port()
        process.environment = {
            **process.environment,
            "MOTMA_ADMIN_LISTEN": f"127.0.0.1:{ports[process.log.stem]}",
        }
        await process.stop()
        await process.start()
    return ports


async def _lived(rig: Rig, callers: Callers, others: int, evidence: Evidence) -> dict[str, bytes]:
    """Everything the person does, and what each error page said to them."""
    producer = Producer(rig)
    await producer.dossiers(others)
    await producer.push("dossiers", [_dossier()])
    said = (
        CODE,
        f"HS {CODE} {PHONE[-4:]}",
        f"THEO DOI {CODE}",
        f"{NAME} {IDENTITY} {PHONE} {MAIL}",
        f"GOP Y {CODE} Tôi là {NAME}, số căn cước {IDENTITY}, ở {STREET}, điện thoại {PHONE}. Hẹn ba lần chưa xong.",
        "1",
        f"Gửi thư về {MAIL}",
        f"DG {CODE} 1 {NAME} không hài lòng",
    )
    for n, text in enumerate(said):
        await callers.call(by_kannel(PHONE, text, n))
        await handled(rig, evidence)
    event = {"id": "canary/1", "code": CODE, "status": 5, "at": (BEGIN + timedelta(days=1)).isoformat()}
    await producer.push("events", [event | {"note": f"{NAME} {IDENTITY}", "asked_of_applicant": "Bản sao căn cước"}])
    await sent_out(rig, evidence)
    await rig.query(POISON, (await rig.query(ONE))[0]["id"])  # and one that becomes a dead letter
    return await _errors(rig)


def _dossier() -> dict[str, object]:
    return {
        "code": CODE,
        "procedure": {"code": "1.005129"},
        "receiving_agency": AGENCY,
        "filing_channel": 1,
        "applicant": {"name": NAME, "phone": PHONE, "email": MAIL},
        "received_at": BEGIN.isoformat(),
        "status": 2,
        "status_at": BEGIN.isoformat(),
        "note": f"{NAME}, {STREET}, {IDENTITY}",
        "extra": {"cccd": IDENTITY, "dia_chi": STREET},
    }


async def _errors(rig: Rig) -> dict[str, bytes]:
    """Mistakes with the canaries in them, wherever something may be typed; the pages that answer."""
    local = "0" + PHONE.removeprefix("+84")
    answers = {}
    for path in (
        f"/{local}/{quote(NAME)}",
        f"/api/v1/lookup/{IDENTITY}",
        f"/api/v1/lookup/{quote(NAME)}",
        f"/g/{quote(NAME)}",
        f"/cong-khai/{local}",
        f"/console/phan-anh/{local}",
        f"/open311/v2/requests/{local}.json",
        f"/api/v1/dossiers/{IDENTITY}",
    ):
        async with rig.http.get(rig.url + path, headers=rig.headers) as response:
            body = await response.read()
            answers[path.partition("/")[2][:20]] = b"" if response.status == 200 else _without(body, path)
    for path, kind, typed in (
        ("/api/v1/events", JSON, f'[{{"id":"{NAME}","code":"{IDENTITY}","status":"{PHONE}"'),
        ("/tra-cuu", FORM, f"code={CODE}&proof={PHONE[-3:]}{IDENTITY}"),
        (
            "/webhooks/kannel/wrong-secret-of-somebody/mo",
            FORM,
            f"from={PHONE}&text={NAME}",
        ),
        ("/open311/v2/requests.json", FORM, f"phone={PHONE}&description={quote(NAME)}"),
        ("/console/vao", FORM, f"email={MAIL}&password={NAME}"),
    ):
        headers = {**rig.headers, "Content-Type": kind}
        async with rig.http.post(rig.url + path, data=typed.encode(), headers=headers) as response:
            said = await response.read()
            answers[path] = said if response.status != 422 and path != "/tra-cuu" else b""
    return answers


def _without(body: bytes, path: str) -> bytes:
    """A page without its own address, which the reader typed: in a link to the other language."""
    for spelt in (path, quote(path), path.replace("%", "%25")):
        body = body.replace(spelt.encode(), b"")
    return body


async def _redis(url: str) -> bytes:
    """Every key and value there is."""
    everything = []
    async with redis.from_url(url) as client:
        async for key in client.scan_iter():
            kind = await client.type(key)
            everything += [*_bytes_in(key), *_bytes_in(await _READ[_text(kind)](client, key))]
    return b"\n".join(everything)


def _text(word: bytes | str) -> str:
    return word if isinstance(word, str) else word.decode()


_READ: dict[str, Callable[[Any, bytes], Awaitable[Any]]] = {
    "string": lambda client, key: client.get(key),
    "hash": lambda client, key: client.hgetall(key),
    "set": lambda client, key: client.smembers(key),
    "zset": lambda client, key: client.zrange(key, 0, -1),
    "list": lambda client, key: client.lrange(key, 0, -1),
    "stream": lambda client, key: client.xrange(key),
}


def _bytes_in(value: Any) -> Iterator[bytes]:  # noqa: ANN401 - whatever Redis gives
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        yield from _bytes_in([*value.items()])
    elif isinstance(value, (list, tuple, set)):
        for part in value:
            yield from _bytes_in(part)


async def _tables(rig: Rig) -> dict[str, bytes]:
    """Every table as text, but for what is the agency's own."""
    names = [row["relname"] for row in await rig.query(TABLES) if row["relname"] not in ALLOWED]
    texts = {}
    for name in names:
        rows = await rig.query(f"SELECT t::text AS t FROM {name} t")  # noqa: S608 - names of our tables
        texts[f"table {name}"] = "\n".join(row["t"] or "" for row in rows).encode()
    return texts


async def _opened(rig: Rig, seal: Seal, *, but: frozenset[str] = frozenset()) -> bytes:
    """Everything sealed, opened."""
    texts = []
    for place in await rig.query(SEALED):
        if place["table"] in but:
            continue
        statement = f"SELECT {place['column']} AS v FROM {place['table']} WHERE length({place['column']}) > 20"  # noqa: S608
        texts += [seal.open(row["v"]) for row in await rig.query(statement)]
    return "\n".join(texts).encode()


async def _withdrawn(rig: Rig, seal: Seal) -> None:
    """Open feedback is withdrawn by its sender first."""
    async with open_database(rig.servers.database_url) as database:
        desk = CaseDesk(database=database, seal=seal)
        digest = seal.contact(Contact(channel=ChannelName.SMS, address=PHONE))
        for row in await rig.query("SELECT case_id FROM feedback WHERE contact_digest = $1", digest):
            async with database.transaction(Role.WORKER) as connection:
                await desk.cases.move(connection, row["case_id"], Step(move=MoveName.WITHDRAW), SENDER)
