"""What the page of a number shows, decided from its progress: the sentence, the tone, the next step, the way so far."""

from collections.abc import Callable
from dataclasses import dataclass, field

from channels.web.views import OfficeView, Tone, office_view
from domain.agency import Agency
from domain.language import Language
from feedback_intake.filing import FeedbackKind
from feedback_intake.hearing import SenderAct
from feedback_intake.moves import CaseState
from feedback_intake.progress import FileHeld, Progress, ProvenProgress
from feedback_intake.telling import WORDS, refusal
from lookup.wording import long_day, moment

_ANSWERED = frozenset({CaseState.ANSWERED, CaseState.PUBLISHED})
_OVER = frozenset({CaseState.REFUSED, CaseState.CLOSED, CaseState.WITHDRAWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidView:
    """One step of the way, with its words."""

    at: str
    label: str
    office: str
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnView:
    """What only the sender reads."""

    text: str = field(repr=False)
    may_publish: str
    steps: tuple[SaidView, ...]
    answers: tuple[tuple[str, str], ...]  # when, and the words
    files: tuple[FileHeld, ...]
    asked: str = field(repr=False)  # the question that waits for an answer
    may_add: bool
    may_object: bool
    may_withdraw: bool
    may_rate: bool
    score: int | None
    to_read_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberView:
    """Everything the page says, in the reader's words."""

    number: str
    parts: tuple[str, ...]
    state: CaseState
    kind: FeedbackKind
    other_kind: FeedbackKind  # what it may have been meant as
    tone: Tone
    icon: str
    headline: str
    next: str
    until: str
    late: bool
    object_until: str
    filed: str
    office: OfficeView | None
    own: OwnView | None


def number_view(progress: Progress, agency: Callable[[int], Agency | None], language: Language) -> NumberView:
    """The page of `progress`; `agency` finds offices by our id."""
    holder = agency(progress.holder_agency)
    state = progress.state
    open_still = state not in _ANSWERED | _OVER
    return NumberView(
        number=progress.number,
        parts=tuple(progress.number.split("-")),
        state=state,
        kind=progress.kind,
        other_kind=next(kind for kind in FeedbackKind if kind is not progress.kind),
        tone=_tone(progress),
        icon=_icon(progress),
        headline=WORDS.say(language, f"state.{state}.label"),
        next=WORDS.say(language, f"state.{state}.next"),
        until=_unbroken(long_day(progress.answer_by, language)) if open_still else "",
        late=progress.late,
        object_until=(
            _unbroken(long_day(progress.object_until, language)) if progress.object_until and state in _ANSWERED else ""
        ),
        filed=_unbroken(long_day(progress.filed_at, language)),
        office=office_view(holder, language) if holder else None,
        own=_own(progress, progress.proven, agency, language) if progress.proven else None,
    )


def _tone(progress: Progress) -> Tone:
    if progress.state is CaseState.NEEDS_INFO:
        return Tone.WAITING
    if progress.state in _OVER:
        return Tone.CLOSED
    return Tone.LATE if progress.late else Tone.ON_TIME


def _icon(progress: Progress) -> str:
    if progress.state in _ANSWERED:
        return "ready"
    return {Tone.WAITING: "you", Tone.LATE: "late", Tone.CLOSED: "closed", Tone.ON_TIME: "check"}[_tone(progress)]


def _own(
    progress: Progress, proven: ProvenProgress, agency: Callable[[int], Agency | None], language: Language
) -> OwnView:
    number, state, holder = progress.number, progress.state, _name(agency(progress.holder_agency), language)
    asked = [step.words for step in proven.steps if step.move == "ask"]
    return OwnView(
        text=proven.text,
        may_publish=proven.may_publish,
        steps=tuple(
            SaidView(
                at=_unbroken(moment(step.at, language)),
                label=WORDS.say(language, f"step.{step.move}"),
                office=_name(agency(step.to_agency), language) if step.to_agency else "",
                words=refusal(step.reason, step.words, number, holder, language),
            )
            for step in proven.steps
        ),
        answers=tuple((_unbroken(moment(given.at, language)), given.text) for given in proven.answers),
        files=proven.files,
        asked=asked[-1] if asked and state is CaseState.NEEDS_INFO else "",
        may_add=SenderAct.ADD in proven.acts,
        may_object=SenderAct.OBJECT in proven.acts,
        may_withdraw=SenderAct.WITHDRAW in proven.acts,
        may_rate=proven.may_rate,
        score=proven.score,
        to_read_back=proven.to_read_back,
    )


def _name(agency: Agency | None, language: Language) -> str:
    if agency is None:
        return ""
    return agency.name_en if language is Language.ENGLISH and agency.name_en else agency.name


def _unbroken(text: str) -> str:
    """A date that stays on one line."""
    return text.replace(" ", "\u00a0")
