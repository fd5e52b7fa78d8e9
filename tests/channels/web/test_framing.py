"""What can be read in two ways is refused, so nothing is slipped through behind it (RFC 9112 5 to 7, 11.2)."""

import asyncio
import re

import pytest

from tests.channels.web.framing import AMBIGUOUS, Ambiguous
from tests.channels.web.test_front_door import Door, door

__all__ = ["door"]  # the fixture

ANSWER = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")
PATIENCE, PAUSE = 5.0, 0.1  # seconds: for the answers that must come, and for one more


async def answers(door: Door, *pieces: bytes, expected: int) -> tuple[list[int], bool]:
    """The statuses that come back, and whether the connection was closed."""
    reader, writer = await door.connect()
    said, closed = b"", False
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.005 if len(pieces) > 1 else 0)
        async with asyncio.timeout(PATIENCE if expected else PAUSE) as patience:
            while part := await reader.read(65_536):
                said += part
                if len(ANSWER.findall(said)) >= expected:
                    patience.reschedule(asyncio.get_running_loop().time() + PAUSE)
        closed = True
    except TimeoutError:
        pass
    except ConnectionResetError:
        closed = True
    finally:
        writer.transport.abort()
    return [int(status) for status in ANSWER.findall(said)], closed


@pytest.mark.parametrize("one", AMBIGUOUS, ids=lambda one: one.name)
async def test_each_is_refused_or_read_as_the_standard_says(door: Door, one: Ambiguous) -> None:
    statuses, closed = await answers(door, one.sent, expected=one.answers)
    assert len(statuses) == one.answers, statuses
    if one.refused:
        assert statuses[-1] in {400, 501, 505}
        assert closed
    else:
        assert not set(statuses) & {400, 500}


async def test_a_body_that_breaks_in_a_later_piece_lets_nothing_through(door: Door) -> None:
    for one in AMBIGUOUS:
        head, _, body = one.sent.partition(b"\r\n\r\n")
        if one.refused and b"Transfer-Encoding: chunked" in head:
            statuses, _ = await answers(door, head + b"\r\n\r\n", body, expected=0)
            assert set(statuses) <= {400}, one.name
            assert len(statuses) <= 1, one.name
