"""One input tried: what a parser did that it must not do."""

import logging
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from domain.errors import ServiceError
from tests.fuzzing.targets import Target

ROOT = str(Path(__file__).parents[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What went wrong. `place` is the same for inputs that show the same fault."""

    place: str
    told: str = field(compare=False)


def without_logs() -> None:
    """Nothing that a parser logs is written: each input would have its line."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def tried(target: Target, data: bytes) -> Finding | None:
    """What `data` does to `target`; None when all is well. An input that took long is tried twice more."""
    for _ in range(3):
        began = time.process_time()
        try:
            target.read(data)
        except ServiceError:
            pass  # bad input, named as such
        except Exception as error:  # whatever it is: that is what we look for
            return Finding(place=f"{type(error).__qualname__} at {_place(error)}", told=traceback.format_exc())
        took = time.process_time() - began
        if took <= target.seconds:
            return None
    return Finding(
        place=f"more than {target.seconds * 1000:.0f} ms", told=f"{took * 1000:.0f} ms for {len(data)} bytes"
    )


def _place(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(ROOT)]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-2:]))
