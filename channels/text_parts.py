"""A text as several messages, where a chat takes only so much in one."""

from collections.abc import Awaitable, Callable

from domain.errors import InDoubt, TryLater
from domain.message import HandedOver


def parts(text: str, most: int) -> list[str]:
    """`text` as messages of at most `most` UTF-16 units, which no platform counts more strictly than.

    Cut at line ends where there are any, else between words. An empty text stays one part.
    """
    found = []
    rest = text.strip()
    while rest:
        room = _fitting(rest, most)
        if room < len(rest):
            room = max(rest.rfind("\n", 1, room + 1), 0) or max(rest.rfind(" ", 1, room + 1), 0) or room
        found.append(rest[:room].rstrip())
        rest = rest[room:].lstrip()
    return found or [text]


async def all_of(*sends: Callable[[], Awaitable[HandedOver]]) -> HandedOver:
    """Send the parts of one message in order; what the last was called.

    Raises as `send` does, but `InDoubt` for one that must be tried later when a part before it is out already.
    """
    taken = HandedOver(provider_id=None)
    for place, send in enumerate(sends):
        try:
            taken = await send()
        except TryLater as error:
            if place:
                raise InDoubt("Only a part of the message was taken.") from error
            raise
    return taken


def cut(text: str, most: int) -> str:
    """`text` on one line of at most `most` characters; a '…' shows that something was cut off."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _fitting(text: str, most: int) -> int:
    """How many characters of `text` take at most `most` UTF-16 units."""
    if len(text) * 2 <= most:
        return len(text)
    units = 0
    for place, character in enumerate(text):
        units += 1 + (ord(character) > 0xFFFF)
        if units > most:
            return place
    return len(text)
