"""A loop that fails is started again, counted, and never ended by its own error."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from database import supervision
from database.supervision import RESTARTS, supervised


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.0001)


def failing(times: int, error: Exception) -> tuple[list[int], Callable[[], Awaitable[None]]]:
    """A loop that fails so many times, then comes to its end."""
    runs: list[int] = []

    async def work() -> None:
        runs.append(len(runs))
        if len(runs) <= times:
            raise error

    return runs, work


def restarts(loop: str) -> float:
    """What the counter shows."""
    value: float = RESTARTS.labels(loop)._value.get()
    return value


async def test_a_loop_is_started_again_until_it_comes_to_its_end() -> None:
    runs, work = failing(3, OSError("away"))
    heard: list[BaseException] = []
    before = restarts("mended")
    await supervised("mended", work, on_restart=heard.append)
    assert runs == [0, 1, 2, 3]
    assert [type(error) for error in heard] == [OSError] * 3
    assert restarts("mended") - before == 3


async def test_the_log_names_type_and_place_but_not_what_was_said() -> None:
    _, work = failing(1, ValueError("Nguyễn Văn An, 0901234567"))
    with capture_logs() as logs:
        await supervised("quiet", work)
    (line,) = logs
    assert (line["event"], line["loop"], line["error"]) == ("loop restarted", "quiet", "ValueError")
    assert "test_supervision.py:" in line["at"]
    assert "0901234567" not in str(line)


async def test_pauses_double_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "LONGEST_PAUSE", 0.001)
    _, work = failing(6, OSError())
    with capture_logs() as logs:
        await supervised("slower", work)
    assert [line["failures"] for line in logs] == [1, 2, 3, 4, 5, 6]
    assert max(line["pause"] for line in logs) <= 0.001


async def test_a_loop_that_ran_well_for_long_starts_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "HEALTHY_AFTER", -1.0)
    _, work = failing(4, OSError())
    with capture_logs() as logs:
        await supervised("healthy", work)
    assert [line["failures"] for line in logs] == [1, 1, 1, 1]


async def test_cancelling_ends_it() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(supervised("cancelled", work))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
