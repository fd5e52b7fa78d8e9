"""Messenger: a page writes to who wrote to it. Its events come by `channels.meta.webhook`.

Free words may go for 24 hours after a person was heard of. After that an approved template may ("utility message", with
the right page_utility_messaging); the tags that once allowed more were ended on 27 April 2026, but HUMAN_AGENT, which
is for people answering, not for us.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import aiohttp

from channels.channel import Opening, Surroundings
from channels.conversation.turn import Manner
from channels.meta.account import WINDOW, MetaAccount
from channels.meta.events import MESSENGER
from channels.meta.settings import PREFIX, MetaSettings
from channels.meta.templates import Template
from channels.text_parts import all_of, cut, parts
from domain.civil_time import utc_now
from domain.errors import Malformed
from domain.message import Choice, HandedOver, Outgoing
from lookup.sealing import Seal

MOST_TEXT = 2_000  # characters
MOST_BUTTONS = 13
MOST_LABEL = 20  # characters
SUBSCRIBED = ("messages", "messaging_postbacks", "message_deliveries", "messaging_referrals")


class MessengerChannel(MetaAccount):
    """One page."""

    name = "messenger"
    reaches = MESSENGER

    def __init__(
        self,
        settings: MetaSettings,
        *,
        http: aiohttp.ClientSession,
        seal: Seal,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(settings, fields="page", http=http, seal=seal, clock=clock)

    async def _in_words(self, message: Outgoing) -> HandedOver:
        kind = "UPDATE" if message.facts else "RESPONSE"
        *before, last = parts(message.text, MOST_TEXT)
        return await all_of(
            *(partial(self._write, message, kind, {"text": text}) for text in before),
            partial(self._write, message, kind, {"text": last} | quick_replies(message.choices)),
        )

    async def _by_template(self, message: Outgoing, template: Template) -> HandedOver:
        components = [template.body(message.facts)]
        if pressed := template.pressed(message.choices):
            components.append(
                {"type": "buttons", "parameters": [{"type": "POSTBACK", "payload": says} for says in pressed]}
            )
        language = {"code": template.language(message.language)}
        content = {"template": {"name": template.name, "language": language, "components": components}}
        return await self._write(message, "UTILITY", content)

    async def _write(self, message: Outgoing, kind: str, content: dict[str, Any]) -> HandedOver:
        told = await self._graph.post(
            "me/messages",
            {
                "recipient": {"id": message.to.address},
                "messaging_type": kind,
                "message": content | {"metadata": str(message.message_id)},
            },
        )
        return self._handed_over(told.get("message_id"))

    async def examine(self) -> str:
        """Which page it is, and whether its events come. Raises `ServiceError`."""
        page = await self._graph.get("me", "id,name")
        apps = (await self._graph.get("me/subscribed_apps", "subscribed_fields")).get("data")
        found = {
            field
            for app in (apps if isinstance(apps, list) else [])
            if isinstance(app, dict)
            for field in app.get("subscribed_fields") or []
        }
        if missing := [field for field in SUBSCRIBED if field not in found]:
            raise Malformed(f"The page {page.get('name')} does not tell us of {', '.join(missing)}: subscribe the app.")
        return f"page {page.get('name')}; {await self._after_a_day('me')}"


def quick_replies(choices: Sequence[Choice]) -> dict[str, Any]:
    """The choices as buttons above the text field; they go with the next message. {} where there are none."""
    buttons = [
        {"content_type": "text", "title": cut(choice.label, MOST_LABEL), "payload": choice.says}
        for choice in choices
        if choice.label.strip() and choice.says
    ]
    return {"quick_replies": buttons[:MOST_BUTTONS]} if buttons else {}


def _make(settings: MetaSettings, around: Surroundings) -> MessengerChannel:
    return MessengerChannel(settings, http=around.http, seal=around.seal)


OPENING = Opening(
    prefix=PREFIX,
    settings=MetaSettings,
    secret="page_token",  # noqa: S106 - the field's name
    make=_make,
    reaches=MESSENGER,
    manner=Manner(fits=lambda text: len(text) <= MOST_TEXT, window=WINDOW),
)
