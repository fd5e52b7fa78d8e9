"""Answers held in this process: bounded, dated, and believed only while somebody tells us what changed."""

from collections import OrderedDict
from dataclasses import dataclass

from domain.dossier import PublicDossier


@dataclass(slots=True)
class Held:
    """One answer in this process."""

    code: str
    key: bytes
    dossier: PublicDossier | None
    until: float  # monotonic seconds
    generation: int


class NearbyAnswers:
    """Up to `most` answers by code and by Redis key; the one written longest ago makes room.

    An answer past its time, or of an earlier generation, is not fresh but stays: it is what can still be said when
    the store is away.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_code: OrderedDict[str, Held] = OrderedDict()
        self._by_key: dict[bytes, Held] = {}
        self.generation = 0

    def __len__(self) -> int:
        return len(self._by_code)

    def get(self, code: str) -> Held | None:
        """What is held of `code`, fresh or not."""
        return self._by_code.get(code)

    def fresh(self, held: Held, now: float) -> bool:
        """Whether `held` is of this generation and not past its time (`now`: monotonic seconds)."""
        return held.generation == self.generation and now < held.until

    def put(self, held: Held) -> None:
        """Hold an answer."""
        if self._by_code.pop(held.code, None) is None and len(self._by_code) >= self._most:
            _, oldest = self._by_code.popitem(last=False)
            del self._by_key[oldest.key]
        self._by_code[held.code] = self._by_key[held.key] = held

    def drop(self, key: bytes) -> None:
        """Forget the answer under `key`: something newer is known to exist."""
        held = self._by_key.pop(key, None)
        if held is not None:
            del self._by_code[held.code]

    def doubt_all(self) -> None:
        """From now on nothing held so far counts as fresh."""
        self.generation += 1
