"""The words of an answer about a dossier: brief for SMS, full for chats.

A brief answer is put together by importance: its head always, then whatever still fits. No name and no note is ever in
it, for a sender's number can be forged and a phone borrowed (guarantees.md G47).
"""

from collections.abc import Callable, Iterator, Sequence

from channels.conversation.subjects import Hears
from domain.agency import Agency
from domain.language import Language
from domain.status import Stage, Status
from lookup.deadlines import Punctuality
from lookup.disclosure import Answer
from lookup.wording import Words, day, long_day, moment, next_step, next_step_of, stage_label, status_label
from notifications.texts import sms_number

WORDS = Words("channels")

Fits = Callable[[str], bool]

_RUNNING = frozenset({Stage.RECEIVED, Stage.IN_PROGRESS})
_FINISHED = frozenset({Stage.DONE, Stage.CLOSED})
_LATE = frozenset({Punctuality.OVERDUE, Punctuality.FINISHED_LATE})
_ON_TIME = frozenset({Punctuality.ON_TRACK, Punctuality.DUE_SOON})
_SHOWN = ("head", "due", "next", "office", "hint")


def proof_helps(answer: Answer) -> bool:
    """Whether a second factor would tell the asker something worth a message."""
    return answer.proven is None and answer.stage is not Stage.DONE


def brief(answer: Answer, language: Language, fits: Fits, hears: Hears = Hears.NOTHING) -> str:
    """The answer in one short message."""
    chosen = {"head": _head(answer, language)}
    for part, wording in _by_importance(answer, language, hears):
        if wording and (part not in chosen or part == "office") and fits(_joined(chosen | {part: wording})):
            chosen[part] = wording
    return _joined(chosen)


def brief_together(answers: Sequence[tuple[str, Answer | None]], language: Language, fits: Fits) -> str:
    """Several dossiers in one message, a line each, from (code as asked, answer); numbers and due days if they fit."""
    for dated, numbered in ((True, True), (False, True), (False, False)):
        lines = [_line(code, answer, language, dated=dated) for code, answer in answers]
        text = "\n".join(f"{n}. {line}" for n, line in enumerate(lines, 1)) if numbered else "\n".join(lines)
        if fits(text):
            break
    return text


def full(answer: Answer, language: Language, hears: Hears = Hears.NOTHING, *, buttons: bool = False) -> str:
    """The answer with room for whole sentences, a line each; what `buttons` offer need not be said."""
    proven = answer.proven
    label = status_label(proven.status, language) if proven else stage_label(answer.stage, language)
    lines = [WORDS.say(language, "answer.full.head", code=answer.code, label=label)]
    if timing := _timing(answer):
        lines.append(WORDS.say_n(language, f"answer.full.{timing}", _days_late(answer)))
    if answer.due_on and answer.stage in _RUNNING:
        key = "answer.due" if answer.on_time else "answer.was_due"
        lines.append(WORDS.say(language, key, day=long_day(answer.due_on, language)))
    lines.append(next_step_of(proven.status, language) if proven else next_step(answer.stage, language))
    if asked := _asked(answer, language):
        lines.append(asked)
    lines.append(ask_office(answer.agency, answer.agency.phone, language, named=True))
    if not answer.fresh:
        lines.append(WORDS.say(language, "answer.full.stale", moment=moment(answer.as_of, language)))
    if (hint := _hint(answer, language, hears)) and (proof_helps(answer) or not buttons):
        lines.append(hint)
    return "\n".join(lines)


def office_name(agency: Agency, language: Language) -> str:
    """What the office is called in that language."""
    return agency.name_en if language is Language.ENGLISH and agency.name_en else agency.name


def ask_office(agency: Agency, phone: str, language: Language, *, named: bool) -> str:
    """Where a person can be asked: the office's phone, `named` also its name; its name alone where it has no phone."""
    office = office_name(agency, language)
    if not phone:
        return WORDS.say(language, "answer.ask_office", office=office)
    return WORDS.say(language, "answer.ask_office_at" if named else "answer.ask_at", office=office, phone=phone)


def _by_importance(answer: Answer, language: Language, hears: Hears) -> Iterator[tuple[str, str]]:
    """What may stand beside the head, the most needed first: a person must be able to ask before we offer anything."""
    phone = sms_number(answer.agency.phone) or answer.agency.phone
    if answer.due_on and answer.stage in _RUNNING:
        yield "due", WORDS.say(language, "answer.due" if answer.on_time else "answer.was_due", day=day(answer.due_on))
    yield "office", ask_office(answer.agency, phone, language, named=False)
    for wording in _next(answer, language):
        yield "next", wording
    yield "hint", _hint(answer, language, hears)
    yield "office", ask_office(answer.agency, phone, language, named=True)


def _head(answer: Answer, language: Language) -> str:
    said = [WORDS.say(language, "answer.head", code=answer.code, state=_state(answer, language))]
    if "late" in _timing(answer):
        said.append(WORDS.say(language, "answer.sorry"))
    if not answer.fresh:
        said.append(WORDS.say(language, "answer.as_of", moment=moment(answer.as_of, language)))
    return " ".join(said)


def _line(code: str, answer: Answer | None, language: Language, *, dated: bool) -> str:
    if answer is None:
        return WORDS.say(language, "answer.line", code=code, state=WORDS.say(language, "answer.line.unknown"))
    state = _state(answer, language)
    if dated and answer.due_on and answer.stage in _RUNNING:
        state = WORDS.say(language, "answer.line.due", state=state, day=day(answer.due_on))
    return WORDS.say(language, "answer.line", code=answer.code, state=state)


def _state(answer: Answer, language: Language) -> str:
    """'đang giải quyết, đúng hạn'."""
    key = f"answer.status.{answer.proven.status.name.lower()}" if answer.proven else f"answer.stage.{answer.stage}"
    state = WORDS.say(language, key)
    timing = _timing(answer)
    return f"{state}, {WORDS.say_n(language, f'answer.{timing}', _days_late(answer))}" if timing else state


def _timing(answer: Answer) -> str:
    """Which words tell whether it is on time: `on_time`, `late` or `finished_late`, either with `_by` where it is known
    by how much; '' where no clock runs."""
    late = answer.proven.punctuality in _LATE if answer.proven else not answer.on_time
    if late:
        was = "finished_late" if answer.stage in _FINISHED else "late"
        return f"{was}_by" if _days_late(answer) else was
    on_time = answer.proven.punctuality in _ON_TIME if answer.proven else answer.on_time
    return "on_time" if on_time and answer.stage in _RUNNING else ""


def _days_late(answer: Answer) -> int:
    return answer.proven.days_late if answer.proven else 0


def _next(answer: Answer, language: Language) -> list[str]:
    """What the asker should do now; of several wordings the first that fits."""
    if answer.stage is Stage.DONE:
        return [WORDS.say(language, "answer.collect")]
    if answer.proven is None:
        return []
    if answer.stage is Stage.WAITING_FOR_YOU:
        asked = _asked(answer, language)
        return [*([asked] if asked else []), WORDS.say(language, "answer.ask_what")]
    if answer.proven.status in {Status.REJECTED, Status.STOPPED}:
        return [WORDS.say(language, "answer.reason_in_writing")]
    return []


def _asked(answer: Answer, language: Language) -> str:
    if answer.proven is None or not answer.proven.asked_of_you:
        return ""
    return WORDS.say(language, "answer.asked", asked=" ".join(answer.proven.asked_of_you.split()).rstrip("."))


def _hint(answer: Answer, language: Language, hears: Hears) -> str:
    """What else the asker may text, or will be told without asking; nothing once all is said and done."""
    if proof_helps(answer):
        return WORDS.say(language, "answer.prove")
    if answer.stage is Stage.CLOSED or (hears is Hears.CHANGES and answer.stage is Stage.DONE):
        return ""
    return WORDS.say(language, f"answer.hears.{hears}")


def _joined(chosen: dict[str, str]) -> str:
    return " ".join(chosen[part] for part in _SHOWN if part in chosen)
