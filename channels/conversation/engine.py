"""From a message to the answer: what it asks for, what may be said, what is to be done and remembered.

Knows nothing of wires: the same message gets the same answer by SMS, in any chat and in a test. An unknown code and a
wrong proof get the same words and leave the same memory behind.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from channels.conversation.answers import WORDS, ask_office, brief, brief_together, full, proof_helps
from channels.conversation.keywords import Typed, Verb, understood
from channels.conversation.turn import (
    WRONG_PROOFS,
    Act,
    Asked,
    Budget,
    Desk,
    Follow,
    Mute,
    Remembered,
    Resume,
    Said,
    StopAll,
    Turn,
)
from domain.errors import TooMany
from domain.language import Language
from lookup.code_finder import FoundCode, Reading, ReadingKind, find, read
from lookup.disclosure import Answer

MOST_CODES = 3

_BRIEF_ACTS: MappingProxyType[Verb, tuple[str, tuple[Act, ...]]] = MappingProxyType(
    {
        Verb.STOP_ALL: ("stop.done", (StopAll(),)),
        Verb.TC: ("stop.tc", (StopAll(),)),
        Verb.RESUME: ("resume.done", (Resume(),)),
        Verb.HELP: ("help", ()),
        Verb.THANKS: ("thanks", ()),
    }
)
_LANGUAGES = MappingProxyType({Verb.ENGLISH: Language.ENGLISH, Verb.VIETNAMESE: Language.VIETNAMESE})
_HELP_WITH = MappingProxyType(
    {
        ReadingKind.CITIZEN_ID: "look_up.citizen_id",
        ReadingKind.PHONE: "look_up.phone",
        ReadingKind.PROCEDURE_CODE: "look_up.procedure_code",
    }
)
_PROOF = re.compile(r"(?=.*[0-9])[^\W_]{3,32}|[a-zA-Z]{6,32}")  # a word of letters alone is more likely just a word
_CITIZEN_ID = re.compile("[0-9]{12}")
_PHONE = re.compile(r"(?:\+?84|0)[0-9]{9}")
_TAIL = 4


class Conversation:
    """Answers messages. `hotline` is the phone named to people who need a person where no office is known."""

    def __init__(self, desk: Desk, budget: Budget, *, hotline: str = "") -> None:
        self._desk = desk
        self._budget = budget
        self._hotline = hotline

    async def answer(self, said: Said) -> Turn:
        """The turn `said` leads to. Raises only what the desk and the budget raise, e.g. `Unavailable`."""
        typed = understood(said.text)
        try:
            match typed.verb:
                case Verb.LOOK_UP:
                    return await self._look_up(said, typed)
                case Verb.FOLLOW:
                    return await self._follow(said, typed)
                case Verb.MUTE:
                    return await self._mute(said, typed)
                case Verb.FEEDBACK | Verb.RATE:
                    return await self._feedback_not_open(said, typed)
        except TooMany:
            return self._turn(said, "look_up.too_many_tries")
        if typed.verb in _LANGUAGES:
            return self._turn(replace(said, language=_LANGUAGES[typed.verb]), "language.set")
        key, acts = _BRIEF_ACTS[typed.verb]
        return self._turn(said, key, acts=acts)

    def apology(self, language: Language) -> str:
        """What is said when a message could not be answered through a fault of ours."""
        return WORDS.say(language, "apology", ask=self._ask(language))

    async def _look_up(self, said: Said, typed: Typed) -> Turn:
        codes = find(typed.rest, limit=MOST_CODES + 1)
        if len(codes) > MOST_CODES:
            return self._turn(said, "look_up.too_many_codes", most=MOST_CODES)
        if len(codes) > 1:
            return await self._look_up_together(said, codes)
        reading = read(typed.rest)
        asked = said.remembered.asked
        code = await self._which(reading.candidates)
        # What we asked for a proof, and what comes is no dossier of its own, is the proof.
        if asked is Asked.PROOF and said.remembered.code and code is None and reading.kind is not ReadingKind.CODE:
            if proof := _proof_alone(typed.rest):
                answer = await self._proven(said.remembered.code, proof)
                return self._told(said, answer) if answer else self._unknown(said, reading, said.remembered.code)
            if reading.kind is ReadingKind.CITIZEN_ID:
                return self._turn(said, "look_up.proof_is_no_citizen_id")
        if not reading.candidates:
            key = _HELP_WITH.get(reading.kind, "look_up.unreadable")
            return self._turn(said, key, value=reading.value[:20])
        if asked is Asked.CODE_TO_FOLLOW:
            return await self._follow(said, typed)
        if asked is Asked.CODE_TO_MUTE:
            return await self._mute(said, typed)
        code = code or reading.candidates[0]
        answer = await self._fullest(said, code, _proof_among(reading.rest))
        return self._told(said, answer) if answer else self._unknown(said, reading, code)

    async def _fullest(self, said: Said, code: str, proof: str) -> Answer | None:
        """All that the sender may be told: as owner of the registered phone, to which the answer goes; with the proof
        given; or for the code alone. None for an unknown code and for a wrong proof. Raises `TooMany`."""
        if said.manner.address_is_phone and (answer := await self._desk.for_phone(code, said.by.address)):
            return answer
        return await self._proven(code, proof) if proof else await self._desk.by_code(code)

    async def _proven(self, code: str, proof: str) -> Answer | None:
        """The answer to the holder of `proof`; a try counts alike whether or not the code exists. Raises `TooMany`."""
        if not await self._budget.spend(WRONG_PROOFS, code):
            raise TooMany("The second factor was tried too often.", after=timedelta(hours=1))
        answer = await self._desk.with_proof(code, proof)
        if answer is None and _PHONE.fullmatch(proof):  # the whole number was typed instead of its end
            answer = await self._desk.with_proof(code, proof[-_TAIL:])
        if answer is not None:
            await self._budget.give_back(WRONG_PROOFS, code)
        return answer

    async def _look_up_together(self, said: Said, codes: tuple[FoundCode, ...]) -> Turn:
        answers: list[tuple[str, Answer | None]] = []
        for found in codes:
            code = await self._which(found.candidates) or found.candidates[0]
            answers.append((code, await self._fullest(said, code, proof="")))
        reply = brief_together(answers, said.language, said.manner.fits)
        return Turn(reply=reply, language=said.language, remember=Remembered())

    async def _follow(self, said: Said, typed: Typed) -> Turn:
        reading = read(typed.rest)
        remembered = said.remembered
        candidates = reading.candidates
        if not candidates and remembered.code and not any(c.isdigit() for c in typed.rest):
            candidates = (remembered.code,)
        if not candidates:
            return self._turn(said, "follow.which", remember=Remembered(asked=Asked.CODE_TO_FOLLOW))
        code = await self._which(candidates) or candidates[0]
        answer = await self._fullest(said, code, _proof_among(reading.rest))
        if answer is None:
            return self._unknown(said, reading, code)
        proven = answer.proven is not None or (remembered.code == code and remembered.proven)
        return self._turn(
            said,
            "follow.kept" if said.stopped else "follow.done",
            acts=(Follow(code=code, proven=proven),),
            remember=Remembered(code=code, proven=proven),
            code=code,
        )

    async def _mute(self, said: Said, typed: Typed) -> Turn:
        candidates = read(typed.rest).candidates or tuple(filter(None, [said.remembered.code]))
        if not candidates:
            return self._turn(said, "mute.which", remember=Remembered(asked=Asked.CODE_TO_MUTE))
        # The same words for a code that does not exist: there will be no notices about it either.
        code = await self._which(candidates) or candidates[0]
        return self._turn(said, "mute.done", acts=(Mute(code=code),), remember=Remembered(code=code), code=code)

    async def _feedback_not_open(self, said: Said, typed: Typed) -> Turn:
        """Feedback by text is not taken yet: the office to speak to is named instead."""
        found = find(typed.rest, limit=1)
        about = await self._which(found[0].candidates) if found else said.remembered.code
        answer = await self._desk.by_code(about) if about else None
        if answer is None:
            return self._turn(said, "feedback.not_open")
        office = ask_office(answer.agency, said.language, named=True)
        turn = self._turn(said, "feedback.not_open_about", office=office)
        if said.manner.fits(turn.reply):
            return turn
        office = ask_office(answer.agency, said.language, named=False)
        return self._turn(said, "feedback.not_open_about", office=office)

    async def _which(self, candidates: Iterable[str]) -> str | None:
        """The first of `candidates` that is a dossier."""
        for code in candidates:
            if answer := await self._desk.by_code(code):
                return answer.code
        return None

    def _told(self, said: Said, answer: Answer) -> Turn:
        text = brief(answer, said.language, said.manner.fits) if said.manner.brief else full(answer, said.language)
        remember = Remembered(
            code=answer.code,
            proven=answer.proven is not None,
            asked=Asked.PROOF if proof_helps(answer) else None,
        )
        return Turn(reply=text, language=said.language, remember=remember)

    def _unknown(self, said: Said, reading: Reading, code: str) -> Turn:
        """The words for an unknown code and for a wrong proof. They depend on nothing but what was typed."""
        key = (
            "look_up.receipt_number"
            if reading.resembles_receipt_number and reading.candidates[0] == code
            else "look_up.not_found"
        )
        return self._turn(said, key, remember=Remembered(code=code, asked=Asked.PROOF))

    def _ask(self, language: Language) -> str:
        """Where to ask when no office is known."""
        if self._hotline:
            return WORDS.say(language, "ask.hotline", phone=self._hotline)
        return WORDS.say(language, "ask.where_filed")

    def _turn(
        self, said: Said, key: str, *, acts: tuple[Act, ...] = (), remember: Remembered | None = None, **values: object
    ) -> Turn:
        """A turn in ready words; what was remembered stays so unless `remember` replaces it."""
        reply = WORDS.say(said.language, key, ask=self._ask(said.language), **values)
        remember = said.remembered if remember is None else remember
        return Turn(reply=reply, language=said.language, acts=acts, remember=remember)


def _proof_among(words: str) -> str:
    """The first word with a digit that may be a look-up secret or the end of a phone number, which no citizen ID is."""
    return next((word for word in words.split() if any(c.isdigit() for c in word) and _may_be_proof(word)), "")


def _proof_alone(text: str) -> str:
    """The proof in a text without a code: one word, digits typed apart, or a word with digits in a sentence."""
    joined = "".join(text.split())
    if joined.isdigit() and _may_be_proof(joined):
        return joined
    return _proof_among(text) or (text if _may_be_proof(text) else "")


def _may_be_proof(word: str) -> bool:
    return bool(_PROOF.fullmatch(word.lstrip("+"))) and not _CITIZEN_ID.fullmatch(word)
