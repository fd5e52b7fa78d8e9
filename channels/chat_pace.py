"""How often one chat may be written to: platforms count that beside what all messages together may be."""

import time
from collections.abc import Callable
from datetime import timedelta

from domain.errors import TryLater

MOST_WAIT = 1.5  # seconds a message waits here for its turn; one whose turn is further off goes back into the queue
MOST_CHATS = 10_000  # remembered at once, beyond which those whose turn has passed are forgotten


class ChatPace:
    """Turns of each chat, `spacing` seconds apart, in this process."""

    def __init__(self, spacing: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._spacing = spacing
        self._clock = clock
        self._free: dict[str, float] = {}  # when a chat may be written to again
        self._back: dict[str, float] = {}  # when the next message put back should come again

    def turn(self, chat: str) -> float:
        """Take the chat's next turn; the seconds until it comes.

        Raises `TryLater` when it is further off than `MOST_WAIT`. Messages put back are told times `spacing` apart, so
        that they do not all come back at once; they take their turn when they do.
        """
        now = self._clock()
        free = max(now, self._free.get(chat, now))
        if free - now <= MOST_WAIT:
            self._note(self._free, chat, free + self._spacing)
            return free - now
        back = max(free, self._back.get(chat, free))
        self._note(self._back, chat, back + self._spacing)
        raise TryLater("This chat is being written to already.", after=timedelta(seconds=back - now))

    def hold(self, chat: str, pause: timedelta) -> None:
        """Write nothing to the chat for `pause`: the platform said so."""
        until = self._clock() + pause.total_seconds()
        self._note(self._free, chat, max(until, self._free.get(chat, until)))

    def _note(self, times: dict[str, float], chat: str, at: float) -> None:
        times[chat] = at
        if len(times) > MOST_CHATS:
            now = self._clock()
            for passed in [known for known, until in times.items() if until <= now]:
                del times[passed]
