"""ZNS (ZBS Template Message by phone): approved templates to the Zalo account of a phone number, without any chat.

It answers nobody: a notice goes by it where a phone is all that is known. It shares the app and the access token of the
Official Account; what becomes of a message, Zalo tells the account's webhook under our own tracking id.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp
from aiohttp import web

from channels.channel import Opening, Surroundings
from channels.conversation.turn import Manner
from channels.zalo.account import ZaloAccount
from channels.zalo.templates import Templates
from database.pool import Database
from domain.civil_time import utc_now
from domain.contact import ChannelName
from domain.errors import Malformed, Undeliverable
from domain.message import HandedOver, Outgoing
from lookup.sealing import Seal

ZNS = ChannelName("zns")
ROUTE = "zns"
_TRACKING = re.compile("motma([0-9]{1,19})", re.ASCII)  # Zalo takes 48 letters and digits
_PHONE = re.compile(r"\+(84[0-9]{9,10})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZnsSettings:
    """MOTMA_ZALO_…, as for the Official Account; off until `zns_template` is set (`channels.zalo.templates`).

    `zns_template_en` is the same in English. `zns_development` sends to administrators of the app only, free of charge.
    """

    app_id: str = ""
    app_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    api_url: str | None = None
    zns_template: str | None = None
    zns_template_en: str = ""
    zns_development: bool = False
    zns_rate: float | None = 20.0
    zns_concurrency: int = 8


class ZnsGateway:
    """Templates out; the reports come with the Official Account's webhook."""

    name = ROUTE
    reaches = ZNS
    gives_receipts = True

    def __init__(
        self,
        settings: ZnsSettings,
        *,
        http: aiohttp.ClientSession,
        database: Database,
        seal: Seal,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._templates = Templates.of("MOTMA_ZALO_ZNS_TEMPLATE", settings.zns_template or "", settings.zns_template_en)
        if not self._templates.chosen:
            raise Malformed("ZNS needs MOTMA_ZALO_ZNS_TEMPLATE.")
        self._account = ZaloAccount(
            app_id=settings.app_id,
            app_secret=settings.app_secret,
            refresh_token=settings.refresh_token,
            api_url=settings.api_url,
            http=http,
            database=database,
            seal=seal,
            clock=clock,
        )

    @property
    def concurrency(self) -> int:
        """Calls at once."""
        return self._settings.zns_concurrency

    @property
    def rate(self) -> float | None:
        """Messages a second."""
        return self._settings.zns_rate

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """None of its own."""
        return []

    async def tend(self) -> None:
        """Keep the account's token from dying of silence."""
        await self._account.tend()

    async def examine(self) -> str:
        """What Zalo says of the templates and of what may still be sent today."""
        said = await self._templates.examine(self._account)
        quota = await self._account.call("GET", f"{self._account.hosts.business}/message/quota")
        if isinstance(quota, dict):
            said.append(f"{quota.get('remainingQuota')} of {quota.get('dailyQuota')} messages left today")
        return "; ".join(said)

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one notice over, under our own id."""
        template = self._templates.of_notice(message.facts, message.language)
        if template is None or not message.facts:
            raise Undeliverable("ZNS carries notices in approved templates, and nothing else.")
        if not (phone := _PHONE.fullmatch(message.to.address)):
            raise Undeliverable("ZNS reaches Vietnamese phone numbers only.")
        payload = {
            "phone": phone[1],
            "template_id": template.number,
            "template_data": template.filled(message.facts),
            "tracking_id": tracking_id(message.message_id),
        }
        if self._settings.zns_development:
            payload["mode"] = "development"
        data = await self._account.call("POST", f"{self._account.hosts.business}/message/template", json=payload)
        provider_id = data.get("msg_id") if isinstance(data, dict) else None
        return HandedOver(provider_id=None if provider_id is None else str(provider_id))


def tracking_id(message_id: int) -> str:
    """Our name for a message, as Zalo reports it back."""
    return f"motma{message_id}"


def message_of(given: str) -> int | None:
    """The message that a tracking id names; None for one that is not ours."""
    match = _TRACKING.fullmatch(given)
    return int(match[1]) if match else None


def _make(settings: ZnsSettings, around: Surroundings) -> ZnsGateway:
    return ZnsGateway(settings, http=around.http, database=around.database, seal=around.seal)


OPENING = Opening(
    prefix="MOTMA_ZALO_",
    settings=ZnsSettings,
    secret=None,
    switch="zns_template",
    make=_make,
    reaches=ZNS,
    manner=Manner(address_is_phone=True, is_heard=False),
)
