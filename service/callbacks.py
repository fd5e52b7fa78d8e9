"""Callbacks put together: which addresses are called, and the courier that calls them beside the dispatcher."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from channels.agency_api.callbacks_address import Addresses, CallbackSettings
from channels.agency_api.callbacks_post import open_callback_post
from notifications.callbacks.courier import Courier
from service.settings import Settings, SettingsError, read
from service.wiring import Core

PREFIX = "MOTMA_CALLBACK_"


def callback_addresses(settings: Settings) -> Addresses:
    """Raises `SettingsError`."""
    given: CallbackSettings = read(CallbackSettings, os.environ, prefix=PREFIX)
    if given.loopback and not settings.development:
        raise SettingsError(f"{PREFIX}LOOPBACK is for development: it lets agencies have this machine's ports called.")
    try:
        return Addresses.of(given)
    except ValueError:
        raise SettingsError(f"{PREFIX}PORTS is not a list of ports such as 443,8443.") from None


@asynccontextmanager
async def open_courier(core: Core, addresses: Addresses) -> AsyncIterator[Courier]:
    """The courier, with connections of its own for calling."""
    async with open_callback_post(addresses) as post:
        yield Courier(core.database, core.seal, core.registry, post)
