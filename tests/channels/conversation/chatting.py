"""One person chatting with the real engine over dossiers on paper, remembering between messages as the store does."""

from dataclasses import dataclass, field, replace
from datetime import date

from cache.limits import Limits
from channels.conversation.engine import Conversation
from channels.conversation.turn import (
    Act,
    ActOnNumber,
    AllowPublishing,
    CompleteFeedback,
    ConfirmReply,
    FileFeedback,
    Follow,
    LinkPhone,
    Manner,
    Mute,
    Rate,
    RateHandling,
    Resume,
    Said,
    StopAll,
    Told,
    Turn,
    UnlinkPhone,
)
from channels.guesses import GuardedDesk
from channels.sms.manner import SMS_MANNER
from channels.sms.plain import plain
from domain.contact import ChannelName, Contact
from domain.language import Language
from domain.message import IncomingKind
from lookup.sealing import Seal
from tests.channels.conversation.paper_desk import NOW, STRANGER, PaperDesk
from tests.channels.no_redis import NoRedis


def numbered(day: date) -> str:
    """Feedback gets the same number every time."""
    return f"PA-{day:%y%m%d}-483920"


@dataclass
class Chat:
    """One person texting, by SMS unless told otherwise."""

    phone: str = STRANGER
    desk: PaperDesk = field(default_factory=PaperDesk)
    manner: Manner = SMS_MANNER
    hotline: str = ""
    stopped: bool = False
    told: Told | None = None
    followed: tuple[str, ...] = ()
    muted: tuple[str, ...] = ()
    linked: str | None = None
    last: Turn = field(default_factory=lambda: Turn(reply="", language=Language.VIETNAMESE))

    def __post_init__(self) -> None:
        self.guard = GuardedDesk(self.desk, Limits(NoRedis(), Seal.from_secret(b"t" * 32)))

    @property
    def conversation(self) -> Conversation:
        """The engine as the service makes it."""
        return Conversation(self.guard, hotline=self.hotline, clock=lambda: NOW, number=numbered)

    async def says(self, text: str, kind: IncomingKind = IncomingKind.TEXT) -> str:
        """The reply to `text`, as the person sees it."""
        said = Said(
            by=Contact(channel=ChannelName.SMS, address=self.phone),
            text=text,
            language=self.last.language,
            remembered=self.last.remember,
            stopped=self.stopped,
            kind=kind,
            manner=self.manner,
            phone=self.phone if self.manner.address_is_phone else self.linked,
            told=self.told,
            followed=self.followed,
            muted=self.muted,
        )
        self.last = await self.conversation.answer(said)
        if self.told:  # what is said now is newer than the notice
            self.told = replace(self.told, newer=False)
        for act in self.last.acts:
            match act:
                case Follow(code=code):
                    self.followed = (code, *(other for other in self.followed if other != code))
                    self.muted = tuple(other for other in self.muted if other != code)
                case Mute(code=code):
                    self.followed = tuple(other for other in self.followed if other != code)
                    self.muted = (code, *self.muted)
                case StopAll() | Resume():
                    self.stopped = isinstance(act, StopAll)
                case LinkPhone(phone=phone):
                    self.linked = phone
                case UnlinkPhone():
                    self.linked = None
        return plain(self.last.reply) if self.manner.brief else self.last.reply

    async def taps(self, label: str) -> str:
        """The reply to a tap on the button with that label."""
        return await self.says(next(choice.says for choice in self.last.choices if choice.label == label))

    async def does(self, text: str) -> tuple[Act, ...]:
        """What `text` makes us do."""
        await self.says(text)
        return self.last.acts

    def waits(self) -> None:
        """Twenty minutes pass."""
        self.last = replace(self.last, remember=self.last.remember.later())


def in_words(act: Act) -> str:
    """An act as transcripts tell it."""
    match act:
        case Follow(code=code, proven=proven, less=less):
            return f"follow {code}{', proven' if proven else ''}{', less' if less else ''}"
        case Mute(code=code):
            return f"mute {code}"
        case StopAll():
            return "stop all notices"
        case Resume():
            return "resume notices"
        case FileFeedback(feedback=feedback):
            about = f" about {feedback.code}" if feedback.code else ""
            like = f", like a {feedback.resembles}" if feedback.resembles else ""
            held = ", proven" if feedback.proven else ""
            words = feedback.text.replace("\n", " / ")
            return f"file {feedback.kind}{about}{held}{like}: {words}"
        case Rate(rating=rating):
            about = rating.code or "the service"
            why = f": {rating.reason}" if rating.reason else ""
            return f"rate {about} {rating.score}{', proven' if rating.proven else ''}{why}"
        case ActOnNumber() | CompleteFeedback() | AllowPublishing() | RateHandling() | ConfirmReply():
            return about_number(act)
        case LinkPhone(phone=phone):
            return f"link {phone}"
        case UnlinkPhone():
            return "unlink the phone"


def about_number(act: ActOnNumber | CompleteFeedback | AllowPublishing | RateHandling | ConfirmReply) -> str:
    """The same for what is done by the number of feedback."""
    match act:
        case ActOnNumber(number=number, act=done, words=words):
            return f"{done} {number}: {words}"
        case CompleteFeedback(number=number, name=name, postal_address=address):
            return f"complete {number}: {name}{address}"
        case AllowPublishing(number=number, consent=consent):
            return f"may publish {number}: {consent}"
        case RateHandling(rating=handling):
            return f"rate {handling.number} {handling.score}: {handling.reason}"
        case ConfirmReply(number=number):
            return f"confirm {number}"
