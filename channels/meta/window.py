"""Meta's day: free words may go to a person for 24 hours after being heard of, an approved template at any time."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from channels.meta.graph_api import OutsideWindow
from domain.message import HandedOver, Outgoing

WINDOW = timedelta(hours=23, minutes=50)  # the 24 hours, but for what clocks and queues take

Send = Callable[[Outgoing], Awaitable[HandedOver]]


async def within_window(message: Outgoing, in_words: Send, by_template: Send, *, now: datetime) -> HandedOver:
    """Send `message` `in_words` while Meta takes them; a notice after that `by_template`.

    An answer goes in words whatever our clock says, for it follows what the person said. Where Meta's count differs
    from ours, its word counts.
    """
    notice = bool(message.facts)
    lately = message.last_heard is not None and now - message.last_heard < WINDOW
    if notice and not lately:
        return await by_template(message)
    try:
        return await in_words(message)
    except OutsideWindow:
        if not notice:
            raise
        return await by_template(message)
