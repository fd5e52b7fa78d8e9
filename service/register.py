"""The public register in the service: its pages, and what is done for it hour by hour."""

import asyncio
from collections.abc import Iterable

import structlog
from aiohttp import web

from channels.web.register.asking import Asking
from channels.web.register.files import RegisterFiles
from channels.web.register.pages import RegisterPages
from database.pool import Role
from feedback_intake.checkpoints import Checkpoints
from feedback_intake.published import Reading
from feedback_intake.rates import refresh_figures
from pages.rendering import Pages
from service.wiring import Core

log = structlog.get_logger()

PACKAGE = "channels.web.register"  # whose templates, words and files the pages use
EVERY = 60.0  # seconds between two looks whether something is due


def register_pages(core: Core, pages: Pages, *, url: str) -> RegisterPages:
    """Every page and file of the register. `url` is where we are."""
    reading, asking = Reading(core.database), Asking(core.registry)
    files = RegisterFiles(pages=pages, reading=reading, asking=asking, url=url)
    return RegisterPages(pages=pages, reading=reading, asking=asking, files=files)


class PublicRegister:
    """All that the public finds of published feedback. Run `keep` beside it."""

    def __init__(self, core: Core, pages: Pages, *, url: str) -> None:
        """`url` is where we are."""
        self._core = core
        self._pages = register_pages(core, pages, url=url)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every page and file."""
        return self._pages.routes()

    async def keep(self) -> None:
        """Yesterday's checkpoint as soon as the day is over, and figures once an hour; for ever.

        Any number of processes may do so: one of them makes each.
        """
        made = Checkpoints(self._core.seal)
        while True:
            async with self._core.database.transaction(Role.WORKER) as connection:
                if day := await made.turn(connection):
                    log.info("register checkpoint", day=day.isoformat())
            async with self._core.database.transaction(Role.WORKER) as connection:
                if await refresh_figures(connection):
                    log.info("figures of offices worked out")
            await asyncio.sleep(EVERY)
