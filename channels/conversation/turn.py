"""One turn of a conversation: what was said, what is answered, what is done, what is remembered."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from domain.contact import Contact
from domain.language import Language
from domain.message import Choice, IncomingKind
from feedback_intake.filing import Feedback, FeedbackKind, MayPublish
from feedback_intake.hearing import SenderAct
from feedback_intake.ratings import HandlingRating, Rating
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
    they are numbers in the text, where that matters. `window`: how long after a person was heard of free words may go,
    as the platform has it; None for ever. `is_heard`: whether anybody can write to us there.
    """

    brief: bool = False
    buttons: bool = True
    fits: Callable[[str], bool] = lambda text: True  # noqa: ARG005
    address_is_phone: bool = False
    may_be_answered: Callable[[str], bool] = lambda address: True  # noqa: ARG005
    window: timedelta | None = None
    is_heard: bool = True


class Asked(StrEnum):
    """What we asked a person last; the next message may be the answer to it."""

    PROOF = "proof"
    CODE_TO_FOLLOW = "code_to_follow"
    CODE_TO_FOLLOW_LESS = "code_to_follow_less"
    CODE_TO_MUTE = "code_to_mute"
    FEEDBACK = "feedback"  # what to tell the office
    YES_TO_FEEDBACK = "yes_to_feedback"  # whether the draft shall be filed
    SCORE = "score"
    REASON = "reason"  # of a low score
    NUMBER_PROOF = "number_proof"  # that feedback is this person's
    OBJECTION = "objection"  # why an answer does not solve it
    HANDLING_REASON = "handling_reason"  # of a low score of how feedback was handled
    NAME = "name"  # of who filed
    ADDRESS = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What a conversation keeps for `REMEMBERED_FOR`; of which dossiers it was, for `TALKED_ABOUT_FOR`.

    `code`: the dossier talked about, and `others`, further readings of what was typed for it; both may name dossiers
    that do not exist: remembering only those that do would tell which do. `told`: something was said of it. `several`:
    dossiers, where it was more than one. `offered`: what the numbers 1, 2, … of the last text stand for. `draft`: words
    that may become feedback, and `kind`: which of its two, where its sender said so. `number`: the feedback talked
    about, and whether a right to it was proven. `unclear`: how many messages in a row were neither a command nor a code
    nor an answer.
    """

    code: str | None = None
    others: tuple[str, ...] = ()
    several: tuple[str, ...] = ()
    told: bool = False
    proven: bool = False
    asked: Asked | None = None
    offered: tuple[str, ...] = ()
    draft: str = field(default="", repr=False)
    kind: FeedbackKind | None = None
    score: int = 0
    unclear: int = 0
    number: str | None = None
    number_proven: bool = False

    def later(self) -> "Remembered":
        """What is left of it after `REMEMBERED_FOR`."""
        return Remembered(code=self.code, others=self.others, several=self.several, told=self.told)

    def without_question(self) -> "Remembered":
        """The same with nothing asked."""
        return replace(self, asked=None, offered=(), draft="", kind=None, score=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The newest notice this person was sent: of which dossier, and whether its holder was addressed.

    `newer`: it came after all that was talked about.
    """

    code: str
    proven: bool
    newer: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message to be understood. `text` is clean NFC.

    `phone`: the number (E.164) known to be this person's, so that the answer reaches its owner; `told`: a notice within
    `TALKED_ABOUT_FOR`; `followed`: codes of dossiers this person follows, the newest first, not all of many; `muted`:
    of those this person wants to hear no more of; `asked_about`: the number of this person's feedback that waits for an
    answer, the newest.
    """

    by: Contact
    text: str = field(repr=False)
    language: Language = Language.VIETNAMESE
    remembered: Remembered = Remembered()
    stopped: bool = False  # this person has stopped all notices
    kind: IncomingKind = IncomingKind.TEXT
    manner: Manner = Manner()
    phone: str | None = field(default=None, repr=False)
    told: Told | None = None
    followed: tuple[str, ...] = ()
    muted: tuple[str, ...] = ()
    asked_about: str | None = None

    @property
    def origin(self) -> str:
        """Who asks, as limits count."""
        return f"{self.by.channel} {self.by.address}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Tell this person of every change of the dossier, `less`: of what matters; `proven` decides how much."""

    code: str
    proven: bool
    less: bool = False


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFeedback:
    """Keep what this person says. Its number is in the reply, so a number that is taken means another turn."""

    feedback: Feedback


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Keep this person's rating, in place of an earlier one."""

    rating: Rating


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPhone:
    """Remember the phone (E.164) that the platform says is this person's own."""

    phone: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnlinkPhone:
    """Forget this person's phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActOnNumber:
    """Add to feedback, object to its answer, withdraw it: this person has proven a right to it."""

    number: str
    act: SenderAct
    words: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteFeedback:
    """Keep what the law asks of who filed besides the words."""

    number: str
    name: str = field(default="", repr=False)
    postal_address: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowPublishing:
    """What of feedback may be published, from now on."""

    number: str
    consent: MayPublish


@dataclass(frozen=True, slots=True, kw_only=True)
class RateHandling:
    """Keep this person's rating of how feedback was handled."""

    rating: HandlingRating


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmReply:
    """Who names the number from the contact it was filed with is told all of it there from now on."""

    number: str


Act = (
    Follow
    | Mute
    | StopAll
    | Resume
    | FileFeedback
    | Rate
    | LinkPhone
    | UnlinkPhone
    | ActOnNumber
    | CompleteFeedback
    | AllowPublishing
    | RateHandling
    | ConfirmReply
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The dossier of which a reply shows all that its holder may know; `phone` as in `Said`."""

    code: str
    phone: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one message leads to. The acts, the reply and what is remembered take effect together or not at all.

    `clear`: False where the message was neither a command nor a code nor an answer to a question of ours.
    """

    reply: str = field(repr=False)
    language: Language
    acts: tuple[Act, ...] = ()
    choices: tuple[Choice, ...] = ()
    remember: Remembered = Remembered()
    shown: Shown | None = None
    clear: bool = True


class Desk(Protocol):
    """Answers about dossiers; `channels.guesses.GuardedDesk` fulfils it.

    `code` is canonical, `others` are further readings of what was typed for it, `origin` is who asks.
    """

    async def by_code(self, code: str, *others: str, origin: str) -> Answer | None:
        """What the code alone leads to. Raises `ProofNeeded`."""

    async def with_proof(self, code: str, proof: str, *others: str, origin: str) -> Answer | None:
        """What the holder of the look-up secret, or of the registered phone's last four digits, is told. Raises
        `TooMany`."""

    async def for_phone(self, code: str, phone: str, *others: str) -> Answer | None:
        """What the owner of the registered phone (E.164) is told. None for every other phone."""

    async def with_receipt(self, token: str) -> Answer | None:
        """What the holder of a receipt is told. None for a token that is not, or no longer, good."""
