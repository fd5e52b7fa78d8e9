"""Keys of agencies' systems: made once, shown once, kept as digests, revocable."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from database.pool import Connection
from domain.errors import NotFound, Unauthenticated

SECRET_BYTES = 24  # 192 bits, beyond guessing, so that a fast digest is enough
ID_BYTES = 6

CREATE = "INSERT INTO api_key (id, secret_digest, agency_id, kind, name, scopes) VALUES ($1, $2, $3, $4, $5, $6)"
_COLUMNS = """
    SELECT k.id, k.secret_digest, k.agency_id, a.code AS agency_code, k.kind, k.name, k.scopes,
           k.created_at, k.last_used_at, k.revoked_at
      FROM api_key k JOIN agency a ON a.id = k.agency_id"""
FIND = _COLUMNS + " WHERE k.id = $1"
LIST = _COLUMNS + " ORDER BY k.created_at, k.id"
REVOKE = "UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING id"
TOUCH = "UPDATE api_key SET last_used_at = now() WHERE id = ANY ($1)"


class Scope(StrEnum):
    """What a key may do."""

    DOSSIERS_WRITE = "dossiers:write"
    EVENTS_WRITE = "events:write"
    DOSSIERS_READ = "dossiers:read"
    RECEIPTS_PRINT = "receipts:print"
    CALLBACKS_MANAGE = "callbacks:manage"


class KeyKind(StrEnum):
    """Test keys work on data of their own and reach no citizen."""

    LIVE = "live"
    TEST = "test"


_KINDS = frozenset(kind.value for kind in KeyKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key, without its secret."""

    key_id: str
    agency_id: int
    agency_code: str
    kind: KeyKind
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    secret_digest: bytes = field(repr=False)

    def opens_with(self, secret: str) -> bool:
        """Whether `secret` is this key's and the key is still good; takes the same time either way."""
        right = hmac.compare_digest(_digest(secret), self.secret_digest)
        return right and self.revoked_at is None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def split(token: str) -> tuple[str, str]:
    """Key id and secret of `motma_live_<id>_<secret>`. Raises `Unauthenticated`."""
    parts = token.split("_", 3)
    if len(parts) != 4 or parts[0] != "motma" or parts[1] not in _KINDS:
        raise Unauthenticated("The API key is missing or not valid.")
    return parts[2], parts[3]


async def create_key(
    connection: Connection, *, agency_id: int, kind: KeyKind, name: str, scopes: frozenset[Scope] = frozenset(Scope)
) -> str:
    """Make a key for an agency; the whole token, which is not kept and cannot be shown again."""
    key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    await connection.execute(CREATE, key_id, _digest(secret), agency_id, kind, name, sorted(scopes))
    return f"motma_{kind}_{key_id}_{secret}"


async def find_key(connection: Connection, key_id: str) -> ApiKey | None:
    """The key with this id, revoked or not."""
    row = await connection.fetchrow(FIND, key_id)
    return _key(row) if row else None


async def list_keys(connection: Connection) -> list[ApiKey]:
    """Every key, oldest first."""
    return [_key(row) for row in await connection.fetch(LIST)]


async def revoke_key(connection: Connection, key_id: str) -> None:
    """End a key's life. Raises `NotFound`."""
    if await connection.fetchval(REVOKE, key_id) is None:
        raise NotFound("There is no such key.", field="id")


async def touch_keys(connection: Connection, key_ids: list[str]) -> None:
    """Note that these keys were used just now; called every minute, not with every call."""
    await connection.execute(TOUCH, key_ids)


def _key(row: Mapping[str, Any]) -> ApiKey:
    return ApiKey(
        key_id=row["id"],
        agency_id=row["agency_id"],
        agency_code=row["agency_code"],
        kind=KeyKind(row["kind"]),
        name=row["name"],
        scopes=frozenset(map(Scope, row["scopes"])),
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
        secret_digest=row["secret_digest"],
    )


STATEMENTS = (CREATE, FIND, LIST, REVOKE, TOUCH)
