"""WhatsApp by Meta's Cloud API: one number. Its events come by `channels.meta.webhook`.

Free words may go for 24 hours after a person wrote; after that approved templates only. Whoever writes is known by a
phone number that WhatsApp has verified, and what is sent to it reaches that phone; who keeps the number to himself is
known by an id of ours alone.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import aiohttp

from channels.channel import Opening, Surroundings
from channels.conversation.turn import Manner
from channels.meta.account import WINDOW, MetaAccount
from channels.meta.events import WHATSAPP
from channels.meta.settings import PREFIX, MetaSettings
from channels.meta.templates import Template
from channels.text_parts import all_of, cut, parts
from domain.civil_time import utc_now
from domain.language import Language
from domain.message import Choice, HandedOver, Outgoing
from lookup.sealing import Seal
from lookup.wording import Words

WORDS = Words("channels.meta")

MOST_TEXT = 4_096  # characters
MOST_BODY = 1_024  # characters above buttons
MOST_BUTTONS, MOST_LABEL = 3, 20
MOST_ROWS, MOST_ROW = 10, 24  # of a list, which takes the place of buttons where there are more


class WhatsAppChannel(MetaAccount):
    """One number."""

    name = "whatsapp"
    reaches = WHATSAPP

    def __init__(
        self,
        settings: MetaSettings,
        *,
        http: aiohttp.ClientSession,
        seal: Seal,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(settings, fields="whatsapp", http=http, seal=seal, clock=clock)

    async def _in_words(self, message: Outgoing) -> HandedOver:
        action = buttons(message.choices, message.language)
        *before, last = parts(message.text, MOST_TEXT if action is None else MOST_BODY)
        text_of = partial(self._write, message, "text")
        ending = partial(self._write, message, "interactive", {"body": {"text": last}} | (action or {}))
        return await all_of(
            *(partial(text_of, {"body": text, "preview_url": False}) for text in before),
            partial(text_of, {"body": last, "preview_url": False}) if action is None else ending,
        )

    async def _by_template(self, message: Outgoing, template: Template) -> HandedOver:
        components = [template.body(message.facts)]
        for place, says in enumerate(template.pressed(message.choices)):
            payload = [{"type": "payload", "payload": says}]
            components.append({"type": "button", "sub_type": "quick_reply", "index": str(place), "parameters": payload})
        language = {"code": template.language(message.language)}
        content = {"name": template.name, "language": language, "components": components}
        return await self._write(message, "template", content)

    async def _write(self, message: Outgoing, kind: str, content: dict[str, Any]) -> HandedOver:
        address = message.to.address
        to = {"to": address.removeprefix("+")} if address.startswith("+") else {"recipient": address}
        told = await self._graph.post(
            f"{self._settings.whatsapp_phone_id}/messages",
            {
                "messaging_product": "whatsapp",
                "recipient_type": "individual",
                **to,
                "type": kind,
                kind: content,
                # Given back in every report.
                "biz_opaque_callback_data": str(message.message_id),
            },
        )
        messages = told.get("messages")
        first = messages[0] if isinstance(messages, list) and messages else None
        return self._handed_over(first.get("id") if isinstance(first, dict) else None)

    async def examine(self) -> str:
        """Which number it is, and how Meta rates it. Raises `ServiceError`."""
        fields = "display_phone_number,verified_name,quality_rating,status"
        number = await self._graph.get(self._settings.whatsapp_phone_id, fields)
        standing = f"{number.get('status', 'status not told')}, quality {number.get('quality_rating', 'not told')}"
        who = f"{number.get('display_phone_number')} {number.get('verified_name')}"
        after = await self._after_a_day(self._settings.whatsapp_account_id)
        return f"{who}, {standing}; {after}"


def buttons(choices: Sequence[Choice], language: Language) -> dict[str, Any] | None:
    """The choices as up to three buttons, or as a list where there are more. None where there are none.

    WhatsApp takes no two alike: what cannot be shown is left out, for the text names it.
    """
    as_list = len(choices) > MOST_BUTTONS
    shown: dict[str, str] = {}
    for choice in choices:
        if choice.label.strip() and choice.says:
            shown.setdefault(cut(choice.label, MOST_ROW if as_list else MOST_LABEL), choice.says)
    if not shown:
        return None
    if not as_list:
        replies = [{"type": "reply", "reply": {"id": says, "title": title}} for title, says in shown.items()]
        return {"type": "button", "action": {"buttons": replies}}
    rows = [{"id": says, "title": title} for title, says in list(shown.items())[:MOST_ROWS]]
    opens = WORDS.say(language, "choose")
    return {"type": "list", "action": {"button": opens, "sections": [{"title": opens, "rows": rows}]}}


def _make(settings: MetaSettings, around: Surroundings) -> WhatsAppChannel:
    return WhatsAppChannel(settings, http=around.http, seal=around.seal)


OPENING = Opening(
    prefix=PREFIX,
    settings=MetaSettings,
    secret="whatsapp_token",  # noqa: S106 - the field's name
    make=_make,
    reaches=WHATSAPP,
    manner=Manner(address_is_phone=True, fits=lambda text: len(text) <= MOST_BODY, window=WINDOW),
)
