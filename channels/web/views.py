"""What the answer page shows, decided from the answer: the sentence, the tone, the next step, the journey."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from urllib.parse import quote

from domain.agency import Agency
from domain.dossier import HistoryEntry
from domain.language import Language
from domain.status import STAGE_OF, Stage, Status
from lookup.deadlines import LATE, Punctuality
from lookup.disclosure import Answer, ProvenPart
from lookup.wording import Words, long_day, moment, next_step, next_step_of, stage_label, status_label

_WORDS = Words("channels.web")
_LONGEST_IN_HEADLINE = 90  # characters of what is asked; more stands below the sentence


class Tone(StrEnum):
    """How an answer feels; each has a word, a shape and a colour."""

    ON_TIME = "on-time"
    WAITING = "waiting"
    LATE = "late"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One change as the holder may see it."""

    at: str
    label: str  # empty where the stage says it already
    office: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the journey. `place` is past, current or ahead; the moments are known to the holder only."""

    place: str
    label: str
    moments: tuple[Moment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeView:
    """The office and how to reach it; `call` is a tel: address, or None where it has no telephone."""

    name: str
    phone: str
    call: str | None
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerView:
    """Everything the answer page says, in the reader's words."""

    proven: bool
    code: str
    code_parts: tuple[str, ...]
    tone: Tone
    icon: str
    badge: str
    headline: str
    due: str | None
    next: str
    asked: str | None
    office: OfficeView
    journey: tuple[Step, ...]
    facts: tuple[tuple[str, str], ...]
    as_of: str
    fresh: bool
    overdue: bool
    follow: str | None  # an sms: address that starts following


def answer_view(answer: Answer, language: Language, *, sms_number: str | None) -> AnswerView:
    """The page for `answer` in `language`; `sms_number` is ours, None where there is no SMS channel."""
    proven = answer.proven
    tone = _tone(answer)
    asked = proven.asked_of_you if proven else None
    headline = _proven_headline(proven, language) if proven else _headline(answer, language)
    short = asked is not None and len(asked) <= _LONGEST_IN_HEADLINE
    return AnswerView(
        proven=proven is not None,
        code=answer.code,
        code_parts=tuple(answer.code.split("-")),
        tone=tone,
        icon=_icon(answer, tone),
        badge=_badge(answer, tone, language),
        headline=headline,
        due=_due(answer, language),
        next=next_step_of(proven.status, language) if proven else next_step(answer.stage, language),
        asked=None if short else asked,
        office=office_view(answer.agency, language),
        journey=_journey(answer, language),
        facts=_facts(proven, language) if proven else (),
        as_of=_unbroken(moment(answer.as_of, language)),
        fresh=answer.fresh,
        overdue=tone is Tone.LATE and answer.stage is not Stage.DONE,
        follow=_follow(answer, sms_number),
    )


def _tone(answer: Answer) -> Tone:
    if answer.stage is Stage.WAITING_FOR_YOU:
        return Tone.WAITING
    if answer.stage is Stage.CLOSED:
        delivered = answer.proven is not None and answer.proven.status is Status.DELIVERED
        return Tone.ON_TIME if delivered and answer.on_time else Tone.CLOSED
    return Tone.ON_TIME if answer.on_time else Tone.LATE


def _icon(answer: Answer, tone: Tone) -> str:
    if tone is Tone.ON_TIME:
        return "ready" if answer.stage is Stage.DONE else "check"
    return {Tone.WAITING: "you", Tone.LATE: "late", Tone.CLOSED: "closed"}[tone]


def _badge(answer: Answer, tone: Tone, language: Language) -> str:
    uncounted = {Punctuality.NO_DUE_DATE, Punctuality.NOT_COUNTED}
    if answer.stage in {Stage.WAITING_FOR_YOU, Stage.CLOSED}:
        return stage_label(answer.stage, language)
    if tone is Tone.LATE:
        key = "badge.finished_late" if answer.stage is Stage.DONE else "badge.late"
        return _WORDS.say(language, key)
    if answer.stage is Stage.DONE or (answer.proven and answer.proven.punctuality in uncounted):
        return stage_label(answer.stage, language)
    return _WORDS.say(language, "badge.on_time")


def _headline(answer: Answer, language: Language) -> str:
    """Where it is and whether on time, from what a code alone may know."""
    late = "" if answer.on_time or answer.stage is Stage.WAITING_FOR_YOU else "_late"
    return _WORDS.say(language, f"headline.{answer.stage}{late}")


def _proven_headline(proven: ProvenPart, language: Language) -> str:
    """The same for the holder, from the status itself."""
    status = proven.status.name.lower()
    if proven.punctuality in LATE:
        key = f"headline.{status}.{proven.punctuality}"
        key = key if _WORDS.has(language, key) else f"headline.{proven.punctuality}"
        days = proven.days_late
        return _WORDS.say_n(language, f"{key}_days", days) if days else _WORDS.say(language, key)
    if proven.asked_of_you and len(proven.asked_of_you) <= _LONGEST_IN_HEADLINE:
        return _WORDS.say(language, f"headline.{status}_asked", asked=proven.asked_of_you.rstrip(". "))
    timed = f"headline.{status}.{proven.punctuality}"
    return _WORDS.say(language, timed if _WORDS.has(language, timed) else f"headline.{status}")


def _due(answer: Answer, language: Language) -> str | None:
    """The day the result is due, while that day still counts: a supplement starts the term anew."""
    if answer.due_on is None or answer.stage not in {Stage.RECEIVED, Stage.IN_PROGRESS}:
        return None
    key = "answer.due" if answer.on_time else "answer.was_due"
    return _WORDS.say(language, key, day=_unbroken(long_day(answer.due_on, language)))


def office_view(agency: Agency, language: Language) -> OfficeView:
    """The office of an answer, or of feedback."""
    name = agency.name_en if language is Language.ENGLISH and agency.name_en else agency.name
    dialled = "".join(c for c in agency.phone if c.isdigit() and c.isascii())
    plus = "+" if agency.phone.lstrip().startswith("+") else ""
    call = f"tel:{plus}{dialled}" if dialled else None
    return OfficeView(name=name, phone=agency.phone, call=call, address=agency.address)


def _follow(answer: Answer, sms_number: str | None) -> str | None:
    """An address that opens a text message on phones of either kind: one reads `?body`, the other `&body`."""
    if sms_number is None or answer.stage is Stage.CLOSED:
        return None
    return f"sms:{sms_number}?&body={quote(f'THEO DOI {answer.code}')}"


# --- the journey ---

_COURSE = (Stage.RECEIVED, Stage.IN_PROGRESS, Stage.DONE, Stage.CLOSED)  # how it goes when nothing is asked


def _journey(answer: Answer, language: Language) -> tuple[Step, ...]:
    """Where it has been, where it is, and what lies ahead. What is not known or was skipped is absent."""
    if answer.proven and answer.proven.timeline:
        gone = _steps_of(answer.proven.timeline, language)
    else:
        before = () if answer.stage is Stage.RECEIVED else _certain_before(answer.stage)
        gone = [Step(place="past", label=stage_label(stage, language)) for stage in before]
        gone.append(Step(place="current", label=stage_label(answer.stage, language)))
    ahead = [Step(place="ahead", label=stage_label(stage, language)) for stage in _ahead(answer.stage)]
    return (*gone, *ahead)


def _certain_before(stage: Stage) -> tuple[Stage, ...]:
    """What every dossier in `stage` has been through: one with a result was handled, a closed one perhaps not."""
    return (Stage.RECEIVED, Stage.IN_PROGRESS) if stage is Stage.DONE else (Stage.RECEIVED,)


def _ahead(stage: Stage) -> tuple[Stage, ...]:
    if stage is Stage.CLOSED:
        return ()
    if stage is Stage.WAITING_FOR_YOU:
        return _COURSE[1:]
    return _COURSE[_COURSE.index(stage) + 1 :]


def _steps_of(timeline: tuple[HistoryEntry, ...], language: Language) -> list[Step]:
    """The history, oldest first, one step for each run of one stage."""
    runs: list[list[HistoryEntry]] = []
    for entry in sorted(timeline, key=lambda entry: entry.at):
        if runs and STAGE_OF[runs[-1][-1].status] is STAGE_OF[entry.status]:
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return [
        Step(
            place="current" if run is runs[-1] else "past",
            label=stage_label(STAGE_OF[run[0].status], language),
            moments=tuple(
                Moment(
                    at=_unbroken(moment(entry.at, language)), label=_label(entry.status, language), office=entry.office
                )
                for entry in run
            ),
        )
        for run in runs
    ]


def _label(status: Status, language: Language) -> str:
    """The status, where the stage leaves open which."""
    alone = sum(stage is STAGE_OF[status] for stage in STAGE_OF.values()) == 1
    return "" if alone else status_label(status, language)


def _unbroken(text: str) -> str:
    """A date that stays on one line."""
    return text.replace(" ", "\u00a0")


def _facts(proven: ProvenPart, language: Language) -> tuple[tuple[str, str], ...]:
    """What the slip says too, for comparison."""
    days = (("received", proven.received_at), ("due", proven.due_at), ("finished", proven.finished_at))
    facts = [
        ("applicant", proven.applicant or ""),
        ("procedure", proven.procedure_name or ""),
        ("status", status_label(proven.status, language)),
        *((key, long_day(at, language) if at else "") for key, at in days),
    ]
    return tuple((_WORDS.say(language, f"fact.{key}"), value) for key, value in facts if value)


def wait_words(after: timedelta, language: Language) -> str:
    """How long to wait, rounded up: '40 giây', '2 phút'."""
    seconds = max(1, round(after.total_seconds()))
    if seconds < 60:
        return _WORDS.say_n(language, "wait.seconds", seconds)
    return _WORDS.say_n(language, "wait.minutes", -(-seconds // 60))
