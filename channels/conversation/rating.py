"""Rating from 1 to 5, in one message or when asked, and why where it is low."""

import re
from dataclasses import replace

from channels.conversation.choices import choice
from channels.conversation.replies import Replies
from channels.conversation.subjects import Subject, named, subject_named, subjects_at_hand, words_beside_codes
from channels.conversation.turn import Asked, Desk, Rate, Remembered, Said, Turn
from channels.guesses import ProofNeeded
from domain.message import Choice
from domain.vietnamese import folded
from feedback_intake.ratings import DISCONTENT, HIGHEST, LOWEST, Rating

_SCORE = re.compile(
    r"(?P<score>[0-9]{1,3})(?:\s*/\s*5|\s*\*|\s*(?:sao|điểm|diem|stars?|points?)\b)?(?![0-9])[\s.,:;\-]*"
)
_MOST_DIGITS = 2
# The five steps in use, folded; longer ones first where one holds another.
_IN_WORDS = (
    ("rat khong hai long", 1),
    ("very dissatisfied", 1),
    ("khong hai long", 2),
    ("dissatisfied", 2),
    ("binh thuong", 3),
    ("neutral", 3),
    ("rat hai long", 5),
    ("very satisfied", 5),
    ("hai long", 4),
    ("satisfied", 4),
)


class RatingByChat:
    """Ratings by chat."""

    def __init__(self, desk: Desk, replies: Replies) -> None:
        self._desk = desk
        self._replies = replies

    async def command(self, said: Said, words: str) -> Turn:
        """`DANH GIA <1-5> …`: of the dossier named, else the one at hand, else of the service."""
        codes = named(words)
        text = words_beside_codes(words) if codes else words
        subjects = (subject_named(said, codes[0].candidates),) if codes else subjects_at_hand(said)
        score, reason = score_in(text)
        if len(subjects) > 1:
            return self._which(said, subjects, score)
        subject = subjects[0] if subjects else None
        if score is None:
            return self._ask_score(said, subject)
        return await self._rate(said, subject, score, reason)

    async def asked_score(self, said: Said, text: str) -> Turn | None:
        """The score we asked for; asked for again where it is none of the five. None for words and codes."""
        score, reason = score_in(text)
        subjects = subjects_at_hand(said)
        subject = subjects[0] if len(subjects) == 1 else None
        if score is None and text.isdecimal() and len(text) <= _MOST_DIGITS:
            return self._ask_score(said, subject)
        if score is None or named(text):
            return None
        return await self._rate(said, subject, score, reason)

    async def asked_reason(self, said: Said, text: str) -> Turn | None:
        """Why the score was low. None when `text` is a code."""
        if named(text) or not any(character.isalpha() for character in text):
            return None
        subjects = subjects_at_hand(said)
        return await self._rate(said, subjects[0] if len(subjects) == 1 else None, said.remembered.score, text)

    def _ask_score(self, said: Said, subject: Subject | None) -> Turn:
        remember = Remembered(asked=Asked.SCORE)
        if subject is None:
            return self._replies.turn(said, "rating.ask", remember=remember, choices=_scores(said, ""))
        remember = replace(remember, code=subject.code, others=subject.others, told=True, proven=subject.proven)
        choices = _scores(said, subject.code)
        return self._replies.turn(said, "rating.ask_about", remember=remember, choices=choices, code=subject.code)

    def _which(self, said: Said, subjects: tuple[Subject, ...], score: int | None) -> Turn:
        command = f"DANH GIA {score}" if score else "DANH GIA"
        codes = tuple(subject.code for subject in subjects)
        remember = replace(said.remembered.without_question(), offered=tuple(f"{command} {code}" for code in codes))
        return self._replies.which(said, "which.to_rate", codes, command, remember)

    async def _rate(self, said: Said, subject: Subject | None, score: int, reason: str) -> Turn:
        code = await self._settled(said, subject) if subject else None
        proven = subject is not None and subject.proven
        rating = Rating(score=score, code=code, proven=proven, reason=reason, language=said.language)
        asks_why = score <= DISCONTENT and not reason
        remember = Remembered(
            code=code,
            told=code is not None,
            proven=proven,
            asked=Asked.REASON if asks_why else None,
            score=score if asks_why else 0,
        )
        key = "rating.why" if asks_why else "rating.done_why" if score <= DISCONTENT else "rating.done"
        return self._replies.turn(said, key, acts=(Rate(rating=rating),), remember=remember, score=score)

    async def _settled(self, said: Said, subject: Subject) -> str:
        """Which of its readings is the dossier; as typed, where that cannot be told."""
        if not subject.others:
            return subject.code
        try:
            answer = await self._desk.by_code(*subject.readings, origin=said.origin)
        except ProofNeeded:
            return subject.code
        return answer.code if answer else subject.code


def _scores(said: Said, code: str) -> tuple[Choice, ...]:
    """The five scores, the best first."""
    return tuple(
        option
        for score in range(HIGHEST, LOWEST - 1, -1)
        for option in choice(said.language, f"score.{score}", f"DANH GIA {score} {code}".strip())
    )


def score_in(text: str) -> tuple[int | None, str]:
    """The score that `text` begins with, in digits or words, and the words after it."""
    text = text.strip()
    if digits := _SCORE.match(text):
        score = int(digits["score"])
        return (score, text[digits.end() :].strip()) if LOWEST <= score <= HIGHEST else (None, "")
    plain = folded(text)
    for words, score in _IN_WORDS:
        if plain.startswith(words):
            return score, ""
    return None, ""
