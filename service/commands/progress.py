"""How far the reading of a long file has come."""

import time
from typing import TextIO

from channels.agency_api.table_files import TableFile

BAR = 24  # characters
EVERY_ON_TERMINAL, EVERY_ELSEWHERE = 0.2, 10.0  # seconds between two signs of progress


class Progress:
    """A bar with rate and time left on a terminal, a plain line now and then elsewhere."""

    def __init__(self, out: TextIO, table: TableFile) -> None:
        self._out = out
        self._table = table
        self._begun = self._shown = time.monotonic()
        self._drawn = False

    def show(self, rows: int) -> None:
        """Say how far it has come, if that was not said just now."""
        now = time.monotonic()
        if now - self._shown >= (EVERY_ON_TERMINAL if self._out.isatty() else EVERY_ELSEWHERE):
            self._shown = now
            self._say(rows, now)

    def end(self, rows: int) -> None:
        """Say it a last time, where there is a bar to complete."""
        if self._drawn:
            self._say(rows, time.monotonic())
            self._out.write("\n")

    def _say(self, rows: int, now: float) -> None:
        seconds = max(now - self._begun, 1e-3)
        part = self._table.part_read
        said = f"{rows:,} rows, {rows / seconds:,.0f}/s"
        if part:
            said = f"{part:4.0%} {said}, {_clock(seconds / part - seconds)} left"
        if not self._out.isatty():
            print(said, file=self._out, flush=True)
            return
        full = round(BAR * part) if part else 0
        bar = f"[{'#' * full}{'-' * (BAR - full)}] " if part else ""
        self._out.write(f"\r\x1b[K{bar}{said}")
        self._out.flush()
        self._drawn = True


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
