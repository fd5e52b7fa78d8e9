"""Service requests as they are asked for: what was published, for anybody; what a key filed, for that key."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from aiohttp import web

from channels.guesses import GuardedFeedback
from channels.open311.services import content_of, name_of
from database.pool import DATABASE_AWAY, Database, Role
from domain.civil_time import CIVIL_ZONE, civil_day, start_of_day, utc_now
from domain.errors import Invalid, NotFound, Unavailable
from domain.language import Language
from feedback_intake.filed_by_systems import Asked, FiledBySystems, OwnFeedback
from feedback_intake.moves import OPEN, CaseState, Content
from feedback_intake.numbers import number_in
from feedback_intake.progress import Progress
from feedback_intake.published import Published, Reading
from feedback_intake.telling import WORDS, refusal
from lookup.wording import ended

DAYS = 90  # asked for at once, and by default
MOST = 1_000  # requests in one answer
FURTHEST = 100_000  # requests that pages may skip
_ENTRY = re.compile(r"[0-9]{1,15}", re.ASCII)
_ANSWERED = frozenset({CaseState.ANSWERED, CaseState.PUBLISHED, CaseState.CLOSED})
_STATUSES = {"open": tuple(OPEN), "closed": tuple(state for state in CaseState if state not in OPEN)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who asks: the key, if any; where from; in which language; for which offices (None: all)."""

    api_key_id: str | None
    origin: str
    language: Language
    agencies: frozenset[int] | None


class ServiceRequests:
    """Finds and says them. `office` gives an agency's name by our id."""

    def __init__(
        self,
        database: Database,
        reading: Reading,
        filed: FiledBySystems,
        numbers: GuardedFeedback,
        office: Callable[[int, Language], str],
    ) -> None:
        self._database = database
        self._reading = reading
        self._filed = filed
        self._numbers = numbers
        self._office = office

    async def many(self, request: web.Request, reader: Reader) -> list[dict[str, object]]:
        """GET requests with its filters. Raises `Invalid`, `NotFound`, `Unavailable`."""
        if wanted := request.query.get("service_request_id"):
            return await self.ones([each.strip() for each in wanted.split(",")][:MOST], reader)
        asked = _asked(request, reader)
        if reader.api_key_id is None:
            since, until = civil_day(asked.since), civil_day(asked.until - timedelta(seconds=1)) + timedelta(days=1)
            found = await self._reading.filed(asked, since=since, until=until)
            return [self._published(entry, reader.language) for entry in found]
        return [self._own(each, reader.language) for each in await self._of_key(reader.api_key_id, asked=asked)]

    async def ones(self, ids: Sequence[str], reader: Reader) -> list[dict[str, object]]:
        """Those with these ids, as far as they are there: entries of the register, numbers of feedback."""
        said: list[dict[str, object]] = []
        if entries := [int(each) for each in ids if _ENTRY.fullmatch(each)]:
            found = await self._reading.ones(entries)
            said += [self._published(entry, reader.language) for entry in found if entry.question is not None]
        numbers = [number for each in ids if (number := number_in(each))]
        own = {each.number: each for each in await self._own_ones(reader, numbers)}
        said += [self._own(own[number], reader.language) for number in numbers if number in own]
        for number in [number for number in numbers if number not in own][:1]:  # one guess a call
            progress = await self._numbers.by_code(number, origin=reader.origin)
            if progress is not None:
                said.append(self._by_number(progress, reader.language))
        return said

    async def one(self, request_id: str, reader: Reader) -> list[dict[str, object]]:
        """GET a service request. Raises `NotFound`, and what the guard against guessing raises."""
        found = await self.ones([request_id], reader)
        if not found:
            raise NotFound("There is no such service request.", field="service_request_id")
        return found

    async def _own_ones(self, reader: Reader, numbers: Sequence[str]) -> list[OwnFeedback]:
        if reader.api_key_id is None or not numbers:
            return []
        return await self._of_key(reader.api_key_id, numbers=numbers)

    async def _of_key(self, key: str, *, asked: Asked | None = None, numbers: Sequence[str] = ()) -> list[OwnFeedback]:
        try:
            async with self._database.connection(Role.WORKER) as connection:
                if asked is not None:
                    return await self._filed.own(connection, key, asked)
                return await self._filed.own_ones(connection, key, numbers)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error

    def _published(self, entry: Published, language: Language) -> dict[str, object]:
        """Of who filed it, nothing; of when, the day."""
        content = Content(entry.content or Content.OTHER)
        words = f"{entry.question}\n\n{entry.agency_name}: {entry.answer}"
        filed = start_of_day(entry.filed_on)
        said = _request(str(entry.n), entry.state, content, language, requested=filed, updated=entry.published_at)
        return said | {"description": words, "agency_responsible": entry.agency_name}

    def _own(self, own: OwnFeedback, language: Language) -> dict[str, object]:
        said = _request(
            own.number,
            own.state,
            own.content,
            language,
            requested=own.filed_at,
            updated=own.moved_at,
            due=own.answer_due_on,
        )
        office = self._office(own.holder_agency, language)
        if words := _told(own, office, language):
            said["status_notes"] = f"{ended(str(said['status_notes']))} {words}"
        return said | {"description": own.text, "agency_responsible": office}

    def _by_number(self, progress: Progress, language: Language) -> dict[str, object]:
        """What a number alone tells: how it stands, where, until when."""
        said = _request(
            progress.number,
            progress.state,
            None,
            language,
            requested=progress.filed_at,
            updated=None,
            due=progress.answer_by,
        )
        return said | {"agency_responsible": self._office(progress.holder_agency, language)}


def _told(own: OwnFeedback, office: str, language: Language) -> str:
    """What its sender reads beside the state: the question, why it was not taken, the answer."""
    if own.state is CaseState.NEEDS_INFO:
        return own.asked
    if own.state is CaseState.REFUSED:
        return " ".join(refusal(own.reason, own.asked, own.number, office, language).split())
    return own.answer if own.state in _ANSWERED else ""


def _request(
    request_id: str,
    state: CaseState,
    content: Content | None,
    language: Language,
    *,
    requested: datetime,
    updated: datetime | None,
    due: date | None = None,
) -> dict[str, object]:
    is_open = state in OPEN
    end_of_day = start_of_day(due + timedelta(days=1)) - timedelta(seconds=1) if due and is_open else None
    return {
        "service_request_id": request_id,
        "status": "open" if is_open else "closed",
        "status_notes": WORDS.say(language, f"state.{state}.label"),
        "service_name": name_of(content, language) if content else None,
        "service_code": content.value if content else None,
        "description": None,
        "agency_responsible": None,
        "service_notice": None,
        "requested_datetime": _time(requested),
        "updated_datetime": _time(updated) if updated else None,
        "expected_datetime": _time(end_of_day) if end_of_day else None,
        "address": None,
        "address_id": None,
        "zipcode": None,
        "lat": None,
        "long": None,
        "media_url": None,
    }


def _time(at: datetime) -> str:
    return at.astimezone(CIVIL_ZONE).isoformat(timespec="seconds")


def _asked(request: web.Request, reader: Reader) -> Asked:
    """The filters: `service_code`, `status`, `start_date`, `end_date`, and pages."""
    query = request.query
    until = _moment(query.get("end_date"), "end_date")
    since = _moment(query.get("start_date"), "start_date")
    if until is None:
        until = min(since + timedelta(days=DAYS), utc_now()) if since else utc_now()
        until += timedelta(seconds=1)
    since = since or until - timedelta(days=DAYS)
    if until - since > timedelta(days=DAYS, seconds=1):
        raise Invalid(f"At most {DAYS} days can be asked for at once.", field="start_date")
    codes = [code.strip() for code in query.get("service_code", "").split(",") if code.strip()]
    statuses = [status.strip().lower() for status in query.get("status", "").split(",") if status.strip()]
    if unknown := [status for status in statuses if status not in _STATUSES]:
        raise Invalid(f"A status is open or closed, not {unknown[0][:40]!r}.", field="status")
    most = _number(query.get("page_size"), "page_size", default=MOST, largest=MOST)
    page = _number(query.get("page"), "page", default=1, largest=FURTHEST)
    if (page - 1) * most > FURTHEST:
        raise Invalid(f"Pages go as far as {FURTHEST} requests; ask for fewer days.", field="page")
    return Asked(
        since=since,
        until=until,
        states=[state for status in statuses or _STATUSES for state in _STATUSES[status]],
        contents=[content_of(code) for code in codes] or list(Content),
        agencies=reader.agencies,
        most=most,
        skip=(page - 1) * most,
    )


def _moment(text: str | None, name: str) -> datetime | None:
    """A W3C date or time; without an offset it is UTC, a day begins in Vietnam. Raises `Invalid`."""
    if not text:
        return None
    try:
        if len(text) == len("2026-11-22"):
            return start_of_day(date.fromisoformat(text))
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that nobody escaped
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("A time is written like 2026-11-22T09:30:00+07:00.", field=name) from None


def _number(text: str | None, name: str, *, default: int, largest: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) >= 1):
        raise Invalid("This is a whole number from 1.", field=name)
    return min(int(text), largest)
