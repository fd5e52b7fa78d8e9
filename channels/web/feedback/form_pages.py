"""The form of feedback: one page, no scripts; what was typed is kept as a draft before anything is said of it."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from secrets import token_urlsafe

import asyncpg
from aiohttp import web

from cache.budgets import FORMS_PER_ORIGIN, WRONG_PROOFS_PER_DOSSIER, WRONG_PROOFS_PER_ORIGIN
from cache.limits import Limits
from channels.filing_budget import FilingBudget
from channels.guesses import GuardedDesk, ProofNeeded
from channels.web.feedback.checks import (
    codes_of,
    consent_of,
    contacts_of,
    formal_of,
    kind_of,
    missing,
    phone_of,
    question,
    reply_to,
)
from channels.web.feedback.form import Sent, SentFile, sent
from channels.web.feedback.number_pages import PLACE as NUMBER_PLACE
from channels.web.feedback.number_pages import WORDS
from channels.web.views import wait_words
from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.agency import Agency
from domain.civil_time import civil_day, utc_now
from domain.contact import ChannelName
from domain.errors import TooMany, Unavailable
from domain.vietnamese import clean
from feedback_intake.attachments import Attachment, Scan, Unwanted, attachment
from feedback_intake.choosing import Choosing, OfficeFound, Subject
from feedback_intake.drafts import CODE_LENGTH, DRAFT_EXPIRY, MOST_BYTES, MOST_FILES, Draft, Drafts, draft_code
from feedback_intake.filing import LONGEST_TEXT, Feedback, FeedbackKind, Filing
from feedback_intake.filing_caps import TooManyFiled
from feedback_intake.numbers import new_number
from feedback_intake.progress import link_of
from lookup.code_finder import read
from lookup.sealing import Seal
from pages.rendering import Pages
from pages.requests import small_form
from pages.visitors import Visitors

PLACE = "/gop-y"
FORM = ChannelName("form")
MOST_TRIES = 5  # numbers that are taken, one after another: one in a million is, so the store is in order at two
_COOKIE = "nhap-gop-y"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
_NEVER_KEPT = {"Cache-Control": "no-store"}
_SUBJECTS = {subject.value: subject for subject in Subject}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a page of the form says besides what was typed."""

    status: int = 200
    about: str = ""  # the field where the matter is
    mistake: str = ""  # key of the words
    file_mistakes: tuple[tuple[str, str], ...] = ()  # a file's name, the key of the words
    offices: tuple[OfficeFound, ...] | None = None  # what a search or the questions found
    saved: bool = False
    wait: str = ""
    own_draft: bool = False  # it was begun earlier
    files_lost: bool = False  # they came and could not be kept: they must be chosen again
    question: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class FormPages:
    """Routes under /gop-y. `scan` looks through files, where there is somebody who can."""

    def __init__(
        self,
        database: Database,
        seal: Seal,
        *,
        filing: Filing,
        choosing: Choosing,
        desk: GuardedDesk,
        budget: FilingBudget,
        limits: Limits,
        pages: Pages,
        visitors: Visitors,
        secure: bool,
        scan: Scan | None,
    ) -> None:
        self._database = database
        self._seal = seal
        self._filing = filing
        self._choosing = choosing
        self._desk = desk
        self._budget = budget
        self._limits = limits
        self._pages = pages
        self._visitors = visitors
        self._secure = secure
        self._scan = scan
        self._drafts = Drafts(seal)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The form, and the way back to a draft."""
        return [
            web.get(PLACE, self.page),
            web.post(PLACE, self.send),
            web.post(f"{PLACE}/nhap", self.reopen),
            web.post(f"{PLACE}/bo", self.forget),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """GET /gop-y: an empty form, `?code=` filled in; or what this device began before."""
        token, draft = self._kept(request), None
        if token:
            async with self._store() as connection:
                draft = await self._drafts.find(connection, token)
        code = read(request.query.get("code", "")[:256]).candidates[:1]
        if token and draft and draft.number is None:
            fields = dict(draft.fields) | ({"code": code[0]} if code and not draft.fields.get("code") else {})
            return await self._form(request, token, Draft(fields=fields, files=draft.files), Shown(own_draft=True))
        return await self._form(request, token_urlsafe(24), Draft(fields={"code": code[0]} if code else {}), Shown())

    async def send(self, request: web.Request) -> web.Response:
        """POST /gop-y: keep what came, then do what the pressed button says."""
        verdict = await self._limits.take(FORMS_PER_ORIGIN, self._visitors.of(request).address)
        form = await sent(request)
        token = form.draft if _TOKEN.fullmatch(form.draft) else token_urlsafe(24)
        if not verdict.allowed:
            # Nothing more is kept for this address; what was typed goes back to the page it came from.
            refused = self._too_many(request, verdict.retry_after, files_lost=bool(form.files))
            return await self._form(request, token, Draft(fields=form.fields), refused)
        form.fields = self._settled(form)
        draft = Draft(fields=form.fields)
        try:
            file_mistakes, draft = await self._keep(token, form)
            if draft.number is not None:
                return self._to_number(draft.number)
            shown = self._what_to_show(form, file_mistakes)
            if shown is not None:
                return await self._form(request, token, draft, shown)
            return self._to_number(await self._file(request, token, draft))
        except TooManyFiled as refusal:
            return await self._form(request, token, draft, self._too_many(request, refusal.after.total_seconds()))
        except Unavailable:
            lost = len(form.files) > len(draft.files)
            shown = Shown(status=503, about="send", mistake="unavailable", files_lost=lost)
            return await self._form(request, token, draft, shown)

    async def reopen(self, request: web.Request) -> web.Response:
        """POST /gop-y/nhap with `code` and `contact` of a draft: it goes on on this device."""
        form = await small_form(request)
        code, contact = draft_code(form.get("code", "")), clean(form.get("contact", ""))[:254]
        named = contacts_of({"email": contact} if "@" in contact else {"phone": contact})
        token = None
        if named and len(code) == CODE_LENGTH:
            await self._guess(code, self._visitors.of(request).address)
            async with self._store() as connection:
                token = await self._drafts.token_by_code(connection, code, named[0])
        if token is None:
            shown = Shown(status=404, about="draft", mistake="draft.not_found")
            return await self._form(request, token_urlsafe(24), Draft(fields={}), shown)
        response = web.Response(status=303, headers={"Location": PLACE})
        self._keep_token(response, token)
        return response

    async def forget(self, request: web.Request) -> web.Response:
        """POST /gop-y/bo: throw this device's draft away."""
        if token := self._kept(request):
            async with self._store() as connection:
                await self._drafts.forget(connection, token)
        response = web.Response(status=303, headers={"Location": PLACE})
        response.del_cookie(self._cookie, path=PLACE, secure=self._secure, httponly=True, samesite="Strict")
        return response

    # --- from what came to what is done ---

    def _settled(self, form: Sent) -> dict[str, str]:
        """The fields, the chosen office only if it is one, and as it is called today."""
        fields = dict(form.fields)
        office = self._choosing.office(fields["office"]) if fields.get("office") else None
        fields["office"] = office.code if office else ""
        return fields

    async def _keep(self, token: str, form: Sent) -> tuple[tuple[tuple[str, str], ...], Draft]:
        """Keep the fields, then the files one by one: what is wrong with one is no reason to lose another."""
        contacts = contacts_of(form.fields)
        mistakes = [("", "files.too_many")] if form.too_many else []
        async with self._store() as connection:
            await self._drafts.keep(connection, token, form.fields, contacts)
            if form.dropped:
                await self._drafts.drop_files(connection, token, form.dropped)
            draft = await self._drafts.find(connection, token) or Draft(fields=form.fields)
        if not form.files or draft.number is not None:
            return tuple(mistakes), draft
        held = draft.files
        count, size = len(held), sum(file.size for file in held)
        for one in form.files:
            try:
                kept = await self._wanted(one)
                count, size = count + 1, size + len(kept.content)
            except Unwanted as refusal:
                mistakes.append((clean(one.name)[:80], f"files.{refusal.why}"))
                continue
            except Unavailable:
                mistakes.append((clean(one.name)[:80], "files.later"))
                continue
            if count > MOST_FILES or size > MOST_BYTES:
                mistakes.append((kept.name, "files.too_many"))
                break
            async with self._store() as connection:
                await self._drafts.keep_file(connection, token, kept)
        async with self._store() as connection:
            return tuple(mistakes), await self._drafts.find(connection, token) or draft

    async def _wanted(self, sent_file: SentFile) -> Attachment:
        """The file as it is kept. Raises `Unwanted`, `Unavailable`."""
        if sent_file.too_large:
            raise Unwanted("too_large")
        return await attachment(sent_file.name, sent_file.content, scan=self._scan)

    def _what_to_show(self, form: Sent, file_mistakes: tuple[tuple[str, str], ...]) -> Shown | None:
        """The page to show; None when the form is to be filed."""
        fields = form.fields
        if form.go == "find":
            return Shown(about="office", offices=self._choosing.search(fields.get("office_name", "")))
        if form.go == "guide":
            subject = _SUBJECTS.get(fields.get("subject", ""), Subject.OTHER)
            return Shown(about="office", offices=self._choosing.guided(fields.get("place", ""), subject))
        if form.cut:
            return Shown(status=422, about=form.cut[0], mistake="too_long")
        if file_mistakes:
            return Shown(status=422, about="files", mistake="files.some", file_mistakes=file_mistakes)
        if form.go == "save":
            return Shown(saved=True)
        if lacking := missing(fields):
            return Shown(status=422, about=lacking.field, mistake=lacking.words)
        asked = question(fields)
        if asked and form.sure != asked:
            return Shown(status=422, question=asked)
        return None

    async def _file(self, request: web.Request, token: str, draft: Draft) -> str:
        """File the draft; its number. Sent twice at once, both get the same. Raises `TooManyFiled`."""
        fields = draft.fields
        codes = codes_of(fields)
        address, contacts = self._visitors.of(request).address, contacts_of(fields)
        code = await self._meant(codes, address)
        await self._budget.take(address=address, contacts=contacts, code=code)
        chosen = self._choosing.office(fields["office"]) if fields.get("office") else None
        for _ in range(MOST_TRIES):
            feedback = Feedback(
                number=new_number(civil_day(utc_now())),
                kind=kind_of(fields),
                text=fields["text"],
                code=code,
                language=self._pages.language(request),
                resembles=formal_of(fields),
                agency_id=chosen.agency_id if chosen else None,
                name=fields.get("name", ""),
                postal_address=fields.get("postal_address", ""),
                phone=phone_of(fields) or "",
                may_publish=consent_of(fields),
            )
            try:
                async with self._store() as connection:
                    if (before := await self._drafts.number_of(connection, token)) is not None:
                        return before
                    filed = await self._filing.file(
                        connection,
                        reply_to(fields),
                        feedback,
                        channel=FORM,
                        holder=chosen.agency_id if chosen else None,
                        claim=self._drafts.claim(token),
                        reply_proven=False,
                    )
                    await self._drafts.became(connection, token, filed.number, filed.feedback_id, filed.case_id)
                    return filed.number
            except asyncpg.UniqueViolationError:  # the number is somebody's
                continue
        raise Unavailable("The store cannot be reached at the moment.")

    async def _meant(self, codes: tuple[str, ...], address: str) -> str | None:
        """Which reading of the typed code is a dossier, as a look-up would tell: a guess like any other."""
        if not codes:
            return None
        try:
            answer = await self._desk.by_code(*codes, origin=address)
        except ProofNeeded:
            return codes[0]
        return answer.code if answer else codes[0]

    async def _guess(self, code: str, address: str) -> None:
        """Count a try at somebody's draft. Raises `TooMany`."""
        for limit, subject in ((WRONG_PROOFS_PER_DOSSIER, f"draft {code}"), (WRONG_PROOFS_PER_ORIGIN, address)):
            verdict = await self._limits.take(limit, subject)
            if not verdict.allowed:
                raise TooManyFiled("Too many drafts were asked for.", after=_seconds(verdict.retry_after))

    # --- what is shown ---

    async def _form(self, request: web.Request, token: str, draft: Draft, shown: Shown) -> web.Response:
        language = self._pages.language(request)
        fields = draft.fields
        response = self._pages.render(
            request,
            "feedback_question.html" if shown.question else "feedback_form.html",
            status=shown.status,
            headers={**_NEVER_KEPT, **shown.headers},
            language_url=f"{PLACE}?lang={self._pages.other_language(request)}",
            words=partial(WORDS.say, language),
            fields={name: fields.get(name, "") for name in (*_NAMES, "office")},
            files=draft.files,
            shown=shown,
            token=token,
            draft_code=_grouped(self._drafts.code_of(token)),
            office=self._office_of(fields),
            of_dossier=await self._of_dossier(request, fields) if not shown.question else None,
            places=self._choosing.places(),
            subjects=tuple(Subject),
            kinds=[kind.value for kind in FeedbackKind],
            days=DRAFT_EXPIRY.days,
            longest=LONGEST_TEXT,
            most_files=MOST_FILES,
        )
        if request.method == "POST" and shown.status != web.HTTPNotFound.status_code:
            self._keep_token(response, token)
        return response

    def _office_of(self, fields: Mapping[str, str]) -> Agency | None:
        return self._choosing.office(fields["office"]) if fields.get("office") else None

    async def _of_dossier(self, request: web.Request, fields: Mapping[str, str]) -> Agency | None:
        """The office of the dossier that was named, as a look-up by its code would show it."""
        codes = codes_of(fields)
        if not codes:
            return None
        try:
            answer = await self._desk.by_code(*codes, origin=self._visitors.of(request).address)
        except (TooMany, Unavailable):
            return None
        return answer.agency if answer else None

    def _too_many(self, request: web.Request, seconds: float, *, files_lost: bool = False) -> Shown:
        wait = wait_words(_seconds(seconds), self._pages.language(request))
        headers = {"Retry-After": str(max(1, round(seconds)))}
        return Shown(status=429, about="send", mistake="too_many", wait=wait, files_lost=files_lost, headers=headers)

    def _to_number(self, number: str) -> web.Response:
        location = f"{NUMBER_PLACE}/{link_of(self._seal, number)}"
        response = web.Response(status=303, headers={"Location": location})
        response.del_cookie(self._cookie, path=PLACE, secure=self._secure, httponly=True, samesite="Strict")
        return response

    # --- what the browser keeps ---

    @property
    def _cookie(self) -> str:
        """Browsers take a `__Secure-` name from a secure page only."""
        return f"__Secure-{_COOKIE}" if self._secure else _COOKIE

    def _kept(self, request: web.Request) -> str | None:
        token = request.cookies.get(self._cookie, "")
        return token if _TOKEN.fullmatch(token) else None

    def _keep_token(self, response: web.Response, token: str) -> None:
        response.set_cookie(
            self._cookie,
            token,
            max_age=int(DRAFT_EXPIRY.total_seconds()),
            path=PLACE,
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[Connection]:
        """A transaction of the service. Raises `Unavailable`."""
        try:
            async with self._database.transaction(Role.WORKER) as connection:
                yield connection
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error


_NAMES = (
    "text",
    "kind",
    "code",
    "office_name",
    "place",
    "subject",
    "name",
    "phone",
    "email",
    "postal_address",
    "may_publish",
)


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _grouped(code: str) -> str:
    """The code of a draft as people read it: 'ABCDE-FGHJK'."""
    return f"{code[: CODE_LENGTH // 2]}-{code[CODE_LENGTH // 2 :]}"
