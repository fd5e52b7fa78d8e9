"""What a person does by the number of feedback: see how it stands, answer, object, withdraw, rate – as with a code.

The number alone tells the state, the office and whether it is on time. Its words and answers go to the contact it was
filed from, and to who has the last four digits of the phone that was given. An unknown number and a wrong proof get the
words that codes get.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from channels.conversation.formal_words import formal_in
from channels.conversation.keywords import Verb, understood
from channels.conversation.progress_words import asks_progress
from channels.conversation.rating import score_in
from channels.conversation.replies import Replies
from channels.conversation.turn import (
    Act,
    ActOnNumber,
    AllowPublishing,
    Asked,
    ConfirmReply,
    RateHandling,
    Remembered,
    Said,
    Turn,
)
from channels.guesses import ProofNeeded
from domain.contact import ChannelName, Contact
from domain.language import Language
from domain.message import LONGEST_CHOICE, Choice
from domain.vietnamese import folded
from feedback_intake.filing import MayPublish
from feedback_intake.filing_caps import TooManyFiled
from feedback_intake.hearing import SenderAct
from feedback_intake.moves import CaseState
from feedback_intake.numbers import NUMBER
from feedback_intake.progress import Progress, ProvenProgress
from feedback_intake.ratings import DISCONTENT, HIGHEST, LOWEST, HandlingRating
from feedback_intake.telling import WORDS as STATES
from feedback_intake.telling import refusal
from lookup.wording import Words, day, ended

WORDS = Words("channels.conversation")
LONGEST_BY_SMS = 450  # characters of an answer that go out by SMS: three segments; the rest is read on the web

_ANYWHERE = re.compile(rf"(?<![0-9A-Za-z]){NUMBER.pattern}(?![0-9])", re.IGNORECASE)
_TAIL = re.compile(r"[0-9]{4}")
_NOT_SOLVED = frozenset({"chua", "no", "khong", "not"})
_WITHDRAW = frozenset({"rut", "rut lai", "rut phan anh", "withdraw"})
_KINDS = {
    "phan anh": SenderAct.FEEDBACK,
    "feedback": SenderAct.FEEDBACK,
    "kien nghi": SenderAct.PROPOSAL,
    "de xuat": SenderAct.PROPOSAL,
    "proposal": SenderAct.PROPOSAL,
}
_CONSENTS = {
    "cong khai": MayPublish.ANONYMOUS,
    "publish": MayPublish.ANONYMOUS,
    "cong khai ten": MayPublish.NAMED,
    "publish name": MayPublish.NAMED,
    "khong cong khai": MayPublish.NO,
    "do not publish": MayPublish.NO,
}
# What a picture that is not kept stands for, beside the number it was sent for.
NOT_KEPT, NOT_KEPT_CARD = "ANH KHONG GIU", "ANH CAN CUOC KHONG GIU"
_NOT_KEPT = {folded(NOT_KEPT): "number.picture", folded(NOT_KEPT_CARD): "number.picture.card"}
_LOOKS = frozenset({"hs", "ho so", "tra cuu", "xem", "kiem tra", "hoi", "ma", "so", "status", "check", "look up"})
_NOTICES = frozenset({Verb.FOLLOW, Verb.MUTE, Verb.STOP_ALL, Verb.RESUME})
_RIGHT = frozenset({"dung", "dung roi", "correct"})
_EDGES = " \t\r\n.,;:!\"'()[]-–"


class NumberDesk(Protocol):
    """Answers by number; `channels.guesses.GuardedFeedback` fulfils it."""

    async def by_code(self, code: str, *others: str, origin: str) -> Progress | None:
        """What the number alone tells. Raises `ProofNeeded`."""

    async def with_proof(self, code: str, proof: str, *others: str, origin: str) -> Progress | None:
        """All of it, for the last four digits of the phone that was given. Raises `TooMany`."""

    async def for_contacts(self, code: str, *contacts: Contact) -> Progress | None:
        """All of it, for who is known to be reached at the contact it was filed from."""

    async def proven_before(self, code: str) -> Progress | None:
        """All of it, for who proved a right to it a short while ago."""


class Budget(Protocol):
    """How much may be filed; `channels.filing_budget.FilingBudget` fulfils it."""

    async def take(self, *, address: str | None, contacts: tuple[Contact, ...], code: str | None) -> None:
        """Raises `TooManyFiled`."""


def not_solved(words: str) -> str | None:
    """What `words` object (`CHUA: …`), '' for no more than that; None where they do not object."""
    first, _, rest = words.strip(_EDGES).partition(" ")
    return rest.strip(_EDGES) if folded(first.strip(_EDGES)) in _NOT_SOLVED else None


def number_and_words(text: str) -> tuple[str, str] | None:
    """The first number in `text`, and the words beside it; None where there is none."""
    found = _ANYWHERE.search(text)
    if found is None:
        return None
    beside = (text[: found.start()].strip(_EDGES), text[found.end() :].strip(_EDGES))
    return f"PA-{found[1]}-{found[2]}", " ".join(words for words in beside if words)


class ByNumber:
    """Feedback by its number. `office` gives an agency's name by our id."""

    def __init__(
        self, numbers: NumberDesk, budget: Budget, replies: Replies, office: Callable[[int, Language], str]
    ) -> None:
        self._numbers = numbers
        self._budget = budget
        self._replies = replies
        self._office = office

    async def asked(self, said: Said, number: str, words: str) -> Turn:
        """A message that names `number`, with its other words."""
        tail = "".join(words.split())
        proof = tail if _TAIL.fullmatch(tail) else ""
        try:
            found = await self._found(said, number, proof)
        except ProofNeeded:
            return self._ask_proof(said, number, "number.proof_needed")
        if found is None:
            return self._ask_proof(said, number, None)
        if found.proven is None or proof or not words:
            return self._told(said, found)
        return await self._do(said, found, found.proven, words)

    async def answered(self, said: Said) -> Turn | None:
        """The answer to what we asked about a number: its proof, why it is not solved, what to add, why so bad."""
        number, asked, text = said.remembered.number, said.remembered.asked, said.text
        if number is None or number_and_words(text):
            return None
        if asked is Asked.NUMBER_PROOF:
            tail = "".join(text.split())
            return await self.asked(said, number, tail) if _TAIL.fullmatch(tail) else None
        if asked is Asked.OBJECTION:
            return await self._act(said, number, SenderAct.OBJECT, text)
        if asked is Asked.HANDLING_REASON and any(c.isalpha() for c in text):
            return self._rate(said, number, said.remembered.score, text)
        return None

    async def supplied(self, said: Said, text: str) -> Turn | None:
        """Words with neither command nor code, while an office waits for this person's answer: they are the answer.

        None where nothing is waited for, where something else was talked about since, and for what sounds like a
        matter of its own.
        """
        number = said.asked_about
        if number is None or said.remembered.draft or formal_in(text) or not any(c.isalnum() for c in text):
            return None
        return await self._act(said, number, SenderAct.ADD, text, key="number.supplied")

    async def notices(self, said: Said, number: str) -> Turn:
        """`THEO DOI PA-…`: who filed is told in any case."""
        found = await self._found(said, number, "")
        if found is None or found.proven is None:
            return self._ask_proof(said, number, None)
        return self._will_be_told(said, number)

    async def added(self, said: Said, number: str, words: str) -> Turn | None:
        """`GOP Y PA-… <words>`: more of what is open. None where it is not this person's, or over: a new matter."""
        found = await self._found(said, number, "")
        if found is None or found.proven is None or SenderAct.ADD not in found.proven.acts:
            return None
        return await self._do(said, found, found.proven, words)

    async def rate(self, said: Said, number: str, words: str) -> Turn:
        """`DANH GIA 4 PA-…`."""
        found = await self._found(said, number, "")
        if found is None or found.proven is None:
            return self._ask_proof(said, number, None)
        return await self._do(said, found, found.proven, words or "?")

    async def _found(self, said: Said, number: str, proof: str) -> Progress | None:
        phone = (Contact(channel=ChannelName.SMS, address=said.phone),) if said.phone else ()
        if found := await self._numbers.for_contacts(number, said.by, *phone):
            return found
        if proof:
            return await self._numbers.with_proof(number, proof, origin=said.origin)
        if said.remembered.number == number and said.remembered.number_proven:
            return await self._numbers.proven_before(number)
        return await self._numbers.by_code(number, origin=said.origin)

    async def _do(self, said: Said, found: Progress, proven: ProvenProgress, words: str) -> Turn:
        number, plain = found.number, folded(words.strip(_EDGES))
        if key := _NOT_KEPT.get(plain):
            return self._say(said, key, self._remember(number, proven=True), number=number)
        if consent := _CONSENTS.get(plain):
            return await self._allow(said, number, consent, proven)
        score, reason = score_in(words)
        if score is not None and proven.may_rate and found.state is not CaseState.NEEDS_INFO:
            return self._rate(said, number, score, reason)
        if plain in _WITHDRAW and SenderAct.WITHDRAW in proven.acts:
            return await self._act(said, number, SenderAct.WITHDRAW, "")
        if SenderAct.OBJECT in proven.acts and (why := not_solved(words)) is not None:
            if not any(c.isalpha() for c in why):
                remember = self._remember(number, proven=True, asked=Asked.OBJECTION)
                return self._say(said, "number.why_not", remember, number=number)
            return await self._act(said, number, SenderAct.OBJECT, why)
        if proven.to_read_back and plain in _RIGHT:
            return await self._act(said, number, SenderAct.READ_BACK, "")
        if (kind := _KINDS.get(plain)) in proven.acts and kind:
            return await self._act(said, number, kind, "")
        typed = understood(words)
        if typed.sure and not typed.rest and typed.verb in _NOTICES:
            return self._will_be_told(said, number)
        only_asks = plain in _LOOKS or asks_progress(words) or (typed.verb is not Verb.LOOK_UP and not typed.rest)
        if SenderAct.ADD in proven.acts and any(c.isalpha() for c in words) and not only_asks:
            return await self._act(said, number, SenderAct.ADD, words)
        return self._told(said, found)

    def _will_be_told(self, said: Said, number: str) -> Turn:
        remember = self._remember(number, proven=True)
        if said.stopped:
            return self._replies.turn(said, "answer.hears.stopped", remember=remember)
        return self._say(said, "number.notices", remember, number=number)

    async def _act(self, said: Said, number: str, act: SenderAct, words: str, *, key: str = "") -> Turn:
        remember = self._remember(number, proven=True)
        if await self._is_too_much(number):
            return self._say(said, "number.too_many", remember)
        acts: tuple[Act, ...] = (ActOnNumber(number=number, act=act, words=words),)
        return self._say(said, key or f"number.done.{act}", remember, acts=acts, number=number)

    async def _allow(self, said: Said, number: str, consent: MayPublish, proven: ProvenProgress) -> Turn:
        """What may be published; a name that nobody knows is asked for first."""
        if consent is MayPublish.NAMED and not proven.named:
            return self._say(
                said, "number.consent.nameless", self._remember(number, proven=True, asked=Asked.NAME), number=number
            )
        remember = self._remember(number, proven=True)
        if await self._is_too_much(number):
            return self._say(said, "number.too_many", remember)
        acts: tuple[Act, ...] = (AllowPublishing(number=number, consent=consent),)
        return self._say(said, f"number.consent.{consent}", remember, acts=acts, number=number)

    async def _is_too_much(self, number: str) -> bool:
        try:
            await self._budget.take(address=None, contacts=(), code=number)
        except TooManyFiled:
            return True
        return False

    def _rate(self, said: Said, number: str, score: int, reason: str) -> Turn:
        asks_why = score <= DISCONTENT and not reason
        remember = self._remember(number, proven=True, asked=Asked.HANDLING_REASON if asks_why else None)
        rating = HandlingRating(
            number=number, score=score, reason=reason, channel=said.by.channel, language=said.language
        )
        acts: tuple[Act, ...] = (RateHandling(rating=rating),)
        key = "number.rated_why" if asks_why else "number.rated"
        return self._say(said, key, replace(remember, score=score if asks_why else 0), acts=acts, score=score)

    def _told(self, said: Said, found: Progress) -> Turn:
        """How it stands; with proof what was asked and answered."""
        language, proven = said.language, found.proven
        state = STATES.say(language, f"state.{found.state}.label")
        said_so_far = [WORDS.say(language, "number.head", number=found.number, state=state)]
        if proven is not None and found.state is CaseState.REFUSED:
            said_so_far = self._refused(said, found, proven) or said_so_far
        elif proven is not None:
            said_so_far += self._own_words(said, found, proven)
        if found.late:
            said_so_far.append(WORDS.say(language, "number.late", day=day(found.answer_by)))
        elif found.state not in _SETTLED:
            said_so_far.append(WORDS.say(language, "number.until", day=day(found.answer_by)))
        office = self._office(found.holder_agency, language)
        if office and found.state not in _SETTLED:
            said_so_far.append(WORDS.say(language, "number.office", office=office))
        if proven is not None and found.state is CaseState.CLOSED:
            said_so_far.append(STATES.say(language, "state.closed.next"))
        hint = self._hint(found, language)
        if hint and not (said.manner.buttons and proven):
            said_so_far.append(hint)
        text = self._joined(said, said_so_far, keep=proven is not None)
        asked = Asked.NUMBER_PROOF if proven is None else None
        remember = self._remember(found.number, proven=proven is not None, asked=asked)
        acts: tuple[Act, ...] = (ConfirmReply(number=found.number),) if proven is not None else ()
        return self._replies.of(said, text, remember=remember, acts=acts, choices=self._choices(found, language))

    def _refused(self, said: Said, found: Progress, proven: ProvenProgress) -> list[str]:
        """Why it was not taken, and where it belongs."""
        office = self._office(found.holder_agency, said.language)
        return [
            refusal(step.reason, step.words, found.number, office, said.language, brief=said.manner.brief)
            for step in proven.steps
            if step.move == "refuse"
        ][-1:]

    def _own_words(self, said: Said, found: Progress, proven: ProvenProgress) -> list[str]:
        language, told = said.language, []
        asked = [step.words for step in proven.steps if step.move == "ask"]
        if found.state is CaseState.NEEDS_INFO and asked:
            told.append(WORDS.say(language, "number.asked", words=ended(asked[-1]), number=found.number))
        if proven.files and not said.manner.brief:
            told.append(WORDS.say(language, "number.files", n=len(proven.files)))
        if proven.to_read_back:
            words = ended(proven.text[:LONGEST_BY_SMS])
            told.append(WORDS.say(language, "number.read_back", words=words, number=found.number))
        if proven.answers:
            answer = proven.answers[-1].text
            if said.manner.brief and len(answer) > LONGEST_BY_SMS:
                answer = WORDS.say(language, "number.cut", words=answer[:LONGEST_BY_SMS].rsplit(" ", 1)[0])
            told.append(WORDS.say(language, "number.answer", words=ended(answer)))
        return told

    @staticmethod
    def _joined(said: Said, parts: list[str], *, keep: bool) -> str:
        """All of it; by SMS without what came last, as long as it does not fit one message, unless it is the sender's
        own answer."""
        gap = " " if said.manner.brief else "\n"
        while not keep and len(parts) > 1 and not said.manner.fits(gap.join(parts)):
            parts = parts[:-1]
        return gap.join(parts)

    @staticmethod
    def _hint(found: Progress, language: Language) -> str:
        if found.proven is None:
            return WORDS.say(language, "number.prove", number=found.number)
        objects = ["number.object"] if SenderAct.OBJECT in found.proven.acts else []
        rates = ["number.rate"] if _may_rate_first(found, found.proven) else []
        return " ".join(WORDS.say(language, key, number=found.number) for key in objects + rates)

    @staticmethod
    def _choices(found: Progress, language: Language) -> tuple[Choice, ...]:
        """What may be tapped: never more than the state allows."""
        if found.proven is None:
            return ()
        offered = []
        if SenderAct.OBJECT in found.proven.acts:
            offered.append(("not_solved", f"{found.number} CHUA"))
        if _may_rate_first(found, found.proven):
            scores = range(HIGHEST, LOWEST - 1, -1)
            offered += [(f"score.{score}", f"DANH GIA {score} {found.number}") for score in scores]
        if SenderAct.WITHDRAW in found.proven.acts:
            offered.append(("withdraw", f"{found.number} RUT"))
        return tuple(
            Choice(label=WORDS.say(language, f"choice.{key}"), says=says)
            for key, says in offered
            if len(says.encode()) <= LONGEST_CHOICE
        )

    def _ask_proof(self, said: Said, number: str, key: str | None) -> Turn:
        """The same whether or not the number is known, and whatever was wrong with the proof."""
        remember = self._remember(number, proven=False, asked=Asked.NUMBER_PROOF)
        if key is None:
            return self._replies.turn(said, "look_up.not_found", remember=remember, code=number)
        return self._say(said, key, remember, number=number)

    def _say(self, said: Said, key: str, remember: Remembered, *, acts: tuple[Act, ...] = (), **values: object) -> Turn:
        return self._replies.of(said, WORDS.say(said.language, key, **values), remember=remember, acts=acts)

    @staticmethod
    def _remember(number: str, *, proven: bool, asked: Asked | None = None) -> Remembered:
        return Remembered(number=number, number_proven=proven, asked=asked)


def _may_rate_first(found: Progress, proven: ProvenProgress) -> bool:
    """Whether an answer stands that its reader has not rated yet."""
    return proven.may_rate and proven.score is None and found.state in _ANSWERED


_ANSWERED = frozenset({CaseState.ANSWERED, CaseState.PUBLISHED, CaseState.CLOSED})
_SETTLED = frozenset(
    {CaseState.ANSWERED, CaseState.PUBLISHED, CaseState.CLOSED, CaseState.REFUSED, CaseState.WITHDRAWN}
)
