"""Where the chain of the register stood at the end of each day, signed: proof of what was there then."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from database.pool import Connection
from domain.civil_time import civil_day, start_of_day, utc_now
from feedback_intake.chain import checkpoint_text
from lookup.sealing import Seal

STOOD_AT = "SELECT n, digest FROM register_record WHERE at < $1 ORDER BY n DESC LIMIT 1"
KNOWN = "SELECT EXISTS (SELECT FROM register_checkpoint WHERE day = $1)"
WRITE = """
    INSERT INTO register_checkpoint (day, n, digest, key, signature) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING"""
ALL = "SELECT day, n, digest, key, signature FROM register_checkpoint ORDER BY day DESC LIMIT $1"
MOST = 10_000  # days


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One day's. `key` and `signature` (Ed25519) are hex, like `digest`."""

    day: date
    n: int
    digest: str
    key: str
    signature: str

    @property
    def genuine(self) -> bool:
        """Whether the key it names signed it."""
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key))
            key.verify(bytes.fromhex(self.signature), checkpoint_text(self.day, self.n, self.digest))
        except (InvalidSignature, ValueError):
            return False
        return True


class Checkpoints:
    """Makes them; the key comes from the installation's secret."""

    def __init__(self, seal: Seal) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seal.derived("motma register")[0])

    @property
    def key(self) -> str:
        """The public key, in hex."""
        return self._key.public_key().public_bytes_raw().hex()

    async def turn(self, connection: Connection, *, today: date | None = None) -> date | None:
        """Make that of yesterday, once there is a record; the day it is for. Runs as `motma_worker`."""
        begins = today or civil_day(utc_now())
        day = begins - timedelta(days=1)
        if await connection.fetchval(KNOWN, day):
            return None
        stood = await connection.fetchrow(STOOD_AT, start_of_day(begins))
        if stood is None:
            return None
        signature = self._key.sign(checkpoint_text(day, stood["n"], stood["digest"].hex()))
        public = self._key.public_key().public_bytes_raw()
        await connection.execute(WRITE, day, stood["n"], stood["digest"], public, signature)
        return day


async def checkpoints(connection: Connection) -> list[Checkpoint]:
    """The newest first. Runs as `motma_public`."""
    return [_checkpoint(row) for row in await connection.fetch(ALL, MOST)]


def read_checkpoint(line: bytes) -> Checkpoint:
    """One line of `/cong-khai/checkpoints`. Raises `msgspec.DecodeError`, `ValidationError`."""
    return msgspec.json.decode(line, type=Checkpoint)


def _checkpoint(row: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint(
        day=row["day"], n=row["n"], digest=row["digest"].hex(), key=row["key"].hex(), signature=row["signature"].hex()
    )


STATEMENTS = (STOOD_AT, KNOWN, WRITE, ALL)
