"""The officers' console in the service."""

from collections.abc import Sequence

from console.audit import Audit
from console.console import Console
from console.drafts import Drafts
from console.means import Means
from console.passwords import Passwords
from console.sessions import Sessions
from domain.civil_time import utc_now
from pages.assets import Assets
from pages.rendering import Pages
from pages.visitors import Visitors
from service.settings import Settings
from service.wiring import Core

PACKAGE = "console"  # whose templates, words and files it uses


def open_console(
    settings: Settings, core: Core, *, assets: Assets, visitors: Visitors, packages: Sequence[str] = (PACKAGE,)
) -> Console:
    """Every page of officers. In development a strong role may be held with a password alone."""
    secure = settings.url.startswith("https://")
    means = Means(
        database=core.database,
        seal=core.seal,
        registry=core.registry,
        limits=core.limits,
        writer=core.writer,
        ladder=core.ladder,
        pages=Pages(assets=assets, secure=secure, packages=packages),
        visitors=visitors,
        audit=Audit(core.seal),
        drafts=Drafts(core.seal),
        passwords=Passwords(),
        sessions=Sessions(core.seal),
        clock=utc_now,
        url=settings.url,
        secure=secure,
        two_proofs=not settings.development,
        segment_price=settings.sms_segment_price,
    )
    return Console(means)
