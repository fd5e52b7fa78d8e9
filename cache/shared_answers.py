"""Answers as every process shares them in Redis: what stands under a key, and when it may be replaced.

A record is `version|until|epoch|payload`. One without `until` is a *floor*: it says that the dossier is about to reach
`version`, so that no older answer may be written here. A dossier that does not exist has version 0. `until` is when the
answer stops being fresh (ms since 1970); the record itself is kept much longer, for when the store is away.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from cache.redis_connection import RedisConnection
from domain.dossier import PublicDossier

PREFIX = b"d:"
EPOCH_KEY = b"d:epoch"

FRESH = (
    30.0  # seconds an answer counts at most; up to a fifth less, so that answers filled together do not end together
)
ABSENT_FRESH = 2.0  # seconds, for "there is no such dossier"
FLOOR_KEPT = 30.0  # seconds: longer than a transaction and a slow read together
KEPT = 24 * 3600.0  # seconds an answer is kept for when the store is away

# KEYS: any number; ARGV: now, then how long a floor, an absence and a dossier are kept (all ms), then a record for each
# key. Answers 1 where the record was written. What stands there gives way to a record of the same or a higher version,
# a stale answer to any. A floor does not replace the answer that reached it.
PUT = """
local now, floor_kept, absence_kept, kept = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local written = {}
for i, key in ipairs(KEYS) do
    local record, old, allowed = ARGV[4 + i], redis.call('GET', key), 1
    local version, fresh_until = string.match(record, '^(%d+)|(%d*)|')
    version = tonumber(version)
    if old then
        local held, held_until = string.match(old, '^(%d+)|(%d*)|')
        held = tonumber(held or -1)
        if held_until == '' then
            if held > version then allowed = 0 end
        elseif held > version or (held == version and fresh_until == '') then
            if tonumber(held_until or 0) > now then allowed = 0 end
        end
    end
    if allowed == 1 then
        local life = fresh_until == '' and floor_kept or version == 0 and absence_kept or kept
        redis.call('SET', key, record, 'PX', life)
    end
    written[i] = allowed
end
return written
"""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PublicDossier).decode
_ABSENT = b"-"
# How a packed dossier begins: an array of so many fields. The first, the code, is cut out of what goes to Redis.
_OPENING = bytes([0x90 | len(msgspec.structs.fields(PublicDossier))])


class Record(NamedTuple):
    """An answer as it stands in Redis. A named tuple because one is made for every answer from there."""

    until: float  # seconds since 1970
    epoch: bytes
    payload: bytes

    def dossier(self, code: str) -> PublicDossier | None:
        """The dossier, or None when the answer is that there is none. Raises `ValueError` when it cannot be read."""
        return None if self.payload == _ABSENT else _decode(_OPENING + _encode(code) + self.payload)


def read_record(raw: bytes | None) -> Record | None:
    """The answer in `raw`; None for nothing, for a floor, and for what is not ours."""
    if raw is None:
        return None
    try:
        _, until, epoch, payload = raw.split(b"|", 3)
        return Record(int(until) / 1000, epoch, payload)
    except ValueError:
        return None


def freshness_ends(key: bytes, found: PublicDossier | None, asked: float) -> float:
    """Until when (seconds since 1970) an answer counts that was asked of the store at `asked`.

    The spread comes from the key, not from chance: a late copy of an older answer then never outlives a newer one.
    """
    if found is None:
        return asked + ABSENT_FRESH
    return asked + FRESH * (1 - 0.2 * int(key[-2:], 16) / 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """An answer of the store on its way to Redis. `epoch` is the one that held before the store was asked."""

    key: bytes
    found: PublicDossier | None
    epoch: bytes
    until: float


def _record(fill: Fill) -> bytes:
    version, payload = 0, _ABSENT
    if fill.found is not None:
        version, payload = fill.found.version, _encode(fill.found)[len(_OPENING) + len(_encode(fill.found.code)) :]
    return b"%d|%d|%b|%b" % (version, int(fill.until * 1000), fill.epoch, payload)


class SharedAnswers:
    """The answers in Redis. Every call may raise `RedisAway`."""

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis

    async def read(self, keys: Sequence[bytes]) -> tuple[bytes | None, list[Record | None]]:
        """The epoch that holds now (None: there is none, so nothing may be believed) and the record of each key."""
        epoch, *raw = await self._redis.get_many((EPOCH_KEY, *keys))
        return epoch, [read_record(each) for each in raw]

    async def fill(self, fills: Sequence[Fill]) -> list[bool]:
        """Write the answers; False for those that something newer has overtaken."""
        return [bool(written) for written in await self._put([(fill.key, _record(fill)) for fill in fills])]

    async def write_floors(self, versions: Mapping[bytes, int], *, patient: bool = False) -> None:
        """From now on no answer below these versions (by key) can be written."""
        await self._put([(key, b"%d|||" % version) for key, version in versions.items()], patient=patient)

    async def _put(self, records: Sequence[tuple[bytes, bytes]], *, patient: bool = False) -> list[int]:
        seconds = (time.time(), FLOOR_KEPT, ABSENT_FRESH, KEPT)
        common = tuple(int(each * 1000) for each in seconds)
        return await self._redis.run_each(PUT, [(key, (record,)) for key, record in records], common, patient=patient)

    async def raise_epoch(self) -> None:
        """Make every answer written so far void. An epoch is never used again, so a flush cannot bring one back."""
        await self._redis.put(EPOCH_KEY, secrets.token_hex(8).encode())
