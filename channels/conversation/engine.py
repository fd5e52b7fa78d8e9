"""From a message to the answer: what it asks for, what may be said, what is to be done and remembered.

Knows nothing of wires: the same message gets the same answer by SMS, in any chat and in a test. An unknown code and a
wrong proof get the same words and leave the same memory behind.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import MappingProxyType

from channels.conversation.answers import WORDS
from channels.conversation.choices import choice, tapped
from channels.conversation.complaining import Complaining
from channels.conversation.feedback_numbers import Budget, ByNumber, NumberDesk, number_and_words
from channels.conversation.following import Following
from channels.conversation.formal_words import formal_in
from channels.conversation.keywords import Typed, Verb, understood, yes_or_no
from channels.conversation.looking_up import LookingUp
from channels.conversation.progress_words import asks_progress
from channels.conversation.rating import RatingByChat
from channels.conversation.replies import Replies
from channels.conversation.subjects import MOST_CODES, named, subjects_at_hand
from channels.conversation.turn import (
    Act,
    Asked,
    Desk,
    LinkPhone,
    Resume,
    Said,
    StopAll,
    Turn,
    UnlinkPhone,
)
from channels.guesses import ProofNeeded
from domain.civil_time import utc_now
from domain.errors import TooMany
from domain.language import Language
from domain.message import Choice, IncomingKind
from feedback_intake.filing import FeedbackKind
from feedback_intake.filing_caps import TooManyFiled
from feedback_intake.numbers import new_number, number_in
from lookup.code_finder import Reading, ReadingKind, find, read
from lookup.wording import ended, moment

# What is always answered in the same words: their key, what is done, and what may be tapped then (label, words).
_SIMPLE: MappingProxyType[Verb, tuple[str, tuple[Act, ...], tuple[tuple[str, str], ...]]] = MappingProxyType(
    {
        Verb.STOP_ALL: ("stop.done", (StopAll(),), (("resume", "TIEP TUC"),)),
        Verb.TC: ("stop.tc", (StopAll(),), (("resume", "TIEP TUC"),)),
        Verb.RESUME: ("resume.done", (Resume(),), (("stop", "DUNG"),)),
        Verb.UNLINK: ("phone.unlinked", (UnlinkPhone(),), ()),
        Verb.WELCOME: ("welcome", (), (("help", "HELP"), ("other_language", ""))),
        Verb.HELP: ("help", (), (("feedback", "GOP Y"), ("rate", "DANH GIA"), ("other_language", ""))),
        Verb.THANKS: ("thanks", (), (("rate", "DANH GIA"),)),
        Verb.LANGUAGES: ("language.which", (), (("vietnamese", "VI"), ("english", "EN"))),
    }
)
_LANGUAGES = MappingProxyType({Verb.ENGLISH: Language.ENGLISH, Verb.VIETNAMESE: Language.VIETNAMESE})
_OTHER_LANGUAGE = MappingProxyType({Language.VIETNAMESE: "EN", Language.ENGLISH: "VI"})
_FEEDBACK = MappingProxyType(
    {
        Verb.OPINION: None,
        Verb.FEEDBACK: FeedbackKind.FEEDBACK,
        Verb.PROPOSAL: FeedbackKind.PROPOSAL,
        Verb.FORMAL: None,
    }
)
_TAIL = 3  # digits of a phone that are shown


class Conversation:
    """Answers messages. `hotline` is the phone named to people who need a person where no office is known."""

    def __init__(
        self,
        desk: Desk,
        numbers: NumberDesk | None = None,
        *,
        budget: Budget | None = None,
        office: Callable[[int, Language], str] = lambda _agency_id, _language: "",
        hotline: str = "",
        clock: Callable[[], datetime] = utc_now,
        number: Callable[[date], str] = new_number,
    ) -> None:
        """`numbers` answers about feedback by its number, `budget` says how much may be filed, `office` gives names of
        agencies by our id; `number` makes the number of feedback filed on a day, which `clock` tells."""
        self._desk = desk
        self._replies = Replies(hotline)
        self._looking_up = LookingUp(desk, self._replies)
        self._following = Following(desk, self._replies, self._looking_up)
        self._complaining = Complaining(desk, self._replies, clock, number, budget)
        self._by_number = ByNumber(numbers, budget, self._replies, office) if numbers and budget else None
        self._rating = RatingByChat(desk, self._replies)

    async def answer(self, said: Said) -> Turn:
        """The turn `said` leads to. Raises only what the desk raises, e.g. `Unavailable`."""
        turn = await self._turn(said)
        unclear = 0 if turn.clear else said.remembered.unclear + 1
        return replace(turn, remember=replace(turn.remember, unclear=unclear))

    async def _turn(self, said: Said) -> Turn:
        try:
            if said.kind is IncomingKind.JOINED:
                return self._simple(said, Verb.WELCOME)
            if said.kind is IncomingKind.OWN_PHONE:
                return await self._own_phone(said)
            said = replace(said, text=tapped(said))
            typed = understood(said.text)
            return await self._asked(said, typed) or await self._commanded(said, typed)
        except ProofNeeded:
            return self._replies.turn(said, "look_up.proof_needed")
        except TooMany:
            return self._replies.turn(said, "look_up.too_many_tries")

    def put_off(self, said: Said, refusal: TooManyFiled) -> Turn:
        """Instead of a turn that files: the store counted too much of late."""
        return self._complaining.put_off(said, refusal)

    def hinting(self, turn: Turn, *, brief: bool) -> Turn:
        """`turn`, saying that more words of that kind will not be answered, and what will."""
        return self._longer(turn, WORDS.say(turn.language, "pause.unclear"), brief=brief)

    def pausing(self, turn: Turn, until: datetime, *, same: bool, brief: bool) -> Turn:
        """`turn`, saying that the next message, or only the `same` words, will be answered no earlier than `until`."""
        then = moment(until + timedelta(minutes=1), turn.language)  # no seconds are told
        words = WORDS.say(turn.language, "pause.same" if same else "pause", moment=then)
        return self._longer(turn, words, brief=brief)

    @staticmethod
    def _longer(turn: Turn, words: str, *, brief: bool) -> Turn:
        gap = " " if brief else "\n"
        return replace(turn, reply=f"{ended(turn.reply)}{gap}{words}")

    def apology(self, language: Language) -> str:
        """What is said when a message could not be answered through a fault of ours."""
        return WORDS.say(language, "apology", ask=self._replies.ask(language))

    async def _asked(self, said: Said, typed: Typed) -> Turn | None:
        """The turn, if `said` answers what we asked last; a command spelled right is no answer."""
        asked = said.remembered.asked
        if asked is Asked.FEEDBACK and typed.verb is Verb.THANKS and typed.rest:
            return await self._complaining.asked_text(said, said.text)
        if typed.sure and typed.verb is not Verb.LOOK_UP:
            return None
        if self._by_number and (turn := await self._by_number.answered(said)):
            return turn
        match asked:
            case Asked.YES_TO_FEEDBACK if (yes := yes_or_no(said.text)) is not None:
                return await self._complaining.decided(said, yes=yes)
            case Asked.FEEDBACK:
                return await self._complaining.asked_text(said, said.text)
            case Asked.SCORE:
                return await self._rating.asked_score(said, said.text)
            case Asked.REASON:
                return await self._rating.asked_reason(said, said.text)
            case Asked.NAME | Asked.ADDRESS:
                return self._complaining.asked_details(said, said.text)
        return None

    async def _commanded(self, said: Said, typed: Typed) -> Turn:
        if turn := await self._about_number(said, typed):
            return turn
        match typed.verb:
            case Verb.LOOK_UP:
                return await self._look_up(said, typed.rest)
            case Verb.PROVE:
                return await self._looking_up.prove(said, typed.rest)
            case Verb.FOLLOW:
                return await self._following.follow(said, typed.rest)
            case Verb.FOLLOW_LESS:
                return await self._following.follow(said, typed.rest, less=True)
            case Verb.RESUME if not said.stopped and not said.followed and subjects_at_hand(said):
                return await self._following.follow(said, "")  # only this one had been stopped
            case Verb.MUTE:
                return await self._following.mute(said, typed.rest)
            case Verb.OPINION | Verb.FEEDBACK | Verb.PROPOSAL | Verb.FORMAL:
                return await self._complaining.command(said, typed.rest, _FEEDBACK[typed.verb], sure=typed.sure)
            case Verb.RATE:
                return await self._rating.command(said, typed.rest)
            case Verb.ENGLISH | Verb.VIETNAMESE:
                said = replace(said, language=_LANGUAGES[typed.verb])
                choices = self._choices(said, (("help", "HELP"), ("other_language", "")))
                return self._replies.turn(said, "language.set", choices=choices)
        return self._simple(said, typed.verb)

    async def _about_number(self, said: Said, typed: Typed) -> Turn | None:
        """A command that names feedback in place of a dossier. None for all else."""
        named_number = number_and_words(typed.rest) if typed.verb is not Verb.LOOK_UP else None
        if self._by_number is None or named_number is None:
            return None
        number, words = named_number
        match typed.verb:
            case Verb.FOLLOW | Verb.FOLLOW_LESS | Verb.MUTE:
                return await self._by_number.notices(said, number)
            case Verb.PROVE:
                return await self._by_number.asked(said, number, "")
            case Verb.RATE:
                return await self._by_number.rate(said, number, words)
            case Verb.OPINION | Verb.FEEDBACK | Verb.PROPOSAL:
                kind = {Verb.FEEDBACK: "phan anh", Verb.PROPOSAL: "kien nghi"}.get(typed.verb, "?")
                return await self._by_number.added(said, number, words or kind)
        return None

    async def _look_up(self, said: Said, text: str) -> Turn:
        if self._by_number and (named_number := number_and_words(text)):
            return await self._by_number.asked(said, *named_number)
        if number := number_in(text):
            return self._complaining.number_asked(said, number)
        codes = named(text)
        if len(codes) > MOST_CODES:
            return self._replies.turn(said, "look_up.too_many_codes", most=MOST_CODES)
        if len(codes) > 1:
            return await self._looking_up.several(said, codes)
        reading = read(text)
        if reading.kind is ReadingKind.RECEIPT_TOKEN:
            return await self._looking_up.by_receipt(said, reading.value)
        asked = said.remembered.asked
        # Whoever was told all at once, as owner of the phone, may send the secret none the less.
        digits_after_answer = asked is None and said.remembered.told and "".join(text.split()).isdigit()
        if (asked is Asked.PROOF or digits_after_answer) and (
            turn := await self._looking_up.proven_by(said, text, reading)
        ):
            return turn
        if not reading.candidates:
            return await self._without_a_code(said, text, reading)
        if asked in {Asked.CODE_TO_FOLLOW, Asked.CODE_TO_FOLLOW_LESS}:
            return await self._following.follow(said, text, less=asked is Asked.CODE_TO_FOLLOW_LESS)
        if asked is Asked.CODE_TO_MUTE:
            return await self._following.mute(said, text)
        sent_back = len(find(text, limit=2)) > len(codes)
        return await self._looking_up.one(said, reading, sent_back=sent_back)

    async def _without_a_code(self, said: Said, text: str, reading: Reading) -> Turn:
        """Asking how the dossier at hand stands, or telling something about it, or nothing that we understand."""
        asks = said.remembered.asked is not Asked.YES_TO_FEEDBACK and asks_progress(text) and formal_in(text) is None
        if asks and (turn := await self._looking_up.again(said)):
            return turn
        if self._by_number and (turn := await self._by_number.supplied(said, text)):
            return turn
        turn = await self._complaining.free_text(said, text) or self._looking_up.unreadable(said, reading)
        return replace(turn, clear=False)

    async def _own_phone(self, said: Said) -> Turn:
        """The platform vouches for the number: from now on its dossiers need no proof here."""
        acts = (LinkPhone(phone=said.text),)
        linked = WORDS.say(said.language, "phone.linked", tail=said.text[-_TAIL:])
        remembered = said.remembered
        if remembered.asked is Asked.PROOF and remembered.code:
            answer = await self._desk.for_phone(remembered.code, said.text, *remembered.others)
            if answer is not None:
                turn = self._looking_up.told(said, answer)
                return replace(turn, reply=f"{turn.reply}\n{linked}", acts=acts)
        return self._replies.of(said, linked, acts=acts, remember=remembered)

    def _simple(self, said: Said, verb: Verb) -> Turn:
        key, acts, offered = _SIMPLE[verb]
        return self._replies.turn(said, key, acts=acts, choices=self._choices(said, offered))

    def _choices(self, said: Said, offered: tuple[tuple[str, str], ...]) -> tuple[Choice, ...]:
        return tuple(
            option
            for key, says in offered
            for option in choice(said.language, key, says or _OTHER_LANGUAGE[said.language])
        )
