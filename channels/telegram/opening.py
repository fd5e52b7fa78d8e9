"""Telegram's settings, and how the channel is opened.

The channel itself is loaded only when it is: python-telegram-bot costs 20 MB and a third of a second.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from channels.channel import Opening, Surroundings
from channels.conversation.turn import Manner
from domain.contact import ChannelName

if TYPE_CHECKING:
    from channels.telegram.channel import TelegramChannel

TELEGRAM = ChannelName("telegram")


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramSettings:
    """MOTMA_TELEGRAM_…; off until `token` is set, which @BotFather gives.

    With `webhook_secret`, or `new,old`, and an https public address Telegram delivers to us; without, the role `bot`
    fetches. `rate` is messages a second of one dispatcher: Telegram takes about 30 of the bot in all. `chat_spacing` is
    seconds between two messages to one chat: Telegram takes about one a second.
    """

    token: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    api_url: str = "https://api.telegram.org"
    rate: float = 25.0
    chat_spacing: float = 1.05
    concurrency: int = 32


def _make(settings: TelegramSettings, around: Surroundings) -> "TelegramChannel":
    from channels.telegram.channel import TelegramChannel  # noqa: PLC0415 - see above

    return TelegramChannel(
        settings,
        http=around.http,
        heard=around.heard,
        public_url=around.public_url,
        keep_picture=around.keep_picture,
        limits=around.limits,
    )


def _is_person(address: str) -> bool:
    """Ids of groups and channels begin with a minus."""
    return not address.startswith("-")


OPENING = Opening(
    prefix="MOTMA_TELEGRAM_",
    settings=TelegramSettings,
    secret="token",  # noqa: S106 - the field's name
    make=_make,
    reaches=TELEGRAM,
    manner=Manner(may_be_answered=_is_person),
)
