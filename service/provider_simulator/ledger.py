"""What a simulated provider took: one line per message, on disk before the caller hears of it."""

import asyncio
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

HASH_CHARACTERS = 16


class Ledger:
    """Lines of our reference, the address, the time, the wire, and a hash of the words: never the words themselves.

    A message by Telegram, which has no place for our reference, stands under its message id there, with `telegram:`
    before it. `texts` are what was said, in order, in memory alone, where they are wanted.
    """

    def __init__(self, file: Path, *, remember: bool = True) -> None:
        self.file = file
        self.texts: list[tuple[str, str]] = []  # address, text
        # What the network does with a text that it took.
        self.on_text: Callable[[str, str], None] = lambda _address, _text: None
        self._remember = remember
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def take(self, reference: str, address: str, text: str, *, wire: str) -> None:
        """Keep one line for good, then let the network do with the text what it does."""
        await asyncio.to_thread(self._write, reference, address, text, wire)
        if self._remember:
            self.texts.append((address, text))
        self.on_text(address, text)

    def _write(self, reference: str, address: str, text: str, wire: str) -> None:
        told = hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARACTERS]
        line = f"{reference} {address} {time.time():.6f} {wire} {told}\n"
        os.write(self._descriptor, line.encode())
        os.fdatasync(self._descriptor)

    def rows(self) -> Iterator[tuple[str, str, float, str, str]]:
        """Reference, address, time, wire and hash of every message taken."""
        with self.file.open(encoding="utf-8") as lines:
            for line in lines:
                reference, address, at, wire, told = line.split()
                yield reference, address, float(at), wire, told

    def lines(self) -> list[tuple[str, str, float]]:
        """Reference, address and time of every message taken."""
        return [(reference, address, at) for reference, address, at, _, _ in self.rows()]

    def times_taken(self) -> Counter[str]:
        """How often each message was taken."""
        return Counter(reference for reference, *_ in self.rows())

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)
