"""Receipts in the service: what stands on them of ways to reach us, how they are printed, the pages behind them."""

from channels.receipts.pages import ReceiptPages
from channels.receipts.printing import Printing
from channels.receipts.slip import WaysToAsk
from channels.web.seen import SeenOnPages
from domain.civil_time import utc_now
from pages.rendering import Pages
from service.settings import Settings
from service.wiring import Core

PACKAGE = "channels.receipts"  # whose templates, words and files the pages use


def ways_to_ask(settings: Settings, *, sms_number: str | None) -> WaysToAsk:
    """What citizens read of channels. `sms_number` is ours."""
    return WaysToAsk(
        public_url=settings.url, sms_number=sms_number, zalo=settings.zalo_address, telegram=settings.telegram_address
    )


def printing(core: Core, ways: WaysToAsk) -> Printing:
    """Prints slips of any agency's dossiers."""
    return Printing(keys=core.receipts, registry=core.registry, ways=ways, clock=utc_now)


def receipt_pages(core: Core, pages: Pages, ways: WaysToAsk) -> ReceiptPages:
    """The pages a slip leads to."""
    return ReceiptPages(
        pages=pages,
        desk=core.desk,
        keys=core.receipts,
        registry=core.registry,
        ways=ways,
        seen=SeenOnPages(core.database, core.seal),
    )
