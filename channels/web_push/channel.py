"""The web push channel: notices sealed for one browser each, handed to the push service that the browser named.

A push service says that it took a message and no more; whether a phone showed it, nobody tells. A notice of the same
dossier takes the place of an older one, at the push service (Topic) and on the screen (tag). So one whose answer was
lost may be sent again: nobody sees it twice.
"""

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver

from channels.agency_api.callbacks_address import Addresses, RefusedAddress
from channels.channel import Opening, Surroundings
from channels.conversation.turn import Manner
from channels.provider_call import ProviderAnswer, call_once, refused
from channels.web_push.devices import WEB_PUSH, Device, Subscription
from channels.web_push.encryption import LONGEST, encrypted
from channels.web_push.tickets import WORDS, Tickets
from channels.web_push.vapid import VapidKey, b64url
from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.civil_time import utc_now
from domain.errors import Forbidden, Gone, InDoubt, Invalid, Malformed, TooMany, TryLater, Unavailable, Undeliverable
from domain.language import Language
from domain.message import HandedOver, Outgoing
from domain.vietnamese import clean
from lookup.sealing import Seal
from notifications.outbox import NOTICE_EXPIRY
from notifications.subscriptions import Subscriptions
from pages.requests import small_body

MOST_BODY = 8_192
MOST_DEVICES = 10  # of one dossier: each change is told to every one of them
_ENGLISH = "en"

# A dossier's browsers, and how this one stands; nothing for a code that is not there.
STANDING = """
    SELECT c.dossier_id,
           (SELECT count(*) FROM subscription s
             WHERE s.dossier_id = c.dossier_id AND s.channel = 'web_push' AND s.state = 'active') AS devices,
           EXISTS (SELECT FROM subscription s WHERE s.dossier_id = c.dossier_id AND s.contact_digest = $2
                      AND s.state = 'active')
           AND NOT EXISTS (SELECT FROM opt_out o WHERE o.contact_digest = $2) AS following
      FROM dossier_code c WHERE c.code = $1 AND NOT c.test"""
SUBSCRIBED = """
    SELECT count(DISTINCT s.contact_digest) FROM subscription s WHERE s.channel = 'web_push' AND s.state = 'active'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPushSettings:
    """MOTMA_VAPID_…; off until `key` is set: our private key, 32 bytes in base64url.

    `loopback` is for development: push services on this machine, without TLS and at any port.
    """

    key: str | None = field(default=None, repr=False)
    loopback: bool = False
    concurrency: int = 16


class Wish(StrEnum):
    """What a browser asks of us."""

    FOLLOW = "follow"
    STOP = "stop"
    ASK = "ask"  # whether it is told already


class Wished(msgspec.Struct, frozen=True):
    """The body of a call: `ticket` from a page that a proof opened; to stop, the `code` does as well."""

    wish: Wish
    subscription: Subscription
    ticket: str = ""
    code: str = ""
    language: str = ""


class WebPushChannel:
    """Takes subscriptions from our own pages, and sends."""

    name = "web_push"
    reaches = WEB_PUSH
    rate = None

    def __init__(
        self,
        settings: WebPushSettings,
        *,
        seal: Seal,
        database: Database,
        public_url: str,
        clock: Callable[[], datetime] = utc_now,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._key = VapidKey.of(settings.key or "")
        self.tickets = Tickets(seal, self._key.public, clock=clock)
        self.concurrency = settings.concurrency
        self._addresses = Addresses(loopback=settings.loopback)
        self._seal = seal
        self._database = database
        self._subscriptions = Subscriptions(seal)
        self._public_url = public_url
        self._clock = clock
        self._resolver = resolver

    # --- in ---

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """One address for all a browser may wish."""
        return [web.post("/web-push", self.wish)]

    async def wish(self, request: web.Request) -> web.Response:
        """POST /web-push: `{"following": bool}`. Raises `Malformed`, `Invalid`, `Forbidden`, `TooMany`."""
        body = await small_body(request, MOST_BODY)
        try:
            wished = msgspec.json.decode(body, type=Wished)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Malformed("The body must be JSON with wish and subscription.") from None
        device, code = Device.of(wished.subscription, self._addresses), self.tickets.code(wished.ticket)
        if code is None and wished.wish is not Wish.STOP:
            raise Forbidden("Open the dossier again with your proof.")
        try:
            async with self._database.transaction(Role.WORKER) as connection:
                following = await self._done(connection, wished, device, code or clean(wished.code))
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error
        return web.json_response({"following": following}, headers={"Cache-Control": "no-store"})

    async def _done(self, connection: Connection, wished: Wished, device: Device, code: str) -> bool:
        """Do what is wished; whether the browser is told of `code` from now on."""
        contact = device.contact
        standing = await connection.fetchrow(STANDING, code, self._seal.contact(contact))
        following = standing is not None and standing["following"]
        match wished.wish:
            case Wish.STOP if standing is not None and following:  # unknown and foreign codes look the same
                await self._subscriptions.mute(connection, contact, standing["dossier_id"])
                return False
            case Wish.FOLLOW if standing is not None and not following:
                if standing["devices"] >= MOST_DEVICES:
                    raise TooMany("As many browsers as may be are told of this dossier.", after=timedelta(days=1))
                language = Language.ENGLISH if wished.language == _ENGLISH else Language.VIETNAMESE
                await self._subscriptions.returned(connection, contact)
                await self._subscriptions.follow(
                    connection, contact, standing["dossier_id"], proven=True, language=language
                )
                return True
        return following

    # --- out ---

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one notice to the push service of its browser."""
        try:
            device = Device.at(message.to.address)
            url = self._addresses.checked(device.endpoint)
            body = encrypted(self._payload(message), browser=device.browser, auth=device.auth)
        except (ValueError, Invalid) as error:
            raise Undeliverable("This subscription cannot be used.") from error
        headers = {
            "Authorization": self._key.authorization(url, subject=self._public_url, now=self._clock()),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(int(NOTICE_EXPIRY.total_seconds())),
            "Topic": self._topic(message),
            "Urgency": "normal",
        }
        answer = await self._call(str(url), headers, body)
        if 200 <= answer.status < 300:
            return HandedOver(provider_id=None)
        if answer.status in {404, 410}:
            raise Gone(f"The push service answered {answer.status}.")
        if answer.status in {401, 403}:  # a subscription made with a key that we had before: it will never do
            raise Undeliverable(
                f"The push service answered {answer.status}: another MOTMA_VAPID_KEY, or a wrong clock."
            )
        if 300 <= answer.status < 400:
            raise Undeliverable(f"The push service answered {answer.status}, which is not followed.")
        raise refused(answer)

    async def examine(self) -> str:
        """Whether all is set. Raises `Invalid`."""
        if not self._public_url.startswith("https://"):
            raise Invalid(
                "Browsers take push messages from https:// pages only: set MOTMA_PUBLIC_URL.", field="public_url"
            )
        async with self._database.connection(Role.WORKER) as connection:
            number = await connection.fetchval(SUBSCRIBED)
        return f"public key {self._key.public[:12]}…, {number} browsers are told"

    async def _call(self, url: str, headers: dict[str, str], body: bytes) -> ProviderAnswer:
        """One call, to an address that is looked at again when the socket connects."""
        connector = aiohttp.TCPConnector(
            resolver=self._resolver or ThreadedResolver(),
            use_dns_cache=False,
            force_close=True,
            socket_factory=self._addresses.socket,
            family=socket.AF_UNSPEC,
        )
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
            try:
                return await call_once(http, "POST", url, headers=headers, data=body)
            except TryLater as error:
                cause = error.__cause__
                if isinstance(cause, aiohttp.ClientConnectorError) and isinstance(cause.os_error, RefusedAddress):
                    raise Undeliverable("The push service's name leads to an address that is not called.") from error
                raise
            except InDoubt as error:
                raise TryLater("The push service did not answer.") from error

    def _payload(self, message: Outgoing) -> bytes:
        """What the browser shows, in the words of its language; not what the office asks for: officers write it
        freely, and all of this may stand on a lock screen."""
        code, say = message.facts.get("code", ""), partial(WORDS.say, message.language)
        title = say("title", code=code, status=message.facts.get("status", "")) if code else say("title.digest")
        asked = " ".join(message.facts.get("asked", "").split()).rstrip(".")
        lines = [
            line for line in message.text.splitlines() if line.rstrip(".") != title and not (asked and asked in line)
        ]
        shown = {"title": title, "body": "\n".join(lines), "tag": self._topic(message), "lang": message.language}
        shown |= {"code": code, "stop": say("stop")}
        while len(body := msgspec.json.encode(shown)) > LONGEST:
            shown["body"] = shown["body"][: len(shown["body"]) // 2]
        return body

    def _topic(self, message: Outgoing) -> str:
        """The same for all notices of one dossier, and for nobody to read."""
        return b64url(self._seal.digest("web push topic", message.facts.get("code", "")))


def _make(settings: WebPushSettings, around: Surroundings) -> WebPushChannel:
    return WebPushChannel(settings, seal=around.seal, database=around.database, public_url=around.public_url)


OPENING = Opening(
    prefix="MOTMA_VAPID_",
    settings=WebPushSettings,
    secret="key",  # noqa: S106 - the field's name
    make=_make,
    reaches=WEB_PUSH,
    manner=Manner(buttons=False, is_heard=False),
)

STATEMENTS = (STANDING, SUBSCRIBED)
