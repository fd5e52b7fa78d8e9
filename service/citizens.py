"""The citizens' pages beside the look-up."""

from collections.abc import Iterable

from aiohttp import web

from channels.channel import Heard
from channels.web.chat.pages import ChatPages
from channels.web.chat.talk import Talks
from channels.web.rendering import Pages
from channels.web.visitors import Visitors
from service.wiring import Core

PACKAGES = ("channels.web.chat",)  # whose templates, words and files they use


class CitizensCorner:
    """The chat."""

    def __init__(
        self, core: Core, *, heard: Heard, pages: Pages, visitors: Visitors, secure: bool, sms_number: str | None
    ) -> None:
        self._talks = Talks(core.database, core.seal, heard)
        self._chat = ChatPages(
            self._talks, pages=pages, visitors=visitors, limits=core.limits, secure=secure, sms_number=sms_number
        )

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every page."""
        return [*self._chat.routes()]

    async def listening(self) -> None:
        """What must run beside the pages."""
        await self._talks.listening()

    async def close(self) -> None:
        """End the live pages."""
        await self._chat.close()
