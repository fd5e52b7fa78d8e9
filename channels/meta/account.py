"""One account at Meta, a page or a number: what Messenger and WhatsApp have in common.

Free words may go to a person for 24 hours after being heard of, an approved template at any time.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import aiohttp
import msgspec
from aiohttp import web

from channels.meta.approved import FIELDS, Listed, faults
from channels.meta.events import item_digest
from channels.meta.graph_api import GraphApi, OutsideWindow
from channels.meta.settings import PREFIX, MetaSettings
from channels.meta.templates import Template, templates_of
from channels.template_kinds import ALL_ELSE
from domain.civil_time import utc_now
from domain.errors import Malformed, Undeliverable
from domain.message import HandedOver, Outgoing
from lookup.sealing import Seal

WINDOW = timedelta(hours=23, minutes=50)  # the 24 hours, but for what clocks and queues take


class MetaAccount(ABC):
    """Sends. Its events come by `channels.meta.webhook`."""

    def __init__(
        self,
        settings: MetaSettings,
        *,
        fields: str,
        http: aiohttp.ClientSession,
        seal: Seal,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`fields` begins the names of this account's own fields of `settings`: its token, template, rate."""
        settings.require_complete()
        self.concurrency = settings.concurrency
        self.rate: float = getattr(settings, f"{fields}_rate")
        self._settings = settings
        self._graph = GraphApi(
            http,
            url=settings.api_url,
            token=getattr(settings, f"{fields}_token") or "",
            setting=f"{PREFIX}{fields.upper()}_TOKEN",
        )
        self._template_setting = f"{PREFIX}{fields.upper()}_TEMPLATE"
        self._templates = templates_of(getattr(settings, f"{fields}_template"), self._template_setting)
        self._seal = seal
        self._clock = clock

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """None of its own."""
        return []

    async def send(self, message: Outgoing) -> HandedOver:
        """Write to one person: in free words while Meta takes them; a notice after that as a template.

        An answer goes in words whatever our clock says, for it follows what the person said. Where Meta's count differs
        from ours, its word counts.
        """
        notice = bool(message.facts)
        lately = message.last_heard is not None and self._clock() - message.last_heard < WINDOW
        if notice and not lately:
            return await self._templated(message)
        try:
            return await self._in_words(message)
        except OutsideWindow:
            if not notice:
                raise
            return await self._templated(message)

    async def _templated(self, message: Outgoing) -> HandedOver:
        template = self._templates.get(message.facts.get("event", ALL_ELSE)) or self._templates.get(ALL_ELSE)
        if template is None:
            raise Undeliverable(f"This person was not heard of for a day, and no {self._template_setting} is set.")
        return await self._by_template(message, template)

    async def _after_a_day(self, owner: str) -> str:
        """What happens then, for the doctor; `owner` is the node that has the templates, '' where it is not known.

        Raises `Malformed` for templates that Meta would not take as they are set.
        """
        templates = list(dict.fromkeys(self._templates.values()))
        if not templates:
            return f"after a day of silence: nothing: no {self._template_setting}"
        found: list[str] = []
        for template in templates if owner else ():
            told = await self._graph.get(f"{owner}/message_templates", FIELDS, name=template.name, limit="200")
            try:
                found += faults(template, msgspec.convert(told, Listed, strict=False).data)
            except msgspec.ValidationError:
                owner = ""  # a list in a form that we do not know says nothing
        if found:
            raise Malformed(f"{self._template_setting}: {'; '.join(dict.fromkeys(found))}.")
        names = ", ".join(dict.fromkeys(template.name for template in templates))
        return f"after a day of silence: template {names}, {'approved' if owner else 'not checked'}"

    def _handed_over(self, item_id: object) -> HandedOver:
        """Meta took a message under `item_id`, which may hold the person's number: it is kept as a digest alone."""
        return HandedOver(provider_id=item_digest(self._seal, item_id) if isinstance(item_id, str) else None)

    @abstractmethod
    async def _in_words(self, message: Outgoing) -> HandedOver: ...

    @abstractmethod
    async def _by_template(self, message: Outgoing, template: Template) -> HandedOver: ...
