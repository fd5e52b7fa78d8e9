"""Telling the office what went wrong or could be better: by command, when asked, or simply in answer to a message.

What a person writes freely after an answer or a notice becomes feedback about that dossier, but only after a yes. Words
of a formal complaint or denunciation lead to where those belong, and may still be kept as feedback.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

from channels.conversation.answers import WORDS, office_name
from channels.conversation.choices import choice, yes_and_no
from channels.conversation.feedback_numbers import WORDS as NUMBER_WORDS
from channels.conversation.feedback_numbers import Budget, number_and_words
from channels.conversation.formal_words import formal_in
from channels.conversation.person_names import name_in
from channels.conversation.replies import Replies
from channels.conversation.subjects import Subject, named, subject_named, subjects_at_hand, words_beside_codes
from channels.conversation.turn import Asked, CompleteFeedback, Desk, FileFeedback, Remembered, Said, Turn
from channels.guesses import ProofNeeded
from domain.civil_time import civil_day
from feedback_intake.filing import LONGEST_ADDRESS, Feedback, FeedbackKind, Formal
from feedback_intake.filing_caps import TooManyFiled
from feedback_intake.sorting import kind_by_words
from lookup.code_finder import ReadingKind, read
from lookup.disclosure import Answer

FEW_WORDS = 3  # from so many on, words without a command or a code are taken for something to tell
LONGEST_DRAFT = 4_000  # characters

# A name: a few words of letters alone.
_WORD = re.compile(r"[^\W\d_]+")


class Complaining:
    """Feedback by chat. `number` makes the number of feedback filed on a day; `clock` tells the day."""

    def __init__(
        self,
        desk: Desk,
        replies: Replies,
        clock: Callable[[], datetime],
        number: Callable[[date], str],
        budget: Budget | None = None,
    ) -> None:
        self._desk = desk
        self._replies = replies
        self._clock = clock
        self._number = number
        self._budget = budget

    async def command(self, said: Said, words: str, kind: FeedbackKind | None, *, sure: bool = True) -> Turn:
        """`GOP Y …`: about the dossier named, else the one at hand, else none. `kind` where the command says it."""
        codes = named(words)
        text = words_beside_codes(words) if codes else words
        subjects = (subject_named(said, codes[0].candidates),) if codes else subjects_at_hand(said)
        remembered = said.remembered
        if not _says_something(text) and remembered.asked is Asked.YES_TO_FEEDBACK:
            text, kind = remembered.draft, kind or remembered.kind  # now we know which dossier it is about
        if len(subjects) > 1:
            return self._about_which(said, subjects, text, kind)
        subject = subjects[0] if subjects else None
        if not _says_something(text) or (subject is None and len(_WORD.findall(text)) < FEW_WORDS):
            return self._ask_text(said, subject, kind)
        if sure and formal_in(text) is None:
            return await self._file(said, text, subject, kind)
        return await self._ask_yes(said, text, subject, kind)

    async def asked_text(self, said: Said, text: str) -> Turn | None:
        """The text we asked for. None when `text` is something else: a code to be looked up, or nothing at all."""
        codes = named(text)
        words = words_beside_codes(text) if codes else text
        if not _says_something(words) or read(text).kind is ReadingKind.RECEIPT_TOKEN:
            return None
        return await self.command(said, text, said.remembered.kind)

    async def free_text(self, said: Said, text: str) -> Turn | None:
        """What a person writes after an answer or a notice. None when there was none, or when it is too short."""
        few = len(_WORD.findall(text)) < FEW_WORDS
        remembered, subjects = said.remembered, subjects_at_hand(said)
        if remembered.asked is Asked.YES_TO_FEEDBACK:  # the rest of it in a second message, or no clear answer
            text = remembered.draft if few else f"{remembered.draft}\n{text}"[:LONGEST_DRAFT]
        elif few or not (formal_in(text) or (subjects and (remembered.told or said.told))):
            return None
        if len(subjects) > 1:
            return self._about_which(said, subjects, text, remembered.kind)
        return await self._ask_yes(said, text, subjects[0] if subjects else None, remembered.kind)

    async def decided(self, said: Said, *, yes: bool) -> Turn:
        """The answer to whether the draft shall be filed."""
        remembered = said.remembered
        if not yes:
            return self._replies.turn(said, "feedback.dropped", remember=remembered.without_question())
        subjects = subjects_at_hand(said)
        subject = subjects[0] if len(subjects) == 1 else None
        return await self._file(said, remembered.draft, subject, remembered.kind)

    def number_asked(self, said: Said, number: str) -> Turn:
        """Somebody sends the number of feedback in place of a code."""
        return self._replies.turn(said, "feedback.number", number=number)

    def _ask_text(self, said: Said, subject: Subject | None, kind: FeedbackKind | None) -> Turn:
        remember = Remembered(asked=Asked.FEEDBACK, kind=kind)
        if subject is None:
            return self._replies.turn(said, "feedback.write", remember=remember)
        remember = replace(remember, code=subject.code, others=subject.others, proven=subject.proven)
        return self._replies.turn(said, "feedback.write_about", remember=remember, code=subject.code)

    def _about_which(self, said: Said, subjects: tuple[Subject, ...], text: str, kind: FeedbackKind | None) -> Turn:
        codes = tuple(subject.code for subject in subjects)
        remember = Remembered(several=codes, told=True, offered=tuple(f"GOP Y {code}" for code in codes))
        if _says_something(text):
            remember = replace(remember, asked=Asked.YES_TO_FEEDBACK, draft=text, kind=kind)
        return self._replies.which(said, "which.feedback", codes, "GOP Y", remember)

    async def _ask_yes(self, said: Said, text: str, subject: Subject | None, kind: FeedbackKind | None) -> Turn:
        """Whether the text shall be filed; for a formal complaint or denunciation, first where those go."""
        options = yes_and_no(said.language)
        remember = Remembered(
            code=subject.code if subject else None,
            others=subject.others if subject else (),
            told=said.remembered.told,
            proven=subject is not None and subject.proven,
            asked=Asked.YES_TO_FEEDBACK,
            offered=() if said.manner.buttons else tuple(option.says for option in options),
            draft=text[:LONGEST_DRAFT],
            kind=kind,
        )
        if (formal := formal_in(text)) is Formal.EMERGENCY:
            asks = NUMBER_WORDS.say(said.language, "emergency")
            return self._replies.of(said, asks, remember=remember, options=options)
        if formal:
            return self._replies.turn(said, f"feedback.formal.{formal}", remember=remember, options=options)
        if subject is None:
            return self._replies.turn(said, "feedback.keep", remember=remember, options=options)
        if answer := await self._answer(said, subject):
            office = office_name(answer.agency, said.language)
            turn = self._replies.turn(
                said, "feedback.offer_to", remember=remember, options=options, code=answer.code, office=office
            )
            if said.manner.fits(turn.reply):
                return turn
        return self._replies.turn(said, "feedback.offer", remember=remember, options=options, code=subject.code)

    async def _file(self, said: Said, text: str, subject: Subject | None, said_kind: FeedbackKind | None) -> Turn:
        answer = await self._answer(said, subject) if subject else None
        code = answer.code if answer else subject.code if subject else None
        proven = subject is not None and subject.proven
        try:
            if self._budget is not None:
                await self._budget.take(address=None, contacts=(said.by,), code=code)
        except TooManyFiled as refusal:
            return self.put_off(said, refusal)
        kind = said_kind or kind_by_words(text)
        feedback = Feedback(
            number=self._number(civil_day(self._clock())),
            kind=kind,
            text=text,
            code=code,
            proven=proven,
            language=said.language,
            resembles=formal_in(text),
        )
        if code is None:
            key, choices = "feedback.filed", choice(said.language, "help", "HELP")
        else:
            key, choices = "feedback.filed_about", choice(said.language, "look_up", code)
        turn = self._replies.turn(
            said,
            key,
            acts=(FileFeedback(feedback=feedback),),
            remember=Remembered(code=code, told=True, proven=proven),
            choices=choices,
            number=feedback.number,
            code=code,
            kind=NUMBER_WORDS.say(said.language, f"kind.{kind}"),
        )
        if answer is not None:
            office = office_name(answer.agency, said.language)
            turn = _longer(said, turn, WORDS.say(said.language, "feedback.goes_to", office=office))
        if self._budget is not None and said.manner.brief and not proven:
            turn = self._asking_briefly(said, turn, feedback.number)
        if said_kind is None and self._budget is not None:
            other = next(each for each in FeedbackKind if each is not kind)
            hint = NUMBER_WORDS.say(said.language, f"kind.change.{other}", number=feedback.number)
            turn = _longer(said, turn, hint)
        if self._budget is not None and not said.manner.brief:
            turn = self._asking(turn, feedback.number)
        return turn

    def put_off(self, said: Said, refusal: TooManyFiled) -> Turn:
        """What is said when nothing was filed, for too much was of late."""
        wait = max(1, round(refusal.after.total_seconds() / 60))
        later = NUMBER_WORDS.say(said.language, "filing.too_many", wait=wait)
        return self._replies.of(said, later, remember=said.remembered.without_question())

    def asked_details(self, said: Said, text: str) -> Turn | None:
        """The name, then the address, of who filed: one thing at a time. None when `text` is something else."""
        remembered, number = said.remembered, said.remembered.number
        if number is None or number_and_words(text):
            return None
        if remembered.asked is Asked.NAME:
            if (name := name_in(text)) is None:
                return None
            asks = NUMBER_WORDS.say(said.language, "filing.address")
            acts = (CompleteFeedback(number=number, name=name),)
            remember = replace(remembered, asked=Asked.ADDRESS)
            return self._replies.of(said, asks, acts=acts, remember=remember)
        if not _says_something(text) or len(text) > LONGEST_ADDRESS or named(text):
            return None
        key = "filing.complete.brief" if said.manner.brief else "filing.complete"
        thanks = NUMBER_WORDS.say(said.language, key, number=number)
        acts = (CompleteFeedback(number=number, postal_address=text.strip()),)
        return self._replies.of(said, thanks, acts=acts, remember=remembered.without_question())

    @staticmethod
    def _asking(turn: Turn, number: str) -> Turn:
        """`turn`, asking for what the law asks for next; who does not answer has filed all the same."""
        asks = NUMBER_WORDS.say(turn.language, "filing.name")
        remember = replace(turn.remember, asked=Asked.NAME, number=number, number_proven=True)
        return replace(turn, reply=f"{turn.reply}\n{asks}", remember=remember)

    @staticmethod
    def _asking_briefly(said: Said, turn: Turn, number: str) -> Turn:
        """The same where each text costs: where the question fits, and the phone is not the one the office knows."""
        asking = _longer(said, turn, NUMBER_WORDS.say(said.language, "filing.name.brief"))
        if asking is turn:
            return turn
        return replace(asking, remember=replace(turn.remember, asked=Asked.NAME, number=number, number_proven=True))

    async def _answer(self, said: Said, subject: Subject) -> Answer | None:
        """What the code alone tells, above all the office; None where there is nothing, or it may not be told now."""
        try:
            return await self._desk.by_code(*subject.readings, origin=said.origin)
        except ProofNeeded:
            return None


def _longer(said: Said, turn: Turn, words: str) -> Turn:
    """`turn` with `words` after it, where they fit."""
    longer = f"{turn.reply} {words}"
    return replace(turn, reply=longer) if said.manner.fits(longer) else turn


def _says_something(text: str) -> bool:
    return sum(map(len, _WORD.findall(text))) > 1
