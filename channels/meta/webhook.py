"""Meta's one webhook, for Messenger and WhatsApp: what people say, and what became of what we sent.

Meta signs the bytes it sends, in which every letter beyond ASCII is escaped: they are verified as they came, never as
JSON written again. What is not answered 2xx comes again, a whole call at a time, for a day and a half (Messenger) or
seven days (WhatsApp).
"""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

import aiohttp
import structlog
from aiohttp import web

from channels.channel import IGNORED, Heard, KeepPicture, Opening, Surroundings
from channels.hook_secrets import is_one_of, secrets_of
from channels.linked_pictures import LinkedPictures
from channels.meta.events import MESSENGER, WHATSAPP, Event, Passed, Reported, Said, Trouble, item_digest, items, part
from channels.meta.graph_api import GraphApi
from channels.meta.page_events import of_page
from channels.meta.settings import PREFIX, MetaSettings
from channels.meta.whatsapp_events import of_whatsapp
from channels.pictures import MOST_PICTURE, code_in
from channels.side_by_side import side_by_side
from domain.civil_time import utc_now
from domain.contact import Contact
from domain.errors import Malformed, ServiceError, Unauthenticated
from domain.message import Incoming
from domain.vietnamese import clean
from lookup.sealing import Seal
from notifications.reports import Reports
from pages.requests import small_body

PATH = "/webhooks/meta"
SIGNATURE = "X-Hub-Signature-256"
MOST_CALL = 4 * 1024 * 1024  # bytes; Meta puts up to a thousand items into one call, WhatsApp says 3 MB
MOST_CHALLENGE = 256
MOST_AGE = timedelta(days=8)  # WhatsApp tries for seven; what claims to be older, or from the future, is from now
AT_ONCE = 8  # people whose items are recorded side by side
PICTURE_SECONDS = 4.0  # for fetching and reading a picture before its message is recorded
# A message may be on the phone before our own record of having sent it is written: seconds until a second look.
REPORT_PAUSE = 0.3
SHORTEST_TOKEN = 16

_DIGEST = re.compile("sha256=([0-9a-f]{64})", re.ASCII | re.IGNORECASE)

log = structlog.get_logger()


class MetaWebhook:
    """Receives only: answers leave by `messenger` and `whatsapp`."""

    name = "meta"

    def __init__(
        self,
        settings: MetaSettings,
        *,
        http: aiohttp.ClientSession,
        heard: Heard,
        reports: Reports,
        seal: Seal,
        public_url: str,
        keep_picture: KeepPicture | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        settings.require_complete()
        self._secrets = secrets_of(settings.app_secret or "")
        self._verify_tokens = secrets_of(settings.verify_token or "")
        if any(len(token) < SHORTEST_TOKEN for token in self._verify_tokens):
            raise Malformed(f"MOTMA_META_VERIFY_TOKEN must have {SHORTEST_TOKEN} or more characters of your choice.")
        self._settings = settings
        self._graph = GraphApi(
            http, url=settings.api_url, token=settings.whatsapp_token or "", setting="MOTMA_META_WHATSAPP_TOKEN"
        )
        self._pictures = LinkedPictures(
            http, settings.picture_origins, public_url=public_url, within=PICTURE_SECONDS, keep=keep_picture
        )
        self._heard = heard
        self._reports = reports
        self._seal = seal
        self._public_url = public_url
        self._keep_picture = keep_picture
        self._clock = clock

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """GET opens the webhook once, POST carries events."""
        return [web.get(PATH, self.verify, allow_head=False), web.post(PATH, self.receive)]

    async def verify(self, request: web.Request) -> web.Response:
        """The handshake of the app's page: who knows our token gets the challenge back."""
        asked = request.query
        if asked.get("hub.mode") != "subscribe" or not is_one_of(
            asked.get("hub.verify_token", ""), self._verify_tokens
        ):
            raise web.HTTPNotFound
        return web.Response(text=clean(asked.get("hub.challenge", ""))[:MOST_CHALLENGE], content_type="text/plain")

    async def receive(self, request: web.Request) -> web.Response:
        """One call. Raises `Unauthenticated`, `TooLarge`, `Malformed`; `Unavailable` brings the whole call again."""
        given = _DIGEST.fullmatch(request.headers.get(SIGNATURE, ""))
        if given is None:
            raise Unauthenticated("The call is not signed as agreed.")
        body = await small_body(request, MOST_CALL)
        self._authenticate(given[1].lower().encode(), body)
        try:
            call = json.loads(body)  # a text cut amid an emoji leaves half of one, which msgspec refuses
        except (ValueError, RecursionError):
            raise Malformed("The body must be JSON.") from None
        await side_by_side(((_person(event), event) for event in events(call)), self._take, at_once=AT_ONCE)
        return web.Response()

    def _authenticate(self, given: bytes, body: bytes) -> None:
        """Compare with the digest by every secret, so that the time tells nothing of which was right."""
        right = 0
        for secret in self._secrets:
            right += hmac.compare_digest(given, hmac.new(secret, body, hashlib.sha256).hexdigest().encode())
        if not right:
            raise Unauthenticated("The call is not signed as agreed.")

    async def _take(self, event: Event) -> None:
        match event:
            case Said() if self._is_ours(event):
                await self._hear(event)
            case Reported() if self._is_ours(event):
                await self._report(event)
            case Trouble(what):
                log.warning("Meta speaks of the account", what=what)
            case Passed(why):
                IGNORED.labels(self.name, why).inc()
            case _:
                IGNORED.labels(self.name, "account").inc()

    def _is_ours(self, event: Said | Reported) -> bool:
        """Whether it concerns an account that we also answer for: one app may serve several."""
        if event.channel == WHATSAPP:
            return bool(self._settings.whatsapp_token) and event.account == self._settings.whatsapp_phone_id
        return bool(self._settings.page_token)

    async def _hear(self, said: Said) -> None:
        text = said.text
        if said.picture:
            text = await self._shown(said) or text
        now = self._clock()
        at = said.at if said.at is not None and now - MOST_AGE <= said.at <= now else now
        await self._heard(
            Incoming(
                sender=Contact(channel=said.channel, address=said.person),
                recipient=said.account[:64],
                text=text,
                external_id=f"{said.channel}:{self._name_of(said)}",
                received_at=at,
                kind=said.kind,
            )
        )

    def _name_of(self, said: Said) -> str:
        """Under which an item is recorded once; without an id, by who did what and when."""
        if said.item_id:
            return item_digest(self._seal, said.item_id)
        return item_digest(self._seal, said.person, str(said.at), said.kind, said.text)

    async def _report(self, report: Reported) -> None:
        """A report about a message of ours. One we do not know is none of ours: nothing is created."""
        provider_id = item_digest(self._seal, report.item_id)
        for pause in (0.0, REPORT_PAUSE):
            await asyncio.sleep(pause)
            known = await self._reports.report(
                route=report.channel,
                state=report.state,
                provider_word=report.word,
                message_id=report.message_id,
                provider_id=None if report.message_id is not None else provider_id,
            )
            if known or report.message_id is not None:
                return

    async def _shown(self, said: Said) -> str:
        """The code of the slip in a picture, '' where there is none or it takes too long. The picture is not kept, but
        with the feedback its sender is filing, whose number it then stands for."""
        sender = Contact(channel=said.channel, address=said.person)
        if said.channel != WHATSAPP:
            return await self._pictures.code_in(said.picture, sender)
        try:
            async with asyncio.timeout(PICTURE_SECONDS):
                picture = await self._graph.media(said.picture, MOST_PICTURE)
                code = await code_in(picture, public_url=self._public_url)
                return code or (await self._keep_picture(sender, picture) if self._keep_picture else "")
        except (ServiceError, TimeoutError) as error:
            log.info("Meta's picture could not be fetched", channel=said.channel, error=type(error).__qualname__)
            return ""


def events(call: object) -> Iterator[Event]:
    """Everything a call says, in its order. `call` is any JSON; nothing is raised."""
    kind = part(call, "object")
    if kind == "page":
        for entry in items(call, "entry"):
            for item in items(entry, "messaging"):
                yield from of_page(clean(str(part(entry, "id") or "")), item)
            if not part(entry, "messaging"):
                yield Passed("kind")  # another app holds the conversation, or a test of the console
    elif kind == "whatsapp_business_account":
        for entry in items(call, "entry"):
            for change in items(entry, "changes"):
                yield from of_whatsapp(str(part(change, "field") or ""), part(change, "value"))
    else:
        yield Passed("object")


def _person(event: Event) -> str:
    return f"{event.channel} {event.person}" if isinstance(event, Said) else ""


def _make(settings: MetaSettings, around: Surroundings) -> MetaWebhook:
    return MetaWebhook(
        settings,
        http=around.http,
        heard=around.heard,
        reports=around.reports,
        seal=around.seal,
        public_url=around.public_url,
        keep_picture=around.keep_picture,
    )


OPENING = Opening(
    prefix=PREFIX,
    settings=MetaSettings,
    secret="app_secret",  # noqa: S106 - the field's name
    make=_make,
    reaches=MESSENGER,
)
