"""One request of a signed-in officer: who it is, what was typed, the store within reach, and the answer."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from console.audit import Act
from console.forms import Form
from console.means import Means
from console.roles import Officer, OfficerRole
from console.sessions import Session
from database.pool import DATABASE_AWAY, Connection, Role
from domain.agency import Agency
from domain.errors import Unavailable
from domain.language import Language
from domain.status import Status
from domain.vietnamese import clean
from lookup.wording import Words, day, long_day, moment, status_label

if TYPE_CHECKING:
    from console.page import Page

HOME = "/console"
WORDS = Words("console")
_NEVER_KEPT = {"Cache-Control": "no-store"}

SET_OFFICER = """
    SELECT set_config('motma.scope', $1, true), set_config('motma.test', 'off', true),
           set_config('motma.account', $2, true), set_config('motma.confidential', $3, true)"""


class Said(str):
    """Words of the console. `code` names them in every language: of a mistake, what programs and help desks go by."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, words: str, *, code: str) -> "Said":
        """`words` named `code`."""
        said = super().__new__(cls, words)
        said.code = code
        return said


@dataclass(slots=True, kw_only=True)
class Deed:
    """An act under way. What is set here by the end of the block is what the record will say."""

    connection: Connection
    action: str
    subject: str | None = None
    facts: dict[str, str | int | None] = field(default_factory=dict)


class Visit:
    """What a page is given. `menu` is what the layout shows of other pages, `form` is empty on a GET."""

    def __init__(
        self,
        request: web.Request,
        means: Means,
        *,
        officer: Officer,
        session: Session,
        form: Form,
        menu: "Sequence[Page]",
        here: str,
        urgent: str = "",
    ) -> None:
        self.request = request
        self.means = means
        self.officer = officer
        self.session = session
        self.form = form
        self.menu = menu
        self._here = here
        self.urgent = urgent  # what the officer must do before anything else: `given`, `lacks`

    # --- who and where ---

    @property
    def language(self) -> Language:
        """The language the officer reads."""
        return self.means.pages.language(self.request)

    @property
    def agency(self) -> Agency | None:
        """The office the officer works for."""
        return self.means.registry.agency(self.officer.agency_id)

    @property
    def at_root(self) -> bool:
        """Whether that office is the system's owner, which stands above all."""
        return self.agency is not None and self.agency.parent_id is None

    def reaches(self, agency_id: int) -> bool:
        """Whether an office is the officer's own or below it."""
        return agency_id in self.means.registry.reach(self.officer.agency_id)

    def say(self, key: str, /, **values: object) -> str:
        """Words of the console in the officer's language; a `Said`."""
        return Said(WORDS.say(self.language, key, **values), code=key)

    def say_n(self, key: str, n: int) -> str:
        """The same in the plural form that `n` takes."""
        return WORDS.say_n(self.language, key, n)

    def day(self, when: date | datetime) -> str:
        """A day as it is written."""
        return day(when)

    def long_day(self, when: date | datetime) -> str:
        """A day with its weekday."""
        return long_day(when, self.language)

    def moment(self, when: datetime) -> str:
        """A moment in Vietnamese time."""
        return moment(when, self.language)

    def status(self, status: Status) -> str:
        """One of the national ten, in words."""
        return status_label(status, self.language)

    def length(self, seconds: int) -> str:
        """A stretch of time in its largest unit."""
        for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
            if seconds >= size:
                return self.say(f"length.{unit}", n=seconds // size)
        return self.say("length.seconds", n=max(0, seconds))

    def count(self, number: int) -> str:
        """A number with its thousands apart."""
        return f"{number:,}".replace(",", "." if self.language is Language.VIETNAMESE else ",")

    def asked(self, name: str) -> str:
        """A parameter of the address, cleaned; empty where there is none."""
        return clean(self.request.query.get(name, ""))

    def number(self, name: str) -> int | None:
        """A whole number among the parameters of the address or the parts of the path; None where it is none."""
        text = self.request.match_info.get(name, self.asked(name))
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None

    # --- the store ---

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A transaction that sees what the officer's office and those below hold. For what shows no personal data."""
        async with self._as(Role.CONSOLE) as connection:
            yield connection

    @asynccontextmanager
    async def acting(
        self, action: str, *, subject: str | None = None, **facts: str | int | None
    ) -> AsyncIterator[Deed]:
        """The same, for what changes something or shows personal data: the record says so, or nothing is done."""
        async with self._as(Role.CONSOLE) as connection:
            deed = Deed(connection=connection, action=action, subject=subject, facts=facts)
            yield deed
            await self._note(deed)

    @asynccontextmanager
    async def operating(
        self, action: str, *, subject: str | None = None, **facts: str | int | None
    ) -> AsyncIterator[Deed]:
        """The same as `motma_operator`, past the limits of one office: only where the page has checked them itself."""
        async with self._as(Role.OPERATOR) as connection:
            deed = Deed(connection=connection, action=action, subject=subject, facts=facts)
            yield deed
            await self._note(deed)

    @asynccontextmanager
    async def surveying(self) -> AsyncIterator[Connection]:
        """Figures of the whole for the system's owner, as `motma_operator`; for anybody else those of the own part."""
        async with self._as(Role.OPERATOR if self.at_root else Role.CONSOLE) as connection:
            yield connection

    async def note(self, action: str, *, subject: str | None = None, **facts: str | int | None) -> None:
        """Say in the record what is about to be done by others: where it cannot be said, it must not be done."""
        async with self.acting(action, subject=subject, **facts):
            pass

    @asynccontextmanager
    async def _as(self, role: Role) -> AsyncIterator[Connection]:
        try:
            async with self.means.database.transaction(role) as connection:
                officer, heads = self.officer, OfficerRole.HEAD in self.officer.roles
                who = str(officer.agency_id), str(officer.account_id), "on" if heads else ""
                await connection.execute(SET_OFFICER, *who)
                yield connection
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error

    async def _note(self, deed: Deed) -> None:
        await self.means.audit.note(
            deed.connection,
            Act(
                action=deed.action,
                account_id=self.officer.account_id,
                agency_id=self.officer.agency_id,
                subject=deed.subject,
                facts=deed.facts,
            ),
        )

    # --- drafts ---

    async def draft(self, form: str) -> dict[str, str]:
        """What the officer typed into `form` and has not sent."""
        async with self.reading() as connection:
            return await self.means.drafts.find(connection, self.officer.account_id, form)

    async def keep_draft(self, form: str, fields: Mapping[str, str] | None = None) -> None:
        """Keep what was typed; by default all of the form that came with this request."""
        typed = self.form.typed() if fields is None else fields
        async with self.reading() as connection:
            await self.means.drafts.keep(connection, self.officer.account_id, form, typed)

    async def drop_draft(self, form: str) -> None:
        """It was sent."""
        async with self.reading() as connection:
            await self.means.drafts.drop(connection, self.officer.account_id, form)

    # --- answers ---

    def render(self, template: str, *, status: int = 200, **context: object) -> web.Response:
        """A page in the console's frame. Templates also find `visit` and `form_token`."""
        done = self.asked("done")
        return self.means.pages.render(
            self.request,
            template,
            status=status,
            headers=_NEVER_KEPT,
            language_url=self._in_other_language(),
            visit=self,
            menu=[(group, list(pages)) for group, pages in groupby(self.menu, key=lambda page: page.group)],
            here=self._here,
            done=done if WORDS.has(self.language, f"done.{done}") else "",
            form_token=self.means.sessions.form_token(self.session.token),
            **context,
        )

    def see(self, path: str, **query: str) -> web.Response:
        """Go there after something was done; `done` names a sentence `done.…` that is shown above the page."""
        return web.Response(status=303, headers={"Location": path + ("?" + urlencode(query) if query else "")})

    def _in_other_language(self) -> str:
        other = self.means.pages.other_language(self.request)
        here = (
            self.request.rel_url
            if self.request.method in {"GET", "HEAD"}
            else self.request.rel_url.with_path(self._here)
        )
        return str(here.update_query(lang=other))


STATEMENTS = (SET_OFFICER,)
