"""The citizens' pages beside the look-up."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web

from channels.channel import Heard
from channels.guesses import GuardedDesk
from channels.web.chat.pages import ChatPages
from channels.web.chat.talk import Talks
from channels.web.devices.pages import DevicePages
from channels.web.devices.proofs import PhoneProofs
from channels.web.devices.wishes import PhoneWishes
from channels.web.feedback.form_pages import FormPages
from channels.web.feedback.number_pages import NumberPages
from channels.web.scan.page import ScanPage
from channels.web.seen import SeenOnPages
from channels.web.widget.script import Widget
from pages.rendering import Pages
from pages.visitors import Visitors
from service.feedback import FeedbackService
from service.wiring import Core

PACKAGES = (
    "channels.web.chat",
    "channels.web.devices",
    "channels.web.feedback",
    "channels.web.scan",
)  # whose templates, words and files they use


def offers(*, sends_sms: bool) -> frozenset[str]:
    """Which of the pages the front page names."""
    return frozenset({"scan", "chat", "feedback", "published", *(("mine",) if sends_sms else ())})


class CitizensCorner:
    """The chat, the dossiers of a phone, feedback, reading a slip, the field on other sites.

    `sends_sms` says whether a code can reach a phone; `url` is where we are; `guarded` is the desk of dossiers for
    everybody; `numbers` gives the pages of feedback by its number.
    """

    def __init__(
        self,
        core: Core,
        *,
        heard: Heard,
        feedback: FeedbackService,
        guarded: GuardedDesk,
        pages: Pages,
        visitors: Visitors,
        widget: Widget,
        url: str,
        sms_number: str | None,
        sends_sms: bool,
    ) -> None:
        place = urlsplit(url)
        secure = place.scheme == "https"
        self._talks = Talks(core.database, core.seal, heard)
        self._chat = ChatPages(
            self._talks, pages=pages, visitors=visitors, limits=core.limits, secure=secure, sms_number=sms_number
        )
        host = place.hostname or "" if secure else ""
        self._devices = DevicePages(
            PhoneProofs(core.database, core.seal, core.desk, core.outbox, host=host),
            PhoneWishes(core.database, core.seal, core.desk),
            core.desk,
            pages=pages,
            visitors=visitors,
            limits=core.limits,
            secure=secure,
            sms_number=sms_number,
            seen=SeenOnPages(core.database, core.seal),
        )
        self._form = FormPages(
            core.database,
            core.seal,
            filing=feedback.filing,
            choosing=feedback.choosing,
            desk=guarded,
            budget=feedback.budget,
            limits=core.limits,
            pages=pages,
            visitors=visitors,
            secure=secure,
            scan=feedback.scan,
        )
        self.numbers = NumberPages(
            core.database,
            core.seal,
            numbers=feedback.numbers,
            acts=feedback.acts,
            ratings=feedback.ratings,
            budget=feedback.budget,
            agency=feedback.choosing.holder,
            pages=pages,
            visitors=visitors,
            url=url,
            sms_number=sms_number,
        )
        self._mail = feedback.mail
        self._sends_sms = sends_sms
        self._scan = ScanPage(pages=pages)
        self._widget = widget

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every page."""
        devices = self._devices.routes() if self._sends_sms else ()
        return [
            *self._chat.routes(),
            *devices,
            *self._form.routes(),
            *self.numbers.routes(),
            *(self._mail.routes() if self._mail else ()),
            *self._scan.routes(),
            *self._widget.routes(),
        ]

    def install(self, app: web.Application) -> None:
        """What the pages need of every answer of `app`."""
        self._widget.install(app)

    async def listening(self) -> None:
        """What must run beside the pages."""
        await self._talks.listening()

    async def close(self) -> None:
        """End the live pages."""
        await self._chat.close()
