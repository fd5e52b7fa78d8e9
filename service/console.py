"""The officers' console in the service."""

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from aiohttp import ClientSession

from console.audit import Audit
from console.console import Console
from console.drafts import Drafts
from console.elsewhere import Elsewhere, ElsewhereSettings
from console.entrance import BACK
from console.feedback_desk import FeedbackDesk
from console.means import Means
from console.passkeys import Passkeys
from console.passwords import Passwords
from console.sessions import Sessions
from domain.civil_time import utc_now
from pages.assets import Assets
from pages.rendering import Pages
from pages.visitors import Visitors
from service.commands.quarantine import replay_all
from service.entering import DossierEntry
from service.feedback import FeedbackService
from service.receipts import printing, ways_to_ask
from service.settings import Settings, SettingsError
from service.wiring import Core

PACKAGE = "console"  # whose templates, words and files it uses


def open_console(
    settings: Settings,
    core: Core,
    *,
    assets: Assets,
    visitors: Visitors,
    http: ClientSession | None = None,
    elsewhere: ElsewhereSettings | None = None,
    packages: Sequence[str] = (PACKAGE,),
) -> Console:
    """Every page of officers. In development a strong role may be held with a password alone."""
    secure = settings.url.startswith("https://")
    feedback = FeedbackService.of(core, settings)
    means = Means(
        database=core.database,
        seal=core.seal,
        registry=core.registry,
        limits=core.limits,
        writer=core.writer,
        ladder=core.ladder,
        apologies=core.apologies,
        entering=DossierEntry(core, printing(core, ways_to_ask(settings, sms_number=settings.sms_number))),
        pages=Pages(assets=assets, secure=secure, packages=packages),
        visitors=visitors,
        feedback=FeedbackDesk(
            cases=feedback.cases,
            paper=feedback.paper,
            choosing=feedback.choosing,
            ratings=feedback.ratings,
            scan=feedback.scan,
        ),
        audit=Audit(core.seal),
        drafts=Drafts(core.seal),
        passwords=Passwords(),
        sessions=Sessions(core.seal),
        elsewhere=_elsewhere(settings, elsewhere or ElsewhereSettings(), http, core),
        passkeys=Passkeys(core.seal, settings.url) if _named(settings.url) else None,
        clock=utc_now,
        url=settings.url,
        secure=secure,
        two_proofs=not settings.development,
        read_again=partial(replay_all, core),
        segment_price=settings.sms_segment_price,
    )
    return Console(means)


def _elsewhere(
    settings: Settings, given: ElsewhereSettings, http: ClientSession | None, core: Core
) -> Elsewhere | None:
    """The identity provider, if one is set. Raises `SettingsError`."""
    if not given.issuer or http is None:
        return None
    if not given.client_id or not given.client_secret:
        raise SettingsError("MOTMA_OIDC_CLIENT_ID and MOTMA_OIDC_CLIENT_SECRET must be set with MOTMA_OIDC_ISSUER.")
    if not settings.development and not given.issuer.startswith("https://"):
        raise SettingsError("MOTMA_OIDC_ISSUER must be an https:// address.")
    return Elsewhere(given, http, core.seal, back=settings.url + BACK)


def _named(url: str) -> bool:
    """Whether our address has a name: passkeys are bound to one, never to a number."""
    host = urlsplit(url).hostname or ""
    return ":" not in host and not host.replace(".", "").isdigit()
