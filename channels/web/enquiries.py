"""From what a person typed to the answer: reading, the candidates, the words when it was something else."""

from dataclasses import dataclass
from enum import StrEnum

from channels.guesses import GuardedDesk
from domain.errors import MalformedCode, NotFound
from domain.vietnamese import clean
from lookup.code_finder import ReadingKind, read
from lookup.disclosure import Answer

LONGEST_TYPED = 256  # characters; a code has at most 64, a receipt's address some more
LONGEST_PROOF = 64  # characters


class TypedInstead(StrEnum):
    """What people type in place of the code; each has words of help."""

    PROCEDURE_CODE = "procedure_code"
    CITIZEN_ID = "citizen_id"
    PHONE = "phone"
    RECEIPT_LINK = "receipt_link"


_INSTEAD = {
    ReadingKind.PROCEDURE_CODE: TypedInstead.PROCEDURE_CODE,
    ReadingKind.CITIZEN_ID: TypedInstead.CITIZEN_ID,
    ReadingKind.PHONE: TypedInstead.PHONE,
    ReadingKind.RECEIPT_TOKEN: TypedInstead.RECEIPT_LINK,
}
_SAYING = {
    TypedInstead.PROCEDURE_CODE: "This is the code of a procedure. The dossier code stands on the receipt slip.",
    TypedInstead.CITIZEN_ID: "This is a citizen's ID, which was not kept. The dossier code stands on the receipt slip.",
    TypedInstead.PHONE: "This is a phone number, which was not kept. The dossier code stands on the receipt slip.",
    TypedInstead.RECEIPT_LINK: "This is the link of a receipt. Open it, or type the dossier code.",
}


class NotACode(MalformedCode):
    """The text is something else; `instead` says what, if that is known. The text itself is not kept."""

    def __init__(self, instead: TypedInstead | None) -> None:
        super().__init__(_SAYING[instead] if instead else "This cannot be a dossier code.", field="code")
        self.instead = instead


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A typed code: exact keys to try, likeliest first, and whether more was typed beside it."""

    text: str  # as typed, cleaned; it holds no number that is a person's own
    candidates: tuple[str, ...]
    resembles_receipt_number: bool
    has_more: bool

    @property
    def code(self) -> str:
        """The code as typed, in its canonical spelling."""
        return self.candidates[0]


def understood(text: str) -> Typed:
    """What `text` may mean. Raises `NotACode`."""
    if len(text) > LONGEST_TYPED:
        raise NotACode(None)
    reading = read(text)
    if not reading.candidates:
        raise NotACode(_INSTEAD.get(reading.kind))
    return Typed(
        text=clean(text),
        candidates=reading.candidates,
        resembles_receipt_number=reading.resembles_receipt_number,
        has_more=bool(reading.rest),
    )


async def answer_to(desk: GuardedDesk, typed: Typed, proof: str | None = None, *, origin: str) -> Answer:
    """The answer at the level that `proof` reaches. Raises `NotFound` in the same words for unknown and not proven.

    `origin` is the address that asks. Raises also what the desk raises.
    """
    if proof is None:
        found = await desk.by_code(*typed.candidates, origin=origin)
    elif len(proof) > LONGEST_PROOF:
        found = None
    else:
        found = await desk.with_proof(typed.code, proof, *typed.candidates[1:], origin=origin)
    if found is None:
        raise NotFound("We found no file that matches this. Please check the code on your slip.")
    return found
