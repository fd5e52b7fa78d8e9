"""What a page of the register shows of an entry or an office, ready to be read."""

from dataclasses import dataclass

from babel.numbers import format_decimal

from domain.language import Language
from feedback_intake.moves import OPEN, CaseState
from feedback_intake.published import Published
from feedback_intake.rates import FEWEST, OfficeFigures, Share
from lookup.wording import Words, day, moment

WORDS = Words("channels.web.register")
LONGEST_TITLE = 140  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One entry in words. `title` is the beginning of the question."""

    n: int
    title: str
    kind: str
    about: str
    office: str
    office_code: str
    filed_on: str
    answered_on: str
    on_time: bool
    punctuality: str
    published: str
    who: str
    standing: str
    standing_mark: str  # which icon and colour
    question: str | None
    answer: str | None
    removal: str
    replaced_by: int | None
    replaces: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareView:
    """A share in words: `percent` '66,7%' or '' where it is not shown, and of how many."""

    percent: str
    of: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeView:
    """An office's figures in words; None of them where there is nothing to count."""

    code: str
    name: str
    closed: bool
    filed: str
    proposals: str
    published: str
    answers_on_time: ShareView
    reopened: ShareView
    solved: ShareView
    content_with_feedback: ShareView
    controllers_content: ShareView
    dossiers: str
    dossiers_in_time: ShareView
    content_with_dossiers: ShareView
    as_of: str


def title_of(entry: Published, language: Language) -> str:
    """The beginning of the question, cut between words."""
    if entry.question is None:
        return WORDS.say(language, "entry.removed_title", n=entry.n)
    text = " ".join(entry.question.split())
    return text if len(text) <= LONGEST_TITLE else text[:LONGEST_TITLE].rsplit(" ", 1)[0] + "…"


def entry_view(entry: Published, language: Language) -> EntryView:
    """One entry in the reader's language; its texts stay as they were written."""

    def say(key: str, **values: object) -> str:
        return WORDS.say(language, key, **values)

    standing = _standing(entry.state)
    return EntryView(
        n=entry.n,
        title=title_of(entry, language),
        kind=say(f"kind.{entry.kind}"),
        about=say(f"content.{entry.content}") if entry.content else "",
        office=entry.agency_name,
        office_code=entry.agency_code,
        filed_on=day(entry.filed_on),
        answered_on=day(entry.answered_on),
        on_time=entry.on_time,
        punctuality=say("time.on" if entry.on_time else "time.late"),
        published=moment(entry.published_at, language),
        who=entry.name or say("entry.nameless"),
        standing=say(f"standing.{standing}"),
        standing_mark={"objected": "waiting", "over": "on-time"}.get(standing, "closed"),
        question=entry.question,
        answer=entry.answer,
        removal=say(f"removal.{entry.removal}") if entry.removal else "",
        replaced_by=entry.replaced_by,
        replaces=entry.replaces,
    )


def office_view(code: str, name: str, figures: OfficeFigures, language: Language, *, closed: bool) -> OfficeView:
    """An office's figures; zeros where nothing happened."""

    def share(of: Share, *, rated: bool = False) -> ShareView:
        if not of.of:
            return ShareView(percent="", of=number(0, language), note=WORDS.say(language, "share.none"))
        if of.percent is None:
            note = WORDS.say(language, "share.few", n=of.of, fewest=FEWEST)
            return ShareView(percent="", of=number(of.of, language), note=note)
        note = WORDS.say(language, "share.rated" if rated else "share.of", n=number(of.of, language))
        return ShareView(percent=percent(of.percent, language), of=number(of.of, language), note=note)

    return OfficeView(
        code=code,
        name=name,
        closed=closed,
        filed=number(figures.cases_filed, language),
        proposals=WORDS.say(language, "share.proposals", n=number(figures.cases_proposals, language)),
        published=number(figures.cases_published, language),
        answers_on_time=share(figures.answers_on_time),
        reopened=share(figures.reopened),
        solved=share(figures.solved),
        content_with_feedback=share(figures.content_with_feedback, rated=True),
        controllers_content=share(figures.controllers_content, rated=True),
        dossiers=number(figures.dossiers_finished, language),
        dossiers_in_time=share(figures.dossiers_in_time),
        content_with_dossiers=share(figures.content_with_dossiers, rated=True),
        as_of=moment(figures.as_of, language) if figures.as_of else "",
    )


def number(value: int, language: Language) -> str:
    """'1.000.000' or '1,000,000'."""
    return str(format_decimal(value, locale=language.value))


def percent(value: float, language: Language) -> str:
    """'66,7%' or '66.7%'."""
    return f"{format_decimal(value, format='0.#', locale=language.value)}%"


def _standing(state: CaseState) -> str:
    if state in OPEN:
        return "objected"
    return "over" if state is CaseState.CLOSED else "open"
