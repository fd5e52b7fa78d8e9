"""What a slip says, in the citizen's language, before anybody knows how wide its paper is."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from domain.agency import Agency
from domain.language import Language
from lookup.receipt_tokens import Receipt
from lookup.wording import Words, day, long_day

_WORDS = Words("channels.receipts")
CHECK_PATH = "/kiem-tra"
_UNBROKEN = "\u00a0"


class Link(StrEnum):
    """Smaller codes a slip may carry beside the large one."""

    SMS = "sms"  # opens a text message that asks for the dossier
    TELEGRAM = "telegram"  # opens the bot, already proven


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysToAsk:
    """How citizens reach us, as it is printed; a channel that is not open is None.

    `public_url` is the https:// address without a slash at its end; `zalo` and `telegram` are addresses people know us
    by, for example `zalo.me/1234567890` and `t.me/motma_bot`.
    """

    public_url: str
    sms_number: str | None = None
    zalo: str | None = None
    telegram: str | None = None

    @property
    def shown_url(self) -> str:
        """The public address as people type it."""
        return self.public_url.removeprefix("https://").removeprefix("http://")

    def receipt_url(self, token: str) -> str:
        """What the QR opens."""
        return f"{self.public_url}/r/{token}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallCode:
    """One smaller QR code: what it is for, and what it holds."""

    label: str
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A line of the slip; `strong` for what people look for."""

    label: str
    value: str = field(repr=False)
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """Everything that is printed. It names nobody: neither the applicant nor a citizen's ID is on it."""

    language: Language
    title: str
    office: str
    phone: str  # as a line, '' where the office has none
    code_label: str
    code: str
    facts: tuple[Fact, ...]
    address: str = field(repr=False)  # what the QR opens
    scan: str
    ways: tuple[str, ...]
    keep: str
    check: str
    small_codes: tuple[SmallCode, ...]
    specimen: str  # a warning across the slip, '' on a genuine one

    @property
    def code_parts(self) -> tuple[str, ...]:
        """The code in groups, to be read out."""
        return tuple(self.code.split("-"))


def slip(
    receipt: Receipt,
    token: str,
    *,
    office: Agency,
    procedure_name: str | None,
    ways: WaysToAsk,
    language: Language = Language.VIETNAMESE,
    secret: str | None = None,
    chat_token: str | None = None,
    links: frozenset[Link] = frozenset(),
) -> Slip:
    """The slip of `receipt`, whose tokens are given; `secret` is printed as it is, `office` received the dossier."""

    def say(key: str, **values: object) -> str:
        return _WORDS.say(language, f"slip.{key}", **values)

    english = language is Language.ENGLISH and office.name_en
    due = long_day(receipt.due_on, language) if receipt.due_on else say("no_due")
    facts = (
        Fact(label=say("procedure"), value=procedure_name or ""),
        Fact(label=say("received"), value=day(receipt.received_on) if receipt.received_on else ""),
        Fact(label=say("due"), value=due[:1].upper() + due[1:], strong=True),
        Fact(label=say("secret"), value=secret or "", strong=True),
    )
    return Slip(
        language=language,
        title=say("title"),
        office=office.name_en if english else office.name,
        phone=say("phone", phone=office.phone) if office.phone else "",
        code_label=say("code"),
        code=receipt.code,
        facts=tuple(fact for fact in facts if fact.value),
        address=ways.receipt_url(token),
        scan=say("scan"),
        ways=_ways(receipt.code, ways, language),
        keep=say("keep"),
        check=say("check", address=f"{ways.shown_url}{CHECK_PATH}"),
        small_codes=tuple(_small_codes(receipt.code, chat_token, ways, links)),
        specimen=say("specimen") if receipt.specimen else "",
    )


def _ways(code: str, ways: WaysToAsk, language: Language) -> tuple[str, ...]:
    """Two lines at most: by text message; by web and chats."""
    sms = []
    if number := ways.sms_number:
        text = _WORDS.say(language, "slip.by_sms", message=f"HS{_UNBROKEN}{code}", number=number)
        sms.append(text.replace(f" {number}", f"{_UNBROKEN}{number}"))
    online = [_WORDS.say(language, "slip.by_web", address=ways.shown_url)]
    chats = {"zalo": ways.zalo, "telegram": ways.telegram}
    online += [_WORDS.say(language, f"slip.by_{name}", address=address) for name, address in chats.items() if address]
    return (*sms, ", ".join(way.replace(" ", _UNBROKEN) for way in online))


def _small_codes(code: str, chat_token: str | None, ways: WaysToAsk, links: frozenset[Link]) -> Iterable[SmallCode]:
    """Those asked for whose channel is open."""
    if Link.SMS in links and ways.sms_number:
        # Phones of both kinds read this form; of `sms:` addresses each reads its own.
        yield SmallCode(label="SMS", content=f"SMSTO:{ways.sms_number}:HS {code}")
    if Link.TELEGRAM in links and ways.telegram and chat_token:
        address = ways.telegram.removeprefix("https://")
        yield SmallCode(label="Telegram", content=f"https://{address}?start={chat_token}")
