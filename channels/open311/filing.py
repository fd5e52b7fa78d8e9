"""POST a service request: feedback from a program with a key, filed as from every other channel."""

from dataclasses import dataclass, replace
from urllib.parse import parse_qs

import asyncpg
from aiohttp import web

from channels.agency_api.callers import Caller
from channels.filing_budget import FilingBudget
from channels.open311.services import AGENCY, DOSSIER, PUBLISH, content_of, kind_of
from database.pool import DATABASE_AWAY, Database, Role
from domain.agency import Agency
from domain.civil_time import civil_day, utc_now
from domain.contact import ChannelName, Contact, e164
from domain.errors import Forbidden, Invalid, Malformed, MalformedCode, Unavailable
from domain.language import Language
from domain.vietnamese import clean
from feedback_intake.filed_by_systems import FiledBySystems
from feedback_intake.filing import LONGEST_NAME, Feedback, Filing, Formal, MayPublish
from feedback_intake.moves import Content
from feedback_intake.numbers import new_number
from feedback_intake.sorting import resembles
from lookup.codes import canonical
from lookup.registry import Registry
from pages.requests import small_body

CHANNEL = ChannelName("open311")
LARGEST = 128 * 1024  # bytes of a form
MOST_FIELDS = 60
TRIES = 5  # for a number that is not taken
LONGEST_PLACE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What the program is told: the number, a token that leads to it, and what the words sound like."""

    number: str
    token: str
    resembles: Formal | None


class Post:
    """Files what programs post."""

    def __init__(
        self, database: Database, filing: Filing, filed: FiledBySystems, budget: FilingBudget, registry: Registry
    ) -> None:
        self._database = database
        self._filing = filing
        self._filed = filed
        self._budget = budget
        self._registry = registry

    async def accept(
        self, form: dict[str, str], caller: Caller, *, language: Language, jurisdiction: Agency | None
    ) -> Accepted:
        """File it. Raises `Forbidden` for a test key, `Invalid`, `NotFound`, `TooMany`, `Unavailable`."""
        if caller.tenant.test:
            raise Forbidden("A test key files nothing: a person would be waiting for the answer.")
        content = content_of(_needed(form, "service_code"))
        feedback, contacts = self._feedback(form, content, language, jurisdiction)
        await self._budget.take(address=None, contacts=contacts, code=feedback.code)
        try:
            return await self._file(feedback, contacts, caller.tenant.api_key_id, content)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error

    async def _file(
        self, feedback: Feedback, contacts: tuple[Contact, ...], key: str | None, content: Content
    ) -> Accepted:
        # The program tells its user; a phone that anybody may have typed is written to by nobody.
        mail = next((contact for contact in contacts if contact.channel != ChannelName.SMS), None)
        for attempt in range(TRIES):
            number = new_number(civil_day(utc_now()))
            numbered = replace(feedback, number=number)
            try:
                async with self._database.transaction(Role.WORKER) as connection:
                    filed = await self._filing.file(connection, mail, numbered, channel=CHANNEL, reply_proven=False)
                    token = await self._filed.note(
                        connection, filed.feedback_id, filed.case_id, api_key_id=key or "", content=content
                    )
            except asyncpg.UniqueViolationError:
                if attempt == TRIES - 1:
                    raise
            else:
                return Accepted(number=number, token=token, resembles=feedback.resembles)
        raise AssertionError

    def _feedback(
        self, form: dict[str, str], content: Content, language: Language, jurisdiction: Agency | None
    ) -> tuple[Feedback, tuple[Contact, ...]]:
        text = "\n".join(filter(None, (_needed(form, "description"), *_place(form))))
        phone, email = _phone(form.get("phone", "")), _email(form.get("email", ""))
        name = " ".join(filter(None, (clean(form.get("last_name", "")), clean(form.get("first_name", "")))))
        if len(name) > LONGEST_NAME:
            raise Invalid(f"A name may have {LONGEST_NAME} characters at most.", field="last_name")
        contacts = [Contact(channel=ChannelName.SMS, address=phone)] if phone else []
        contacts += [Contact(channel=ChannelName("email"), address=email)] if email else []
        office = self._office(form.get(f"attribute[{AGENCY}]", "")) or jurisdiction
        feedback = Feedback(
            number="",
            kind=kind_of(content, text),
            text=text,
            code=_dossier(form.get(f"attribute[{DOSSIER}]", "")),
            language=language,
            resembles=resembles(text),
            agency_id=office.agency_id if office else None,
            name=name,
            phone=phone,
            may_publish=_consent(form.get(f"attribute[{PUBLISH}]", "")),
        )
        return feedback, tuple(contacts)

    def _office(self, code: str) -> Agency | None:
        if not (code := clean(code)):
            return None
        agency = self._registry.agency_by_code(code.upper(), civil_day(utc_now()))
        if agency is None:
            raise Invalid("No office with this code works today.", field=f"attribute[{AGENCY}]")
        return agency


async def form_of(request: web.Request) -> dict[str, str]:
    """The fields of the form, the first of each name. Raises `Malformed`, `TooLarge`."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Malformed("Send application/x-www-form-urlencoded; pictures are taken as media_url only.")
    body = await small_body(request, LARGEST)
    try:
        fields = parse_qs(body.decode(), max_num_fields=MOST_FIELDS, keep_blank_values=True)
    except ValueError:
        raise Malformed("The form cannot be read.") from None
    return {name: values[0] for name, values in fields.items()}


def _needed(form: dict[str, str], name: str) -> str:
    value = clean(form.get(name, ""))
    if not value:
        raise Invalid("This is needed.", field=name)
    return value


def _place(form: dict[str, str]) -> list[str]:
    """Where it is, as lines of the text: nothing of it is fetched or looked up."""
    said = []
    for name, label in (("address_string", "Địa điểm"), ("address_id", "Địa điểm"), ("media_url", "Ảnh")):
        if value := clean(form.get(name, "")):
            said.append(f"{label}: {value[:LONGEST_PLACE]}")
    lat, long = clean(form.get("lat", "")), clean(form.get("long", ""))
    if lat or long:
        try:
            north, east = float(lat), float(long)
        except ValueError:
            raise Invalid("Both lat and long are decimal degrees (WGS 84).", field="lat") from None
        if not (-90 <= north <= 90 and -180 <= east <= 180):
            raise Invalid("Both lat and long are decimal degrees (WGS 84).", field="lat")
        said.append(f"Vị trí: {north:.6f}, {east:.6f}")
    return said


def _phone(text: str) -> str:
    if not clean(text):
        return ""
    try:
        return e164(clean(text))
    except Invalid as error:
        raise Invalid(error.message, field="phone") from None


def _email(text: str) -> str:
    text = clean(text).lower()
    if text and (text.count("@") != 1 or " " in text or not text.isascii() or not 3 <= len(text) <= 254):
        raise Invalid("This is no e-mail address.", field="email")
    return text


def _dossier(text: str) -> str | None:
    if not clean(text):
        return None
    try:
        return canonical(clean(text))
    except MalformedCode as error:
        raise Invalid(error.message, field=f"attribute[{DOSSIER}]") from None


def _consent(text: str) -> MayPublish:
    if not (text := clean(text)):
        return MayPublish.NO
    if text not in set(MayPublish):
        raise Invalid("One of no, anonymous, named.", field=f"attribute[{PUBLISH}]")
    return MayPublish(text)
