"""The public register in the service: its pages, and what is done for it hour by hour."""

import asyncio
from collections.abc import Iterable

import structlog
from aiohttp import web

from channels.agency_api.callers import Callers
from channels.open311.api import Open311
from channels.open311.filing import Post
from channels.open311.reading import ServiceRequests
from channels.web.register.asking import Asking
from channels.web.register.files import RegisterFiles
from channels.web.register.pages import RegisterPages
from database.pool import Role
from feedback_intake.checkpoints import Checkpoints
from feedback_intake.filed_by_systems import FiledBySystems
from feedback_intake.published import Reading
from feedback_intake.rates import refresh_figures
from feedback_intake.register import Register
from pages.rendering import Pages
from pages.visitors import Visitors
from service.feedback import FeedbackService
from service.wiring import Core

log = structlog.get_logger()

PACKAGE = "channels.web.register"  # whose templates, words and files the pages use
EVERY = 60.0  # seconds between two looks whether something is due


def register_pages(core: Core, pages: Pages, reading: Reading, *, url: str) -> RegisterPages:
    """Every page and file of the register. `url` is where we are."""
    asking = Asking(core.registry)
    files = RegisterFiles(pages=pages, reading=reading, asking=asking, url=url)
    return RegisterPages(pages=pages, reading=reading, asking=asking, files=files)


def open311(core: Core, feedback: FeedbackService, reading: Reading, *, visitors: Visitors, url: str) -> Open311:
    """GeoReport v2 over the same cases."""
    filed = FiledBySystems(core.seal)
    return Open311(
        callers=Callers(core.database, core.limits, visitors),
        requests=ServiceRequests(core.database, reading, filed, feedback.numbers, feedback.office),
        post=Post(core.database, feedback.filing, filed, feedback.budget, core.registry),
        filed=filed,
        database=core.database,
        registry=core.registry,
        visitors=visitors,
        url=url,
    )


class PublicRegister:
    """All that the public finds of published feedback. Run `keep` beside it."""

    def __init__(self, core: Core, pages: Pages, *, feedback: FeedbackService, visitors: Visitors, url: str) -> None:
        """`url` is where we are."""
        self._core = core
        self._checkpoints = Checkpoints(core.seal)
        self._register = Register(core.seal)
        reading = Reading(core.database)  # one for both: together they leave connections to look-ups
        self._pages = register_pages(core, pages, reading, url=url)
        self._open311 = open311(core, feedback, reading, visitors=visitors, url=url)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every page and file."""
        return [*self._pages.routes(), *self._open311.routes()]

    async def keep(self) -> None:
        """`turn`, for ever."""
        while True:
            await self.turn()
            await asyncio.sleep(EVERY)

    async def turn(self) -> None:
        """Make yesterday's checkpoint as soon as the day is over; once an hour figures, and names forgotten.

        Any number of processes may do so: one of them makes each.
        """
        async with self._core.database.transaction(Role.WORKER) as connection:
            if day := await self._checkpoints.turn(connection):
                log.info("register checkpoint", day=day.isoformat())
        async with self._core.database.transaction(Role.WORKER) as connection:
            if not await refresh_figures(connection):
                return
        log.info("figures of offices worked out")
        async with self._core.database.transaction(Role.WORKER) as connection:
            if gone := await self._register.forget_names_alone(connection):
                log.info("names taken out of the register", cases=gone)
