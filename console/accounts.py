"""Officers' accounts: making, finding, changing, ending them, and the roles they hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import asyncpg

from console.roles import Duty, OfficerRole
from database.pool import Connection
from domain.errors import ChangedMeanwhile, Invalid, NotFound
from domain.vietnamese import clean, folded

_COLUMNS = """
    SELECT a.id, a.email, a.name, a.agency_id, o.code AS agency_code, a.password_hash, a.password_given, a.totp_sealed,
           a.totp_step, a.issuer, a.version, a.created_at, a.signed_in_at, a.disabled_at
      FROM account a JOIN agency o ON o.id = a.agency_id"""
BY_EMAIL = _COLUMNS + " WHERE a.email = $1"
BY_ID = _COLUMNS + " WHERE a.id = $1"
BY_SUBJECT = _COLUMNS + " WHERE a.issuer = $1 AND a.subject = $2"
LIST = _COLUMNS + " WHERE a.id > $1 AND ($2::text IS NULL OR a.email = $2) ORDER BY a.id LIMIT $3"
CREATE = """
    INSERT INTO account (email, name, agency_id, password_hash, password_given) VALUES ($1, $2, $3, $4, $5)
    RETURNING id"""
RENAME = """
    UPDATE account SET name = $3, version = version + 1 WHERE id = $1 AND version = $2 RETURNING version"""
SET_PASSWORD = """
    UPDATE account SET password_hash = $2, password_given = $3, version = version + 1 WHERE id = $1 RETURNING id"""  # noqa: S105 - a statement
SET_TOTP = "UPDATE account SET totp_sealed = $2, totp_step = $3, version = version + 1 WHERE id = $1 RETURNING id"
USE_TOTP = "UPDATE account SET totp_step = $2 WHERE id = $1 AND totp_step < $2 RETURNING id"
LINK = """
    UPDATE account SET issuer = $2, subject = $3, version = version + 1
     WHERE id = $1 AND (issuer IS NULL OR (issuer, subject) = ($2, $3)) RETURNING id"""
SIGNED_IN = "UPDATE account SET signed_in_at = now() WHERE id = $1"
DISABLE = """
    UPDATE account SET disabled_at = coalesce(disabled_at, now()), version = version + 1 WHERE id = $1 RETURNING id"""
ENABLE = "UPDATE account SET disabled_at = NULL, version = version + 1 WHERE id = $1 RETURNING id"

# A delegation counts only as long as whoever delegated could still act.
DUTIES = """
    SELECT r.role, r.agency_id, r.sector, r.valid_to, r.delegated_by
      FROM account_role r
     WHERE r.account_id = $1 AND r.ended_at IS NULL AND r.valid_from <= $2 AND (r.valid_to IS NULL OR r.valid_to >= $2)
       AND (r.delegated_by IS NULL OR EXISTS (
            SELECT FROM account_role h JOIN account d ON d.id = h.account_id
             WHERE h.account_id = r.delegated_by AND h.role = r.role AND h.ended_at IS NULL AND d.disabled_at IS NULL
               AND h.delegated_by IS NULL AND h.valid_from <= $2 AND (h.valid_to IS NULL OR h.valid_to >= $2)
               AND (h.sector = '' OR h.sector = r.sector)
               AND EXISTS (SELECT FROM agency_reach w WHERE w.scope_id = h.agency_id AND w.agency_id = r.agency_id)))
     ORDER BY r.agency_id, r.role, r.sector"""
GIVE = """
    INSERT INTO account_role (account_id, role, agency_id, sector, valid_from, valid_to, delegated_by, given_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id"""
TAKE = """
    UPDATE account_role SET ended_at = now() WHERE id = $1 AND account_id = $2 AND ended_at IS NULL RETURNING role"""
HELD = """
    SELECT r.id, r.account_id, r.role, r.agency_id, o.code AS agency_code, o.name AS agency_name, r.sector,
           r.valid_from, r.valid_to, d.email AS delegated_by, r.given_at
      FROM account_role r JOIN agency o ON o.id = r.agency_id LEFT JOIN account d ON d.id = r.delegated_by
     WHERE r.account_id = ANY ($1::bigint[]) AND r.ended_at IS NULL
     ORDER BY r.account_id, r.role, r.id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account. `totp_sealed` is sealed; `password_hash` is argon2id, None for who signs in elsewhere only."""

    account_id: int
    email: str
    name: str
    agency_id: int
    agency_code: str
    password_hash: str | None = field(repr=False)
    password_given: bool
    totp_sealed: bytes | None = field(repr=False)
    totp_step: int
    issuer: str | None
    version: int
    created_at: datetime
    signed_in_at: datetime | None
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One role of an account, as those who administer it see it."""

    role_id: int
    account_id: int
    role: OfficerRole
    agency_id: int
    agency_code: str
    agency_name: str
    sector: str
    valid_from: date
    valid_to: date | None
    delegated_by: str | None
    given_at: datetime


def address(text: str) -> str:
    """An e-mail address as it is stored. Raises `Invalid`."""
    text = clean(text).lower()
    local, at, domain = text.rpartition("@")
    if not at or not local or "." not in domain or " " in text or len(text) > 254 or not text.isprintable():
        raise Invalid("email", field="email")
    return text


async def create_account(
    connection: Connection, *, email: str, name: str, agency_id: int, password_hash: str | None, given: bool = True
) -> int:
    """A new account; its id. `given`: the password is to be replaced at the first sign-in. Raises `Invalid`.

    Runs as `motma_console` (within the tenant) or `motma_operator`.
    """
    try:
        async with connection.transaction():
            return int(
                await connection.fetchval(CREATE, address(email), clean(name), agency_id, password_hash, given),
            )
    except asyncpg.UniqueViolationError:
        raise Invalid("email.taken", field="email") from None


async def find_by_email(connection: Connection, email: str) -> Account | None:
    """The account of a stored address, disabled or not."""
    row = await connection.fetchrow(BY_EMAIL, email)
    return _account(row) if row else None


async def find_by_subject(connection: Connection, issuer: str, subject: str) -> Account | None:
    """The account that signs in elsewhere as `subject`."""
    row = await connection.fetchrow(BY_SUBJECT, issuer, subject)
    return _account(row) if row else None


async def get_account(connection: Connection, account_id: int) -> Account:
    """One account; as `motma_console` only within the tenant. Raises `NotFound`."""
    row = await connection.fetchrow(BY_ID, account_id)
    if row is None:
        raise NotFound("There is no such account.")
    return _account(row)


async def list_accounts(
    connection: Connection, *, after: int = 0, email: str | None = None, most: int = 50
) -> list[Account]:
    """Accounts in order of making; as `motma_console` those of the tenant."""
    return [_account(row) for row in await connection.fetch(LIST, after, email, most)]


async def rename(connection: Connection, account_id: int, *, version: int, name: str) -> int:
    """Change the name; the new version. Raises `ChangedMeanwhile` when somebody else was faster."""
    changed: int | None = await connection.fetchval(RENAME, account_id, version, clean(name))
    if changed is None:
        raise ChangedMeanwhile("Somebody else changed this account meanwhile.")
    return changed


async def set_password(connection: Connection, account_id: int, password_hash: str, *, given: bool) -> None:
    """Replace the password; `given`: somebody else chose it. Raises `NotFound`."""
    _found(await connection.fetchval(SET_PASSWORD, account_id, password_hash, given))


async def set_totp(connection: Connection, account_id: int, sealed: bytes | None, *, step: int = 0) -> None:
    """Set or take away the authenticator app. `step` is that of the code by which it was shown to work."""
    _found(await connection.fetchval(SET_TOTP, account_id, sealed, step))


async def use_totp(connection: Connection, account_id: int, step: int) -> bool:
    """Use up the code of a step; False when it or a later one was used before, also just now by somebody else."""
    return await connection.fetchval(USE_TOTP, account_id, step) is not None


async def link_elsewhere(connection: Connection, account_id: int, issuer: str, subject: str) -> bool:
    """Remember who the account is at an identity provider; False when it is somebody else there already."""
    return await connection.fetchval(LINK, account_id, issuer, subject) is not None


async def note_sign_in(connection: Connection, account_id: int) -> None:
    """Remember when."""
    await connection.execute(SIGNED_IN, account_id)


async def disable(connection: Connection, account_id: int) -> None:
    """Nobody signs in with it from now on; its sessions are to be ended too. Raises `NotFound`."""
    _found(await connection.fetchval(DISABLE, account_id))


async def enable(connection: Connection, account_id: int) -> None:
    """It may be used again. Raises `NotFound`."""
    _found(await connection.fetchval(ENABLE, account_id))


async def duties_of(connection: Connection, account_id: int, today: date) -> tuple[Duty, ...]:
    """The roles that count today. Runs as `motma_gate`."""
    rows = await connection.fetch(DUTIES, account_id, today)
    return tuple(Duty(**{**row, "role": OfficerRole(row["role"])}) for row in rows)


async def give_role(
    connection: Connection,
    account_id: int,
    role: OfficerRole,
    *,
    agency_id: int,
    sector: str = "",
    valid_from: date,
    valid_to: date | None = None,
    delegated_by: int | None = None,
    given_by: int | None = None,
) -> int:
    """Give a role; its id. As `motma_console` only within the tenant. Raises `Invalid`."""
    if valid_to is not None and valid_to < valid_from:
        raise Invalid("dates", field="valid_to")
    try:
        async with connection.transaction():
            given: int = await connection.fetchval(
                GIVE, account_id, role, agency_id, clean(sector), valid_from, valid_to, delegated_by, given_by
            )
    except asyncpg.ForeignKeyViolationError:
        raise NotFound("There is no such account.") from None
    return given


async def take_role(connection: Connection, account_id: int, role_id: int) -> OfficerRole:
    """End a role; which it was. Raises `NotFound`."""
    return OfficerRole(_found(await connection.fetchval(TAKE, role_id, account_id)))


async def roles_held(connection: Connection, account_ids: Sequence[int]) -> dict[int, list[Held]]:
    """The roles of some accounts that have not been taken, past and future ones too."""
    found: dict[int, list[Held]] = {account_id: [] for account_id in account_ids}
    for row in await connection.fetch(HELD, [*account_ids]):
        held = {**row, "role": OfficerRole(row["role"])}
        held["role_id"] = held.pop("id")
        found[row["account_id"]].append(Held(**held))
    return found


def matches(account: Account, typed: str) -> bool:
    """Whether a list filtered by `typed` shows the account; with or without accents."""
    return folded(typed) in folded(f"{account.email} {account.name}")


def _found(value: Any) -> Any:  # noqa: ANN401 - whatever the statement returns
    if value is None:
        raise NotFound("There is no such account.")
    return value


def _account(row: Mapping[str, Any]) -> Account:
    return Account(**{("account_id" if name == "id" else name): value for name, value in row.items()})


STATEMENTS = (
    BY_EMAIL,
    BY_ID,
    BY_SUBJECT,
    LIST,
    CREATE,
    RENAME,
    SET_PASSWORD,
    SET_TOTP,
    USE_TOTP,
    LINK,
    SIGNED_IN,
    DISABLE,
    ENABLE,
    DUTIES,
    GIVE,
    TAKE,
    HELD,
)
