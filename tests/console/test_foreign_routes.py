"""Every page and every form of the console in the hands of another office's officers, aimed at what is not theirs."""

import re
from collections import Counter as Counting
from html import unescape

import asyncpg

from console.places import PLACES
from console.roles import OfficerRole
from domain.civil_time import civil_day, utc_now
from feedback_intake.attachments import attachment
from feedback_intake.paper import attach
from tests.channels.story import CODE, Office
from tests.console.cases import Counter
from tests.console.officers import OFFICE, Answer, Browser
from tests.feedback_intake.test_attachments import picture
from tests.feedback_intake.test_register import answered, publish

EVERYTHING = tuple(OfficerRole)
SIBLING, OTHER_PROVINCE = "H05.07", "H26"
# What only the office itself may read; what it published is everybody's.
SECRETS = ("Nguyễn Văn An", "LỜI-KÍN", "CHÚ-KÍN", "MẪU-KÍN", "KHOÁ-KÍN", "CAU-KIN", "an@bacninh.gov.vn")
WORDING = "HS {code}: CAU-KIN. Moi den {office}. {stop}"
_PARAMETER = re.compile(r"\{(\w+)\}")
# What changes whoever does something: who is signed in, what was done, what is typed.
_MOVING = {"audit", "audit_head", "session", "draft", "register_head"}
# What a form of the console may be sent: the ids of another's, and words that fit somewhere.
_NUMBERS = (
    *("account", "apology", "assignee", "feedback", "file", "id", "into", "message", "other", "passkey", "procedure"),
    *("replaces", "role", "session", "template", "version"),
)
_WORDS = {
    "agency": OFFICE,
    "agency_code": OFFICE,
    "code": CODE,
    "q": "nguyen van an",
    "format": "csv",
    "all": "1",
    "tu": "2020-01-01",
    "den": "2030-01-01",
    "day": "2026-11-20",
    "received_on": "2026-11-20",
    "email": "x@x.vn",
    "note": "x",
    "name": "x",
    "text": "x",
    "words": "x",
    "why": "x",
    "source": "s",
    "raw": "x",
    "status": "4",
    "reason": "withdrawn",
    "what": "text",
    "score": "1",
    "event": "closed",
    "form_kind": "sms",
    "language": "vi",
}
TABLES = "SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace"


async def rows(owner: asyncpg.Connection) -> dict[str, set[str]]:
    """Everything that is stored, but what moves by itself."""
    tables = [row["relname"] for row in await owner.fetch(TABLES)]
    return {
        table: {row["t"] for row in await owner.fetch(f"SELECT t::text FROM {table} t")}  # noqa: S608 - a name of ours
        for table in tables
        if table not in _MOVING
    }


async def furnished(counter: Counter) -> list[int]:
    """An office with something of everything; the ids of its cases."""
    await Office(counter.house.core).files()
    browser = await counter.officer("an", *EVERYTHING)
    plain = await counter.files("LỜI-KÍN " * 3)
    hidden = await counter.files("LỜI-KÍN kín", confidential=True)
    shown = await answered(counter.desk, (await counter.files("LỜI-KÍN đã trả lời")).case_id)
    async with counter.desk.office(OFFICE) as connection:
        await attach(connection, counter.desk.seal, plain, await attachment("a.jpg", picture()))
    await publish(counter.desk, shown)
    for page, path, fields in (
        (f"/console/phan-anh/{plain.case_id}", f"/console/phan-anh/{plain.case_id}/ghi-chu", {"note": "CHÚ-KÍN"}),
        ("/console/mau-tra-loi", "/console/mau-tra-loi", {"name": "MẪU-KÍN", "text": "MẪU-KÍN", "content": ""}),
        ("/console/khoa", "/console/khoa/moi", {"name": "KHOÁ-KÍN", "kind": "live", "agency": OFFICE}),
        (
            "/console/cau-chu",
            "/console/cau-chu/luu",
            {"agency": OFFICE, "event": "result_ready", "form_kind": "sms", "language": "vi", "words": WORDING},
        ),
    ):
        await browser.get(page)
        assert (await browser.post(path, fields)).status == 200, path
    return [plain.case_id, hidden.case_id, shown]


async def test_no_page_shows_and_no_form_changes_what_is_anothers(counter: Counter, database_url: str) -> None:
    cases = await furnished(counter)
    agency = await counter.desk.agency(OFFICE)
    own = counter.house.browser()
    await own.signs_in("an@bacninh.gov.vn")
    seen = [await text_at(own, path) for method, path in addresses(cases[0], agency) if method == "GET"]
    assert [secret for secret in SECRETS if not any(secret in text for text in seen)] == []
    owner = await asyncpg.connect(database_url)
    before = await rows(owner)
    for name, office in (("binh", SIBLING), ("chi", OTHER_PROVINCE)):
        stranger = await counter.officer(name, *EVERYTHING, office=office)
        leaks, statuses = list[str](), Counting[int]()
        for number in (1, *cases):
            for method, path in addresses(number, agency):
                answer = await used(stranger, method, path, number)
                statuses[answer.status] += 1
                leaks += [f"{method} {path}: {secret}" for secret in SECRETS if secret in answer.text]
                if answer.status >= 500:
                    leaks.append(f"{method} {path}: {answer.status}")
        assert leaks == []
        assert statuses.total() > 150
        assert statuses[403] == 0  # each was let in, and found nothing
    after = await rows(owner)
    await owner.close()
    for table, was in before.items():
        assert was <= after[table], (table, was - after[table])


async def text_at(browser: Browser, path: str) -> str:
    """What a page says; a file or a slip, as it comes."""
    async with browser.http.get(browser.url + path, headers={"User-Agent": browser.name}) as response:
        return unescape((await response.read()).decode(errors="replace"))


def addresses(number: int, agency: int) -> list[tuple[str, str]]:
    """Every page and form, its places filled with what is another's."""
    day = civil_day(utc_now()).isoformat()
    given = {"code": CODE, "office": str(agency), "day": day, "move": "start"}
    found = []
    for page in PLACES:
        below = [("GET", part) for part in ("", *page.parts)] + [("POST", deed) for deed in page.does]
        for method, part in below:
            path = _PARAMETER.sub(lambda place: given.get(place[1], str(number)), page.url + part)
            found.append((method, path))
    return [(m, p) for m, p in found if not p.startswith("/console/toi/mat-khau")]


async def used(browser: Browser, method: str, path: str, number: int) -> Answer:
    """Somebody opens an address, or sends a form that names what is another's in every field."""
    if method == "GET":
        query = f"?agency={OFFICE}&q={CODE}&sua={number}&mau={number}&ma={CODE}&tu={number}&viec={number}"
        return await browser.get(path + query)
    if browser.shown is None or browser.shown.status != 200 or not browser.token:
        await browser.get("/console/toi")
    return await browser.post(path, dict.fromkeys(_NUMBERS, str(number)) | _WORDS)
