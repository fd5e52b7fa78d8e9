"""What stands on a dossier's slip, the look-up secret made for it, and making earlier slips void."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

from database.pool import DATABASE_AWAY, Database, Role
from domain.civil_time import civil_day
from domain.errors import NotFound, Unavailable
from lookup.changes import Tenant
from lookup.receipt_tokens import Receipt
from lookup.sealing import Seal

MADE_SECRET_DIGITS = 8  # ten wrong ones an hour for a whole year find one in a thousand

FIND_SLIPS = """
    SELECT d.code, d.receiving_agency, d.received_at, d.due_at, d.secret_digest, p.name AS procedure_name,
           (SELECT s.secret_digest FROM receipt_secret s WHERE s.dossier_id = d.id) AS made_digest,
           (SELECT v.void_before FROM receipt_revocation v WHERE v.dossier_id = d.id) AS void_before
      FROM unnest($1::text[]) AS asked (code)
     CROSS JOIN LATERAL (SELECT c.dossier_id FROM dossier_code c
                          WHERE c.code = asked.code AND c.test = $2 LIMIT 1) AS found
     CROSS JOIN LATERAL (SELECT d.* FROM dossier d WHERE d.id = found.dossier_id LIMIT 1) AS d
      LEFT JOIN procedure p ON p.id = d.procedure_id"""
KEEP_SECRETS = """
    INSERT INTO receipt_secret (dossier_id, owner_agency, secret_digest)
    SELECT c.dossier_id, c.owner_agency, made.digest
      FROM unnest($1::text[], $2::bytea[]) AS made (code, digest)
      JOIN dossier_code c ON c.code = made.code AND c.test = $3
     ORDER BY c.dossier_id
        ON CONFLICT (dossier_id) DO UPDATE SET secret_digest = excluded.secret_digest, made_at = now()"""
# A receipt issued right after a revocation carries the next full second: a second revocation must lie after that.
REVOKE = """
    INSERT INTO receipt_revocation (dossier_id, owner_agency, void_before)
    SELECT c.dossier_id, c.owner_agency, now() FROM dossier_code c WHERE c.code = $1 AND c.test = $2
        ON CONFLICT (dossier_id) DO UPDATE
            SET void_before = greatest(now(), receipt_revocation.void_before + interval '1 second'), revoked_at = now()
    RETURNING void_before"""
OWNERS = """
    SELECT c.code, c.owner_agency, a.code AS agency_code
      FROM dossier_code c JOIN agency a ON a.id = c.owner_agency
     WHERE c.code = ANY ($1::text[]) AND NOT c.test"""

_ALMOST_A_SECOND = timedelta(microseconds=999_999)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlipFacts:
    """What the store knows for a slip. `receiving_agency` is our id of the office."""

    code: str
    receiving_agency: int
    procedure_name: str | None
    received_at: datetime | None
    due_at: datetime | None
    void_before: datetime | None
    secret_digests: tuple[bytes, ...] = field(repr=False)

    def receipt(self, office: str, now: datetime, *, specimen: bool) -> Receipt:
        """What the slip's token says when it is issued `now`; never void by a revocation that came before."""
        issued_at = now.replace(microsecond=0)
        if self.void_before and issued_at < self.void_before:
            issued_at = (self.void_before + _ALMOST_A_SECOND).replace(microsecond=0)
        return Receipt(
            code=self.code,
            office=office,
            received_on=civil_day(self.received_at) if self.received_at else None,
            due_on=civil_day(self.due_at) if self.due_at else None,
            issued_at=issued_at,
            specimen=specimen,
        )


class Receipts:
    """Reads and writes as the tenant, who sees the dossiers of its own agencies and nothing else."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def facts(self, tenant: Tenant, codes: Sequence[str]) -> list[SlipFacts]:
        """One for each of `codes` (canonical), in their order.

        Raises `NotFound` for the first that is unknown or somebody else's, and `Unavailable`.
        """
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                rows = {row["code"]: row for row in await connection.fetch(FIND_SLIPS, list(codes), tenant.test)}
        except DATABASE_AWAY as error:
            raise _away() from error
        for n, code in enumerate(codes):
            if code not in rows:
                raise NotFound("We hold no such dossier of yours.", field="code" if len(codes) == 1 else f"codes[{n}]")
        return [_facts(rows[code]) for code in codes]

    def is_its_secret(self, facts: SlipFacts, secret: str) -> bool:
        """Whether `secret` opens the dossier: a slip must not print one that does not."""
        digest = self._seal.proof_secret(facts.code, secret)
        return any(compare_digest(digest, known) for known in facts.secret_digests)

    async def keep_secrets(self, tenant: Tenant, made: Mapping[str, str]) -> None:
        """From now on these look-up secrets (by code) open their dossiers, in place of earlier ones made here.

        The secret the agency stated with the dossier stays good. Raises `Unavailable`.
        """
        digests = [self._seal.proof_secret(code, secret) for code, secret in made.items()]
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                await connection.execute(KEEP_SECRETS, list(made), digests, tenant.test)
        except DATABASE_AWAY as error:
            raise _away() from error

    async def revoke(self, tenant: Tenant, code: str) -> datetime:
        """Make every receipt of `code` issued until now void; the moment. Raises `NotFound`, `Unavailable`."""
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                at: datetime | None = await connection.fetchval(REVOKE, code, tenant.test)
        except DATABASE_AWAY as error:
            raise _away() from error
        if at is None:
            raise NotFound("We hold no such dossier of yours.", field="code")
        return at

    async def owners(self, codes: Sequence[str]) -> dict[str, Tenant]:
        """On whose behalf an operator prints slips: the agency each code belongs to; nothing for unknown codes."""
        async with self._database.transaction(Role.OPERATOR) as connection:
            rows = await connection.fetch(OWNERS, list(codes))
        return {
            row["code"]: Tenant(
                agency_id=row["owner_agency"], agency_code=row["agency_code"], test=False, api_key_id="receipt"
            )
            for row in rows
        }


def made_secret() -> str:
    """A new look-up secret: digits, which any telephone can type."""
    return f"{secrets.randbelow(10**MADE_SECRET_DIGITS):0{MADE_SECRET_DIGITS}d}"


def _facts(row: Mapping[str, Any]) -> SlipFacts:
    return SlipFacts(
        code=row["code"],
        receiving_agency=row["receiving_agency"],
        procedure_name=row["procedure_name"] or None,
        received_at=row["received_at"],
        due_at=row["due_at"],
        void_before=row["void_before"],
        secret_digests=tuple(digest for digest in (row["secret_digest"], row["made_digest"]) if digest),
    )


def _away() -> Unavailable:
    return Unavailable("The store cannot be reached at the moment. Please try again shortly.")


STATEMENTS = (FIND_SLIPS, KEEP_SECRETS, REVOKE, OWNERS)
