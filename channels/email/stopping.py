"""The page that stops letters, and the links that lead there."""

import base64
import binascii
from collections.abc import Iterable
from functools import partial

from aiohttp import web

from database.pool import DATABASE_AWAY, Database, Role
from domain.contact import Contact
from domain.errors import Unavailable
from domain.language import Language
from lookup.sealing import Seal, Unsealable
from lookup.wording import Words
from notifications.registered_emails import EMAIL
from notifications.subscriptions import Subscriptions
from pages.rendering import Pages
from pages.requests import small_body

PACKAGE = "channels.email"  # whose template the pages use
PLACE = "/email/stop"
MOST_TOKEN = 1_000
_PURPOSE = "stop e-mail "
_WORDS = Words(PACKAGE)
_NEVER_KEPT = {"Cache-Control": "no-store"}


class StopLinks:
    """Where letters to an address are stopped; the address cannot be read from it."""

    def __init__(self, seal: Seal, public_url: str) -> None:
        self._seal = seal
        self._public_url = public_url

    def url(self, address: str, language: Language) -> str:
        """The link in a letter of that language."""
        token = base64.urlsafe_b64encode(self._seal.seal(_PURPOSE + address)).decode().rstrip("=")
        said = "" if language is Language.VIETNAMESE else f"?lang={language}"
        return f"{self._public_url}{PLACE}/{token}{said}"

    def address(self, token: str) -> str | None:
        """The address of a link; None for one that is not ours."""
        try:
            if len(token) > MOST_TOKEN:
                return None
            opened = self._seal.open(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
        except (binascii.Error, ValueError, Unsealable):
            return None
        return opened.removeprefix(_PURPOSE) if opened.startswith(_PURPOSE) else None


class StopPages:
    """Asks, and stops."""

    def __init__(self, links: StopLinks, *, database: Database, seal: Seal, pages: Pages) -> None:
        self._links = links
        self._database = database
        self._subscriptions = Subscriptions(seal)
        self._pages = pages

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """One address."""
        place = f"{PLACE}/{{token}}"
        return [web.get(place, self.ask, allow_head=False), web.post(place, self.stop)]

    async def ask(self, request: web.Request) -> web.Response:
        """GET: whoever opens the link is asked, because programs open links too."""
        return self._page(request, "ask" if self._address(request) is not None else "unknown")

    async def stop(self, request: web.Request) -> web.Response:
        """POST: from that page, or with one click from a mail program (RFC 8058). Again changes nothing."""
        await small_body(request)
        address = self._address(request)
        if address is None:
            return self._page(request, "unknown")
        contact = Contact(channel=EMAIL, address=address)
        try:
            async with self._database.transaction(Role.WORKER) as connection:
                if not await self._subscriptions.stopped(connection, contact):
                    await self._subscriptions.stop_all(connection, contact, source="unsubscribe")
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error
        return self._page(request, "done")

    def _address(self, request: web.Request) -> str | None:
        return self._links.address(request.match_info["token"])

    def _page(self, request: web.Request, what: str) -> web.Response:
        return self._pages.render(
            request,
            "email_stop.html",
            status=404 if what == "unknown" else 200,
            headers=_NEVER_KEPT,
            words=partial(_WORDS.say, self._pages.language(request)),
            what=what,
        )
