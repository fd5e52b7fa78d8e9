"""Looking up: one dossier, several, with a proof in the same message or the next, or by the link of a receipt."""

import re
from dataclasses import replace

from channels.conversation.answers import brief, brief_together, full, proof_helps
from channels.conversation.choices import after_answer, choice, dossiers
from channels.conversation.replies import Replies
from channels.conversation.subjects import Subject, fullest, hears, named, subject_named, subjects_at_hand
from channels.conversation.turn import Asked, Desk, Remembered, Said, Shown, Turn
from channels.guesses import ProofNeeded
from domain.vietnamese import folded
from lookup.code_finder import FoundCode, Reading, ReadingKind
from lookup.disclosure import Answer

_HELP_WITH = {
    ReadingKind.CITIZEN_ID: "look_up.citizen_id",
    ReadingKind.PHONE: "look_up.phone",
    ReadingKind.PROCEDURE_CODE: "look_up.procedure_code",
}
_PROOF = re.compile(r"(?=.*[0-9])[^\W_]{3,32}|[a-zA-Z]{6,32}")  # a word of letters alone is more likely just a word
_CITIZEN_ID = re.compile("[0-9]{12}")
_SOMEBODYS_PHONE = re.compile(r"\+?[0-9]{8,12}")
_FEW = 3  # words in which a number is more likely a proof than anything else
_SENTENCE = 7  # words from which on a number is only a proof where a word says so
_SAYS_PROOF = frozenset({"ma", "so", "cuoi", "duoi", "secret", "code", "pin", "digits", "phone", "sdt", "dt"})


class LookingUp:
    """Answers about dossiers."""

    def __init__(self, desk: Desk, replies: Replies) -> None:
        self._desk = desk
        self._replies = replies

    async def several(self, said: Said, codes: tuple[FoundCode, ...]) -> Turn:
        """Several dossiers in one message, numbered: a number opens one."""
        answers: list[tuple[str, Answer | None]] = []
        for found in codes:
            subject = subject_named(said, found.candidates)
            answer = await fullest(self._desk, said, subject)
            answers.append((answer.code if answer else subject.code, answer))
        shown = tuple(code for code, _ in answers)
        remember = Remembered(several=shown, offered=shown, told=True)
        return Turn(
            reply=brief_together(answers, said.language, said.manner.fits),
            language=said.language,
            choices=dossiers(shown, said.language) if said.manner.buttons else (),
            remember=remember,
        )

    async def one(self, said: Said, reading: Reading, *, sent_back: bool) -> Turn:
        """The one dossier of `reading`, which has candidates. A message of ours that is sent back holds no proof."""
        subject = subject_named(said, reading.candidates)
        proof = "" if sent_back else proof_among(reading.rest)
        try:
            answer = await fullest(self._desk, said, subject, proof)
        except ProofNeeded:
            return self.ask_proof(said, subject, "look_up.proof_needed")
        return self.told(said, answer) if answer else self.unknown(said, subject, reading)

    async def again(self, said: Said) -> Turn | None:
        """The dossier at hand, for who asks how it stands without a code. None where nothing was told of any."""
        subjects = subjects_at_hand(said, followed=True)
        if not subjects or (said.remembered.code and not said.remembered.told and not said.told):
            return None
        if len(subjects) > 1:
            codes = tuple(subject.code for subject in subjects)
            remember = replace(said.remembered.without_question(), offered=codes)
            return self._replies.which(said, "which.to_see", codes, "", remember)
        try:
            answer = await fullest(self._desk, said, subjects[0])
        except ProofNeeded:
            return self.ask_proof(said, subjects[0], "look_up.proof_needed")
        return self.told(said, answer) if answer else self.unknown(said, subjects[0])

    async def by_receipt(self, said: Said, token: str) -> Turn:
        """The dossier of a receipt's link."""
        answer = await self._desk.with_receipt(token)
        return self.told(said, answer) if answer else self._replies.turn(said, "look_up.receipt_unknown")

    async def proven_by(self, said: Said, text: str, reading: Reading) -> Turn | None:
        """The answer to a proof we asked for. None when `text` holds no proof."""
        remembered = said.remembered
        if remembered.code is None or reading.kind in {ReadingKind.CODE, ReadingKind.RECEIPT_TOKEN}:
            return None
        subject = Subject(code=remembered.code, others=remembered.others)
        if proof := _proof_alone(text):
            answer = await self._desk.with_proof(subject.code, proof, *subject.others, origin=said.origin)
            if answer is None and reading.candidates and not proof.isdigit():  # perhaps a code of another scheme
                answer = await fullest(self._desk, said, subject_named(said, reading.candidates))
            return self.told(said, answer) if answer else self.unknown(said, subject)
        if reading.kind is ReadingKind.CITIZEN_ID:
            return self._replies.turn(said, "look_up.proof_is_no_citizen_id")
        return None

    async def prove(self, said: Said, words: str) -> Turn:
        """What a person must send to see more of a dossier; or all of it, where nothing needs to be sent."""
        codes = named(words)
        subjects = tuple(subject_named(said, code.candidates) for code in codes) or subjects_at_hand(said)
        if not subjects:
            return self._replies.turn(said, "prove.which")
        if len(subjects) > 1:
            shown = tuple(subject.code for subject in subjects)
            remember = replace(said.remembered, offered=tuple(f"XEM THEM {code}" for code in shown))
            return self._replies.which(said, "which.to_see", shown, "XEM THEM", remember)
        (subject,) = subjects
        if said.phone and (answer := await self._desk.for_phone(subject.code, said.phone, *subject.others)):
            return self.told(said, answer)
        return self.ask_proof(said, subject, "prove.how")

    def told(self, said: Said, answer: Answer) -> Turn:
        """What may be said of a dossier."""
        manner = said.manner
        if manner.brief:
            text = brief(answer, said.language, manner.fits, hears(said, answer))
        else:
            text = full(answer, said.language, hears(said, answer), buttons=manner.buttons)
        remember = Remembered(
            code=answer.code,
            told=True,
            proven=answer.proven is not None,
            asked=Asked.PROOF if proof_helps(answer) else None,
        )
        choices = after_answer(answer, said.language, followed=answer.code in said.followed)
        turn = self._replies.of(said, text, remember=remember, choices=choices)
        return replace(turn, shown=Shown(code=answer.code, phone=said.phone)) if answer.proven else turn

    def unknown(self, said: Said, subject: Subject, reading: Reading | None = None) -> Turn:
        """The words for an unknown code and for a wrong proof. They depend on nothing but what was typed."""
        receipt_number = reading is not None and reading.resembles_receipt_number
        key = "look_up.receipt_number" if receipt_number else "look_up.not_found"
        return self.ask_proof(said, subject, key)

    def unreadable(self, said: Said, reading: Reading) -> Turn:
        """Help for a text in which there is no code, by what there is instead."""
        key = _HELP_WITH.get(reading.kind, "look_up.unreadable")
        return self._replies.turn(said, key, choices=choice(said.language, "help", "HELP"), value=reading.value[:20])

    def ask_proof(self, said: Said, subject: Subject, key: str) -> Turn:
        """Ask for the second factor, in the words of `key`."""
        told = said.remembered.told and said.remembered.code in subject.readings
        remember = Remembered(code=subject.code, others=subject.others, told=told, asked=Asked.PROOF)
        return self._replies.turn(said, key, remember=remember, code=subject.code)


def proof_among(words: str) -> str:
    """The first word with a digit that may be a look-up secret or the end of a phone number, which no citizen ID is.

    A long number in a sentence is the office's phone: a message of ours was sent back.
    """
    split = words.split()
    return next(
        (
            word
            for word in split
            if any(c.isdigit() for c in word)
            and _may_be_proof(word)
            and (len(split) <= _FEW or not _SOMEBODYS_PHONE.fullmatch(word))
        ),
        "",
    )


def _proof_alone(text: str) -> str:
    """The proof in a text without a code: one word, digits typed apart, or a word with digits in a sentence."""
    joined = "".join(text.split())
    if joined.isdigit() and _may_be_proof(joined):
        return joined
    words = text.split()
    if len(words) >= _SENTENCE and _SAYS_PROOF.isdisjoint(folded(text).split()):
        return ""
    return proof_among(text) or (text if _may_be_proof(text) else "")


def _may_be_proof(word: str) -> bool:
    return bool(_PROOF.fullmatch(word.lstrip("+"))) and not _CITIZEN_ID.fullmatch(word)
