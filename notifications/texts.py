"""The words of a notice: what happened, what you do next, where to ask, how to stop.

Two forms, each in two languages (`catalogues/*.po`): `sms` without accents, one segment wherever code and phone have
their usual length, and `full` for channels that carry accents and lines. What may be said is `lookup.disclosure`'s to
decide.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import product

from domain.contact import ChannelName
from domain.language import Language
from domain.message import LONGEST_CHOICE, Choice
from domain.status import Stage, Status
from domain.vietnamese import unaccented
from lookup.deadlines import Punctuality
from lookup.disclosure import Answer, ProvenPart
from lookup.wording import Words, day, long_day, next_step, next_step_of, stage_label, status_label
from notifications.kinds import OF_THE_CLOCK, EventKind, went_back

WORDS = Words("notifications")
# Where every message carries a link or button that stops them; nothing can be answered there.
STOPPED_BY_LINK = frozenset({"email", "web_push"})
SEGMENT = 160  # septets; every text below keeps to characters that take one each

_HAS_DUE_DATE = frozenset({Status.ACCEPTED, Status.PROCESSING})
_STAGE_HAS_DUE_DATE = frozenset({Stage.RECEIVED, Stage.IN_PROGRESS})
_OF_DATES = OF_THE_CLOCK | {EventKind.NEW_DUE_DATE}  # where the dossier went back before, that is not what is told

_TYPOGRAPHIC = str.maketrans(
    {
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("‘’`´", "'"),
        **dict.fromkeys("–—‑−•", "-"),
        **dict.fromkeys("\xa0\t\r\n", " "),
        **dict.fromkeys("[{", "("),
        **dict.fromkeys("]}", ")"),
        "…": "...",
    }
)
_ONE_SEPTET_EACH = re.compile(r"[A-Za-z0-9 @$!\"#%&'()*+,\-./:;<=>?_]*")
_NUMBER_ENDS = re.compile(r"[;,/]| - ")
_NUMBER = re.compile(r"\+?[0-9]{3,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a notice is about, beside the dossier as it stands: where it came from and which date a new one replaced."""

    event: EventKind = EventKind.MOVED_ON
    before: Status | None = None
    due_before: date | None = None


def notice(answer: Answer, news: News, *, channel: ChannelName, language: Language) -> str:
    """The text that tells of `news` as far as `answer` discloses it."""
    if channel == ChannelName.SMS:
        return _sms(answer, news, language)
    return _full(answer, news, language, by_word=channel not in STOPPED_BY_LINK)


def digest(codes: Sequence[str], *, channel: ChannelName, language: Language) -> str:
    """One text in the place of a notice of each of `codes`: by SMS as many of them as one segment holds."""
    form = "sms" if channel == ChannelName.SMS else "full"
    for named in range(len(codes), 0, -1):
        text = _digest(form, codes[:named], len(codes) - named, language)
        if form == "full" or len(text) <= SEGMENT:
            break
    return text


def _digest(form: str, codes: Sequence[str], others: int, language: Language) -> str:
    said = ", ".join(codes)
    if others:
        said += WORDS.say_n(language, f"{form}.digest.others", others)
    return WORDS.say(language, f"{form}.digest", codes=said)


def choices(answer: Answer, language: Language) -> tuple[Choice, ...]:
    """What may be tapped under a notice, where there are buttons."""
    offered = (
        Choice(label=WORDS.say(language, "choice.details"), says=answer.code),
        Choice(label=WORDS.say(language, "choice.mute"), says=f"BO {answer.code}"),
    )
    return tuple(choice for choice in offered if len(choice.says.encode()) <= LONGEST_CHOICE)


def facts(answer: Answer, event: EventKind, language: Language) -> dict[str, str]:
    """The parts of a notice by name, for templates that a platform has approved; a part that is not known is ''.

    `event` is the name of what happened, by which a template is chosen.
    """
    proven = answer.proven
    return {
        "event": event,
        "code": answer.code,
        "status": status_label(proven.status, language) if proven else stage_label(answer.stage, language),
        "next": next_step_of(proven.status, language) if proven else next_step(answer.stage, language),
        "asked": (proven.asked_of_you if proven else None) or "",
        "due": day(answer.due_on) if answer.due_on and answer.stage in _STAGE_HAS_DUE_DATE else "",
        "office": answer.agency.name,
        "phone": answer.agency.phone,
    }


def _opening(form: str, answer: Answer, news: News, language: Language) -> str:
    back = ".back" if news.event not in _OF_DATES and went_back(news.before, answer.stage) else ""
    return WORDS.say(language, f"{form}.opening{back}", code=answer.code)


def _sms(answer: Answer, news: News, language: Language) -> str:
    """The fullest text that fits one segment; where none does, the barest."""
    opening = _opening("sms", answer, news, language)
    happened = _proven_sms(answer, answer.proven, news, language) if answer.proven else [_stage_sms(answer, language)]
    stop = WORDS.say(language, "sms.stop", code=answer.code)
    text = ""
    for what, ask in product(happened, _ask_sms(answer, language)):
        text = f"{opening} {what} {ask} {stop}" if ask else f"{opening} {what} {stop}"
        if len(text) <= SEGMENT:
            break
    return text


def _proven_sms(answer: Answer, proven: ProvenPart, news: News, language: Language) -> list[str]:
    """What happened, for the holder of the dossier: the fullest wording first."""
    if proven.punctuality is Punctuality.OVERDUE:
        return [_late("sms", proven.days_late, language)]
    if dated := _date("sms", answer, news, language):
        return dated
    key = f"sms.status.{proven.status.name.lower()}"
    if proven.status in _HAS_DUE_DATE and answer.due_on:
        return [WORDS.say(language, f"{key}.due", due=day(answer.due_on))]
    asked = plain(proven.asked_of_you or "")
    return [*([WORDS.say(language, f"{key}.asked", asked=asked)] if asked else []), WORDS.say(language, key)]


def _stage_sms(answer: Answer, language: Language) -> str:
    """What happened, for who has proven nothing: the stage, and whether it is on time."""
    key = f"sms.stage.{answer.stage}"
    if answer.stage not in _STAGE_HAS_DUE_DATE:
        return WORDS.say(language, key)
    if not answer.on_time:
        return WORDS.say(language, f"{key}.late")
    if answer.due_on:
        return WORDS.say(language, f"{key}.due", due=day(answer.due_on))
    return WORDS.say(language, key)


def _ask_sms(answer: Answer, language: Language) -> list[str]:
    """Where to ask, best first: the office's number, else its name if there is room."""
    number = sms_number(answer.agency.phone)
    if number:
        return [WORDS.say(language, "sms.ask", office=number)]
    return [*([WORDS.say(language, "sms.ask", office=name)] if (name := plain(answer.agency.name)) else []), ""]


def _full(answer: Answer, news: News, language: Language, *, by_word: bool) -> str:
    """The accented text, a line for each thing to know; `by_word`: notices are stopped by writing so."""
    lines = [_opening("full", answer, news, language)]
    proven = answer.proven
    if proven is None:
        lines[0] += f" {stage_label(answer.stage, language)}."
        then = next_step(answer.stage, language)
    else:
        lines[0] += f" {status_label(proven.status, language)}."
        if proven.asked_of_you:
            asked = " ".join(proven.asked_of_you.split()).rstrip(".")
            lines.append(WORDS.say(language, "full.asked", asked=asked))
        then = next_step_of(proven.status, language)
    if not answer.on_time and answer.stage in _STAGE_HAS_DUE_DATE:
        lines.append(_late("full", proven.days_late if proven else 0, language))
    elif dated := _date("full", answer, news, language):
        lines.append(dated[0])
    elif answer.due_on and answer.stage in _STAGE_HAS_DUE_DATE:
        lines.append(WORDS.say(language, "full.due", due=long_day(answer.due_on, language)))
    lines.append(then)  # after what happened: who is told of a delay reads of it before what need not be done
    office = ", ".join(part for part in (answer.agency.name, answer.agency.phone) if part)
    if office:
        lines.append(WORDS.say(language, "full.ask", office=office))
    if by_word:
        lines.append(WORDS.say(language, "full.stop", code=answer.code))
    return "\n".join(lines)


def _date(form: str, answer: Answer, news: News, language: Language) -> list[str]:
    """What is said of the due date where that is the news, the fullest wording first; nothing where it is not."""
    if answer.proven is None:
        return []
    if news.event is EventKind.SUPPLEMENT_OVERDUE and news.due_before is not None:
        forms = ("next", "") if form == "sms" else ("next",)
        keys = (f"{form}.supplement_overdue.{more}".rstrip(".") for more in forms)
        return [WORDS.say(language, key, due=day(news.due_before)) for key in keys]
    if answer.due_on is None:
        return []
    due, was = day(answer.due_on), news.due_before
    if news.event is EventKind.DUE_TOMORROW:
        return [WORDS.say(language, f"{form}.due_tomorrow", due=due)]
    if news.event is not EventKind.NEW_DUE_DATE or was is None:
        return []
    key = f"{form}.put_off" if answer.due_on > was else f"{form}.brought_forward"
    return [WORDS.say(language, f"{key}.from", due=due, was=day(was)), WORDS.say(language, key, due=due)]


def _late(form: str, days: int, language: Language) -> str:
    if days == 0:
        return WORDS.say(language, f"{form}.late")
    return WORDS.say_n(language, f"{form}.late.days", days)


@lru_cache(maxsize=8192)
def sms_number(phone: str) -> str:
    """The first number in `phone` as people dial it, without spaces, dots and brackets; '' when there is none."""
    first = _NUMBER_ENDS.split(phone)[0]
    number = "".join(c for c in first if c not in " .()-\xa0")
    return number if _NUMBER.fullmatch(number) else ""


def stop_words(form: str, code: str, language: Language) -> str:
    """How notices of one dossier are stopped."""
    return WORDS.say(language, f"{form}.stop", code=code)


@lru_cache(maxsize=8192)
def plain(text: str) -> str:
    """`text` without accents on one line; '' when some character of it would cost more than one septet."""
    plain = " ".join(unaccented(text.translate(_TYPOGRAPHIC)).split()).rstrip(".")
    return plain if _ONE_SEPTET_EACH.fullmatch(plain) else ""
