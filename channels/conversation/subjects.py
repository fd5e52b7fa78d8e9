"""Which dossier a message is about: the one it names, else the one talked about, told of, or followed."""

from dataclasses import dataclass
from enum import StrEnum

from channels.conversation.turn import Asked, Desk, Said
from lookup.code_finder import FoundCode, find, words_besides
from lookup.disclosure import Answer

MOST_CODES = 3

# What we may have asked last without thinking of what would be said about a dossier: a newer notice comes first then.
_NOT_ABOUT_A_DOSSIER = frozenset(
    {None, Asked.PROOF, Asked.CODE_TO_FOLLOW, Asked.CODE_TO_FOLLOW_LESS, Asked.CODE_TO_MUTE}
)


class Hears(StrEnum):
    """Whether a person is told of changes of a dossier."""

    NOTHING = "nothing"
    CHANGES = "changes"
    STOPPED = "stopped"  # would be, but has stopped all notices


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A dossier that may be meant. `others`: further readings of what was typed; `proven`: a right to it was proven."""

    code: str
    others: tuple[str, ...] = ()
    proven: bool = False

    @property
    def readings(self) -> tuple[str, ...]:
        """All that it may be called, likeliest first."""
        return (self.code, *self.others)


def named(text: str, limit: int = MOST_CODES + 1) -> tuple[FoundCode, ...]:
    """The codes in `text`, each once: a status message of ours that is sent back names its code twice."""
    found = {code.candidates[0]: code for code in reversed(find(text, limit=2 * limit))}
    return tuple(reversed(found.values()))[:limit]


def words_beside_codes(text: str) -> str:
    """The words of `text` that are no code."""
    return words_besides(text, find(text, limit=2 * MOST_CODES))


def subject_named(said: Said, candidates: tuple[str, ...]) -> Subject:
    """The dossier of a typed code."""
    return Subject(code=candidates[0], others=candidates[1:], proven=_proven(said, candidates))


def subjects_at_hand(said: Said, *, followed: bool = False) -> tuple[Subject, ...]:
    """The dossiers a message without a code may be about; with `followed`, else those this person follows."""
    remembered, told = said.remembered, said.told
    if told and told.newer and remembered.asked in _NOT_ABOUT_A_DOSSIER:
        codes: tuple[str, ...] = (told.code,)
    elif remembered.code:
        readings = (remembered.code, *remembered.others)
        return (Subject(code=remembered.code, others=remembered.others, proven=_proven(said, readings)),)
    else:
        codes = remembered.several or ((told.code,) if told else ())
    if not codes and followed:
        codes = said.followed[:MOST_CODES]
    return tuple(Subject(code=code, proven=_proven(said, (code,))) for code in codes)


def _proven(said: Said, readings: tuple[str, ...]) -> bool:
    """Whether this person proved a right to the dossier a short while ago, or was told as its holder."""
    if said.remembered.proven and said.remembered.code in readings:
        return True
    return said.told is not None and said.told.proven and said.told.code in readings


def hears(said: Said, answer: Answer) -> Hears:
    """Whether this person is told of changes of the dossier: as a follower, or by duty at the registered phone."""
    proven = answer.proven
    by_duty = said.manner.address_is_phone and proven is not None and proven.by_phone
    if answer.code in said.muted or not (by_duty or answer.code in said.followed):
        return Hears.NOTHING
    return Hears.STOPPED if said.stopped else Hears.CHANGES


async def fullest(desk: Desk, said: Said, subject: Subject, proof: str = "") -> Answer | None:
    """All that the sender may be told: as owner of the registered phone, to which the answer goes; with the proof
    given; or for the code alone. None for an unknown code and for a wrong proof. Raises `TooMany`."""
    if said.phone and (answer := await desk.for_phone(subject.code, said.phone, *subject.others)):
        return answer
    if proof:
        return await desk.with_proof(subject.code, proof, *subject.others, origin=said.origin)
    return await desk.by_code(*subject.readings, origin=said.origin)
