"""G56: whatever people and systems write, no page that shows it takes it for a program.

`HOSTILE=400 ./run browser tests/browser/test_stored_words.py` writes all of `hostile_words`; else fifty of them.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email.headerregistry import Address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
from playwright.async_api import Browser, BrowserContext, Page

from channels.email.letters import letter
from console.roles import OfficerRole
from database.pool import Role
from domain.civil_time import civil_day, utc_now
from domain.contact import ChannelName, Contact
from domain.language import Language
from domain.message import Outgoing
from feedback_intake.attachments import Attachment
from feedback_intake.cases import Step
from feedback_intake.filing import Feedback, FeedbackKind, Filed, MayPublish
from feedback_intake.moves import Content, MoveName, Who
from feedback_intake.numbers import new_number
from feedback_intake.paper import attach
from feedback_intake.progress import link_of
from feedback_intake.rates import refresh_figures
from feedback_intake.register import Publication
from feedback_intake.templates import add_template
from lookup.sealing import Seal
from service.wiring import Core, open_core
from tests.browser.hostile_words import hostile_words, some
from tests.browser.signed_in import sign_in
from tests.console.officers import hire
from tests.faults.load import BEGIN
from tests.faults.rig import AGENCY, NO_MUTANT, SECRET, Rig, open_rig
from tests.feedback_intake.desk import CaseDesk

SAID = os.environ.get("FIGURES")  # where to keep how much was looked at
MOST = int(os.environ.get("HOSTILE", "50"))
OFFICER = "hoa@bacninh.gov.vn"
WATCH = "window.strikes = []; window.struck = (n) => window.strikes.push(n)"
# What of a page was somebody's words a moment ago, and what has run.
STRUCK = """() => [
    ...window.strikes.map((n) => `ran ${n}`),
    ...[...document.querySelectorAll('.struck, [src*="struck"], [href*="struck"]:not([href*="?"]), [style*="struck"]')]
        .map((element) => element.outerHTML.slice(0, 200)),
    ...[...document.querySelectorAll('*')].filter((element) => [...element.attributes].some((a) => /^on/i.test(a.name)))
        .map((element) => element.outerHTML.slice(0, 200))]"""
FILES = ("/cong-khai.json", "/cong-khai.csv", "/cong-khai.atom", "/cong-khai/chain.ndjson", "/sitemap.xml")
CITIZENS = (
    "/",
    "/cong-khai",
    "/cong-khai?q=struck",
    "/cong-khai/co-quan",
    f"/cong-khai/co-quan/{AGENCY}",
    "/chat",
    "/gop-y",
)
CONSOLE = (
    "/console",
    "/console/phan-anh?tab=ended",
    "/console/phan-anh?tab=unit",
    "/console/phe-duyet",
    "/console/da-cong-khai",
    "/console/mau-tra-loi",
    "/console/so-lieu-phan-anh",
    "/console/thoi-han-phan-anh",
    "/console/ghi-nhan",
    "/console/ho-so",
    "/console/nhap-ho-so",
    "/console/xin-loi",
    "/console/co-quan",
    "/console/thu-tuc",
    "/console/tai-khoan",
    "/console/khoa",
    "/console/nhat-ky",
    "/console/van-hanh",
    "/console/thu-hong",
    "/console/thong-bao",
    "/console/cau-chu",
    "/console/tu-cho-nghia",
)
RENAME = """
    UPDATE agency SET name = $1, name_en = $1, phone = left($1, 60), address = $1
     WHERE code = $2 OR parent_id IN (SELECT id FROM agency WHERE code = $2)"""
NAME_ACCOUNTS = "UPDATE account SET name = $1"


@dataclass(slots=True, kw_only=True)
class Written:
    """The service as production runs it, and what was written into it."""

    rig: Rig
    core: Core
    desk: CaseDesk
    words: list[str]
    filed: list[Filed] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    templates: list[int] = field(default_factory=list)

    def word(self, n: int, most: int) -> str:
        """The `n`-th of the words in a field that takes `most` characters; one too long gives way to the next."""
        while len(self.words[n % len(self.words)]) > most:
            n += 1
        return self.words[n % len(self.words)]

    def plain(self, n: int, most: int) -> str:
        """The same for what is kept as it was sent, so that U+0000 is refused."""
        return self.word(n, most).replace("\x00", "")


@dataclass(slots=True)
class Shown:
    """Windows in which nothing may run. Counts the pages, and the words that could be read on them."""

    faults: list[str] = field(default_factory=list)
    pages: int = 0
    read: int = 0

    async def window(self, context: BrowserContext) -> Page:
        """A window that is watched."""
        await context.add_init_script(WATCH)
        page = await context.new_page()
        page.on("dialog", lambda dialog: self.faults.append(f"{page.url} dialog {dialog.message}"))
        page.on("pageerror", lambda error: self.faults.append(f"{page.url} {error}"))
        page.on("console", lambda line: self._said(page.url, line.text))
        return page

    def _said(self, url: str, text: str) -> None:
        if "Failed to load resource" not in text:
            self.faults.append(f"{url} {text}")

    async def look(self, page: Page, path: str | None = None) -> None:
        """Open a page and see that it is what we made, on the screen and as it is printed."""
        if path is not None:
            answer = await page.goto(path)
            assert answer is not None
            assert answer.status < 500, path
        for media in ("print", "screen"):
            await page.emulate_media(media=media)
            self.faults += [f"{page.url} {struck}" for struck in await page.evaluate(STRUCK)]
        self.pages += 1
        self.read += (await page.locator("body").inner_text()).count("struck(")


@asynccontextmanager
async def written(most: int, *, mutant: str = NO_MUTANT) -> AsyncIterator[Written]:
    """The whole service with `most` hostile words in every field it stores."""
    async with AsyncExitStack() as stack:
        rig = await stack.enter_async_context(open_rig(webs=1, dispatchers=0, mutant=mutant))
        seal = Seal.from_secret(SECRET.encode())
        core = await stack.enter_async_context(
            open_core(rig.servers, seal, application="test", answers_in_process=False)
        )
        made = Written(rig=rig, core=core, desk=CaseDesk(database=core.database, seal=seal), words=some(most))
        await hire(core, OFFICER, *OfficerRole, office=AGENCY)
        await _dossiers(made)
        for k in range(len(made.words)):
            await _case(made, k)
        await _names(made)
        yield made


async def _dossiers(made: Written) -> None:
    """What an agency's system states, each field with another of the words."""
    items: list[dict[str, Any]] = []
    for k in range(len(made.words)):
        code = f"{AGENCY}-2610{k % 25 + 1:02d}-{k + 1:06d}"
        made.codes.append(code)
        items.append(
            {
                "code": code,
                "reference": made.word(k, 100),
                "procedure": {"code": f"G56.{k}", "name": made.word(k + 1, 1000)},
                "receiving_agency": AGENCY,
                "filing_channel": 1,
                "applicant": {"name": made.word(k + 2, 300), "phone": f"+8490{k:07d}", "kind": made.word(k + 7, 50)},
                "received_at": BEGIN.isoformat(),
                "status": 5,
                "status_at": BEGIN.isoformat(),
                "asked_of_applicant": made.word(k + 3, 4000),
                "note": made.word(k + 4, 4000),
                "extra": {"loai": made.plain(k + 5, 200), made.plain(k + 6, 60): 1},
            }
        )
    events = [
        {
            "id": f"{code}/1",
            "code": code,
            "status": 5,
            "at": utc_now().isoformat(),
            "note": made.word(k + 8, 4000),
            "office": made.word(k + 9, 300),
            "officer": made.word(k + 10, 300),
            "asked_of_applicant": made.word(k + 3, 4000),
        }
        for k, code in enumerate(made.codes)
    ]
    for kind, everything in (("dossiers", items), ("events", events)):
        for start in range(0, len(everything), 50):
            url = f"{made.rig.url}/api/v1/{kind}"
            async with made.rig.http.post(url, json=everything[start : start + 50], headers=made.rig.headers) as said:
                answer = await said.json()
            assert said.status == 200, answer
            assert not [item for item in answer["items"] if "error" in item], answer


async def _case(made: Written, k: int) -> None:
    """A case that was filed with a file, noted upon, answered and published, each time with another of the words."""
    desk, word = made.desk, made.word
    feedback = Feedback(
        number=new_number(civil_day(utc_now())),
        kind=FeedbackKind.FEEDBACK,
        text=word(k, 10_000),
        name=word(k + 1, 200),
        postal_address=word(k + 2, 500),
        phone=f"+8490{k:07d}",
        may_publish=MayPublish.NAMED,
        agency_id=await desk.agency(AGENCY),
    )
    sender = Contact(channel=ChannelName.SMS, address=feedback.phone)
    async with desk.database.transaction(Role.WORKER) as connection:
        filed = await desk.filing.file(connection, sender, feedback)
        file = Attachment(name=word(k + 3, 120), content_type="image/png", content=b"\x89PNG\r\n" + bytes([k % 251]))
        await attach(connection, desk.seal, filed, file)
    made.filed.append(filed)
    officer = (await desk.officer(AGENCY, Who.HANDLER)).account_id
    assert officer is not None
    async with desk.office(AGENCY) as connection:
        await desk.cases.note(connection, filed.case_id, officer, word(k + 4, 10_000))
        made.templates.append(
            await add_template(connection, await desk.agency(AGENCY), f"{k} {word(k + 5, 110)}", word(k + 6, 10_000))
        )
    for role, step in (
        (Who.CLERK, Step(move=MoveName.CLASSIFY, content=Content.DELAY, why=word(k + 7, 2_000))),
        (Who.HANDLER, Step(move=MoveName.START)),
        (Who.HANDLER, Step(move=MoveName.SUBMIT, answer=word(k + 8, 10_000))),
        (Who.APPROVER, Step(move=MoveName.APPROVE)),
        (
            Who.APPROVER,
            Step(
                move=MoveName.PUBLISH,
                publication=Publication(question=word(k + 9, 10_000), answer=word(k + 10, 10_000), named=True),
            ),
        ),
    ):
        if k % 3 == 2 and step.move is MoveName.APPROVE:
            break  # one that waits for approval
        await desk.moves(filed.case_id, step, office=AGENCY, role=role)


async def _names(made: Written) -> None:
    """The names of offices and officers, last: they stand on every page."""
    owner = await asyncpg.connect(made.rig.servers.database_url)
    await owner.execute(RENAME, made.word(11, 200), AGENCY)
    await owner.execute(NAME_ACCOUNTS, made.word(12, 200))
    await owner.close()
    await made.core.registry.refresh()
    async with made.core.database.transaction(Role.WORKER) as connection:
        await refresh_figures(connection, minutes=0)
    for process in made.rig.processes:  # which knows the names it started with
        await process.stop()
        await process.start()


async def _citizens_pages(made: Written, shown: Shown, page: Page) -> None:
    for path in (
        "/",
        "/cong-khai",
        "/cong-khai?q=struck",
        "/cong-khai/co-quan",
        f"/cong-khai/co-quan/{AGENCY}",
        "/chat",
    ):
        await shown.look(page, path)
    entries = await made.rig.query("SELECT n FROM register_entry")
    for row in entries:
        await shown.look(page, f"/cong-khai/{row['n']}")
    for filed in made.filed:
        await shown.look(page, f"/g/{link_of(made.desk.seal, filed.number)}")
    for k, code in enumerate(made.codes):
        await page.goto(f"/tra-cuu?code={code}")
        await page.fill("#proof", f"{k:07d}"[-4:])
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await shown.look(page)
    for words in made.words[:50]:  # and what is sent back as it was typed
        await shown.look(page, "/tra-cuu?" + "&".join(f"{name}={_quoted(words)}" for name in ("code", "lang")))
        await shown.look(page, f"/cong-khai?q={_quoted(words)}&agency={_quoted(words)}")


def _quoted(words: str) -> str:
    return quote(words[:200], safe="")


async def _console_pages(made: Written, shown: Shown, page: Page) -> None:
    await sign_in(page, OFFICER)
    for path in CONSOLE:
        await shown.look(page, path)
    onward = page.locator("a[rel=next]")
    await page.goto("/console/phan-anh?tab=ended")
    while await onward.count():
        async with page.expect_navigation():
            await onward.first.click()
        await shown.look(page)
    for filed in made.filed:
        await shown.look(page, f"/console/phan-anh/{filed.case_id}")
    for template in made.templates[:50]:
        await shown.look(page, f"/console/mau-tra-loi/{template}")
    for code in made.codes:
        await shown.look(page, f"/console/ho-so/{code}")


async def _files(made: Written, page: Page) -> None:
    """Files are files: nobody's browser takes them for a page."""
    for path in FILES:
        answer = await page.request.get(path)
        assert answer.status == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert "html" not in answer.headers["content-type"], path


async def _letters(made: Written, shown: Shown, page: Page) -> None:
    """A letter's HTML, which a mail program shows under no policy of ours."""
    for n, words in enumerate(made.words):
        message = Outgoing(
            message_id=n + 1,
            to=Contact(channel=ChannelName("email"), address="an@example.vn"),
            text=words,
            language=Language.VIETNAMESE,
            facts={"code": words[:60], "status": words},
        )
        made_of = letter(
            message, sender=Address(addr_spec="m@motma.example"), stop_url="https://motma.example/thoi", now=utc_now()
        )
        body = made_of.get_body(("html",))
        assert body is not None
        await page.set_content(body.get_content())
        await shown.look(page)


async def _all_shown(made: Written, browser: Browser) -> Shown:
    shown = Shown()
    context = await browser.new_context(base_url=made.rig.url)
    page = await shown.window(context)
    await _citizens_pages(made, shown, page)
    await _console_pages(made, shown, page)
    await _files(made, page)
    await context.close()
    context = await browser.new_context()
    await _letters(made, shown, await shown.window(context))
    await context.close()
    return shown


def _say(figures: str) -> None:
    if SAID:
        Path(SAID).write_text(figures, "utf-8")


async def test_no_words_run_on_any_page(browser: Browser) -> None:
    assert len(hostile_words()) >= 300
    async with written(MOST) as made:
        shown = await _all_shown(made, browser)
    assert shown.faults == []
    assert shown.read > 10 * len(made.words), "hardly any of the words were shown at all"
    _say(f"{len(made.words)} words, {shown.pages} pages, read {shown.read} times")


async def test_without_escaping_words_are_found_to_run(browser: Browser) -> None:
    """The mutant."""
    async with written(12, mutant="pages_not_escaped") as made:
        shown = await _all_shown(made, browser)
    assert shown.faults
