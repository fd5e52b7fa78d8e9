"""Passkeys (WebAuthn level 2): a key in the officer's device that no false page can ask for."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from database.pool import Connection
from domain.errors import Malformed, NotFound, Unauthenticated
from lookup.sealing import Seal, Unsealable

FRESH = 600  # seconds between the question and its answer
MOST = 10  # of one account

ADD = """
    INSERT INTO passkey (credential_id, account_id, credential_data, sign_count, name) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (credential_id) DO NOTHING RETURNING credential_id"""
OF_ACCOUNT = """
    SELECT p.credential_id, p.credential_data, p.name, p.created_at, p.used_at
      FROM passkey p WHERE p.account_id = $1 ORDER BY p.created_at"""
FIND = "SELECT p.account_id, p.credential_data, p.sign_count FROM passkey p WHERE p.credential_id = $1"
# A counter that does not rise says that the key was copied; keys that are synchronised have none and say 0.
USE = """
    UPDATE passkey SET sign_count = $2, used_at = now()
     WHERE credential_id = $1 AND ($2 > sign_count OR ($2 = 0 AND sign_count = 0)) RETURNING account_id"""
DROP = "DELETE FROM passkey WHERE account_id = $1 AND credential_id = $2 RETURNING credential_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """One passkey as its owner sees it."""

    credential_id: bytes
    name: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the browser asks the device (JSON), and what we must be given back with the answer (sealed)."""

    options: str
    kept: str


class Passkeys:
    """Asks for passkeys and checks answers. `url` is where officers reach us; its host is what keys are bound to."""

    def __init__(self, seal: Seal, url: str) -> None:
        self._seal = seal
        place = urlsplit(url)
        origin = f"{place.scheme}://{place.netloc}"
        party = PublicKeyCredentialRpEntity(name="Một Mã", id=place.hostname or "")
        self._server = Fido2Server(party, verify_origin=lambda given: given == origin)

    async def offer(self, connection: Connection, account_id: int, email: str) -> Question:
        """A question for a new key of an account. Runs as `motma_gate`."""
        user = PublicKeyCredentialUserEntity(name=email, id=account_id.to_bytes(8, "big"), display_name=email)
        known = [
            PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=row["credential_id"])
            for row in await connection.fetch(OF_ACCOUNT, account_id)
        ]
        options, state = self._server.register_begin(
            user,
            known,
            resident_key_requirement=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return self._question(options, state)

    async def add(self, connection: Connection, account_id: int, *, kept: str, answer: str, name: str) -> None:
        """Keep the key a device has made. Raises `Unauthenticated`, `Malformed`. Runs as `motma_gate`."""
        try:
            data = self._server.register_complete(self._state(kept), _read(answer))
        except (ValueError, TypeError, KeyError):
            raise Unauthenticated("The device's answer does not fit.") from None
        credential = data.credential_data
        if credential is None or len(await connection.fetch(OF_ACCOUNT, account_id)) >= MOST:
            raise Unauthenticated("The device's answer does not fit.")
        row = (credential.credential_id, account_id, bytes(credential), data.counter, name)
        if await connection.fetchval(ADD, *row) is None:
            raise Unauthenticated("The device's answer does not fit.")

    def ask(self) -> Question:
        """A question for whoever signs in: the device says who it is."""
        options, state = self._server.authenticate_begin(user_verification=UserVerificationRequirement.REQUIRED)
        return self._question(options, state)

    async def whose(self, connection: Connection, *, kept: str, answer: str) -> int:
        """The account whose key answered. Raises `Unauthenticated`, `Malformed`. Runs as `motma_gate`."""
        refusal = Unauthenticated("The device's answer does not fit.")
        given = _read(answer)
        try:
            response = AuthenticationResponse.from_dict(given)
            row = await connection.fetchrow(FIND, response.raw_id)
            known = [AttestedCredentialData(row["credential_data"])] if row else []
            self._server.authenticate_complete(self._state(kept), known, response)
        except (ValueError, TypeError, KeyError):
            raise refusal from None
        count = response.response.authenticator_data.counter
        account_id: int | None = await connection.fetchval(USE, response.raw_id, count)
        if account_id is None:
            raise refusal
        return account_id

    def _question(self, options: Any, state: Any) -> Question:  # noqa: ANN401 - as the library has them
        kept = msgspec.json.encode({"state": state, "until": time.time() + FRESH}).decode()
        return Question(
            options=msgspec.json.encode(dict(options)["publicKey"]).decode(), kept=self._seal.seal(kept).hex()
        )

    def _state(self, kept: str) -> dict[str, Any]:
        try:
            read = msgspec.json.decode(self._seal.open(bytes.fromhex(kept)))
        except (ValueError, Unsealable, msgspec.MsgspecError):
            raise ValueError("not ours") from None
        if read["until"] < time.time():
            raise ValueError("too late")
        return dict(read["state"])


async def passkeys_of(connection: Connection, account_id: int) -> Sequence[Passkey]:
    """The keys of an account, the oldest first. Runs as `motma_gate` or `motma_console`."""
    return [
        Passkey(
            credential_id=row["credential_id"], name=row["name"], created_at=row["created_at"], used_at=row["used_at"]
        )
        for row in await connection.fetch(OF_ACCOUNT, account_id)
    ]


async def drop_passkey(connection: Connection, account_id: int, credential_id: bytes) -> None:
    """Forget a key. Raises `NotFound`."""
    if await connection.fetchval(DROP, account_id, credential_id) is None:
        raise NotFound("There is no such passkey.")


def _read(answer: str) -> dict[str, Any]:
    try:
        read = msgspec.json.decode(answer)
    except (msgspec.MsgspecError, RecursionError):
        raise Malformed("The device's answer cannot be read.") from None
    if not isinstance(read, dict):
        raise Malformed("The device's answer cannot be read.")
    return read


STATEMENTS = (ADD, OF_ACCOUNT, FIND, USE, DROP)
