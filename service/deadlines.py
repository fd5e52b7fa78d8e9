"""The watch of the calendar put together, for the role that sends."""

from notifications.apology_drafts import ApologyDrafts
from notifications.deadlines import DeadlineWatch
from service.wiring import Core


def open_watch(core: Core) -> DeadlineWatch:
    """One process's part of it; any number may watch."""
    return DeadlineWatch(core.database, core.registry, core.outbox, ApologyDrafts(core.registry, core.apologies))
