"""What all SMS gateways that send have in common: who a text is from, how it is written, how fast it may leave."""

from dataclasses import dataclass

import aiohttp

from channels.sms.numbers import sender_address
from channels.sms.plain import plain
from domain.contact import ChannelName
from domain.errors import Malformed
from domain.message import Outgoing

LONGEST_NAME = 11  # characters of a sender's name (3GPP TS 23.040: eleven septets)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingSettings:
    """What every gateway's settings have.

    `accented` sends Vietnamese as it is written, at up to three times the price; `rate` is messages a second.
    """

    accented: bool = False
    rate: float | None = None
    concurrency: int = 16


class SmsGateway:
    """The sending half of a gateway. `senders` are our numbers and names there, comma-separated, the default first."""

    reaches = ChannelName.SMS
    gives_receipts = True  # whether each message's end is reported, so that slowness can be seen

    def __init__(self, sending: SendingSettings, senders: str | None) -> None:
        self._sending = sending
        self.senders = tuple(one.strip() for one in (senders or "").split(",") if one.strip())

    @property
    def concurrency(self) -> int:
        """Calls at once."""
        return self._sending.concurrency

    @property
    def rate(self) -> float | None:
        """Messages a second, where the line behind the gateway has a limit."""
        return self._sending.rate

    def written(self, text: str) -> str:
        """`text` as it leaves here."""
        return text if self._sending.accented else plain(text)

    def owns(self, sender: str) -> bool:
        """Whether `sender` is one of our numbers or names here, however it is written."""
        return sender_address(sender) in {sender_address(one) for one in self.senders}

    def sender_of(self, message: Outgoing) -> str | None:
        """Who `message` is from: whom it names, if that is ours here or a name; else the default, None without one.

        A number of another gateway cannot be used here: whoever texted it is answered from the default.
        """
        if message.sender and (self.owns(message.sender) or is_name(message.sender)):
            return message.sender
        return self.senders[0] if self.senders else None


def is_said_in(message: Outgoing, text: str, body: str) -> bool:
    """Whether `body`, which a gateway says it sent, is `message`, written `text`.

    A notice may have been worded otherwise, for it tells how its dossier stands: then its code tells.
    """
    code = message.facts.get("code")
    return text in body or bool(code and code in body)


def is_name(sender: str) -> bool:
    """Whether `sender` is a name (brandname, alphanumeric sender) and no number."""
    return any(character.isalpha() for character in sender)


def basic(user: str, password: str) -> dict[str, str]:
    """The header by which we say who calls (RFC 7617)."""
    return {"Authorization": aiohttp.encode_basic_auth(user, password, encoding="utf-8")}


def required(channel: str, **given: object) -> None:
    """Raises `Malformed` naming the settings of `given` (by their environment names) that are not set."""
    if missing := [name for name, value in given.items() if not value]:
        raise Malformed(f"{channel} needs {' and '.join(missing)}.")
