"""One turn of a conversation: what was said, what is answered, what is done, what is remembered."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from domain.contact import Contact
from domain.language import Language
from domain.message import Choice, IncomingKind
from lookup.disclosure import Answer

# How long a question of ours waits for its answer, and a proof once given counts for what is asked next.
REMEMBERED_FOR = timedelta(minutes=15)
# How long after an answer or a notice a person's own words are taken to be about that dossier.
TALKED_ABOUT_FOR = timedelta(hours=48)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one talks in a channel.

    `brief`: a message costs money, so one short one. `fits`: whether a text is short enough. `address_is_phone`: the
    address is a phone number and whatever is sent reaches that phone and no other. `may_be_answered`: False for
    addresses that are no person's (short codes, names of senders). `buttons`: whether choices can be tapped; elsewhere
    they are numbers in the text, where that matters.
    """

    brief: bool = False
    buttons: bool = True
    fits: Callable[[str], bool] = lambda text: True  # noqa: ARG005
    address_is_phone: bool = False
    may_be_answered: Callable[[str], bool] = lambda address: True  # noqa: ARG005


class Asked(StrEnum):
    """What we asked a person last; the next message may be the answer to it."""

    PROOF = "proof"
    CODE_TO_FOLLOW = "code_to_follow"
    CODE_TO_MUTE = "code_to_mute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What a conversation keeps for `REMEMBERED_FOR`: the dossier talked about, whether it was proven, what was asked.

    `code` may name a dossier that does not exist: remembering only those that do would tell which do.
    """

    code: str | None = None
    proven: bool = False
    asked: Asked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message to be understood. `text` is clean NFC."""

    by: Contact
    text: str = field(repr=False)
    language: Language = Language.VIETNAMESE
    remembered: Remembered = Remembered()
    stopped: bool = False  # this person has stopped all notices
    kind: IncomingKind = IncomingKind.TEXT
    manner: Manner = Manner()


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Tell this person of every change of the dossier; `proven` decides how much."""

    code: str
    proven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """Tell this person nothing more of the dossier."""

    code: str


@dataclass(frozen=True, slots=True)
class StopAll:
    """Send this person nothing but answers."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Take back a `StopAll`."""


Act = Follow | Mute | StopAll | Resume


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one message leads to. The acts, the reply and what is remembered take effect together or not at all."""

    reply: str = field(repr=False)
    language: Language
    acts: tuple[Act, ...] = ()
    choices: tuple[Choice, ...] = ()
    remember: Remembered = Remembered()


class Desk(Protocol):
    """Answers about dossiers; `lookup.desk.LookupDesk` fulfils it. `code` is canonical."""

    async def by_code(self, code: str) -> Answer | None:
        """What the code alone leads to."""

    async def with_proof(self, code: str, proof: str) -> Answer | None:
        """What the holder of the look-up secret, or of the phone's last four digits, is told. None when not proven."""

    async def for_phone(self, code: str, phone: str) -> Answer | None:
        """What the owner of the registered phone (E.164) is told. None for every other phone."""


class Budget(Protocol):
    """Counts what must not be done too often, across all channels and processes; `cache.limits` fulfils it."""

    async def spend(self, name: str, subject: str) -> bool:
        """Count one `name` for `subject`. False, and nothing counted, when there were too many already."""

    async def give_back(self, name: str, subject: str) -> None:
        """Take one `spend` back: it turned out not to be what is counted."""


# Subject: the dossier code. Spent before a proof is looked at, given back if it was right.
WRONG_PROOFS = "wrong_proofs"
# Subject: channel and address (guarantees.md G44: at most 10 an hour and 30 a day).
REPLIES = "replies"
