"""Signing in: one answer in the same time for whoever may not, a second proof for who has one, limits on guessing."""

from dataclasses import dataclass
from datetime import timedelta

from cache.limits import Limit
from console.accounts import (
    Account,
    address,
    duties_of,
    find_by_email,
    find_by_subject,
    get_account,
    link_elsewhere,
    note_sign_in,
    set_password,
    use_totp,
)
from console.audit import Act
from console.elsewhere import Person
from console.means import Means
from console.passwords import outdated
from console.sessions import Session
from console.totp import matching_step
from database.pool import DATABASE_AWAY, Connection, Role
from domain.civil_time import civil_day
from domain.errors import Invalid, TooMany, Unauthenticated, Unavailable
from domain.vietnamese import clean

# Guesses: at one account from anywhere, and from one address at any account. What was right is given back.
AT_ACCOUNT = Limit.parse("sign_in_account", "10/hour", burst=5)
FROM_ORIGIN = Limit.parse("sign_in_origin", "60/hour", burst=20)
AT_SECOND = Limit.parse("sign_in_second", "10/hour", burst=5)

PASSWORD, TOTP, PASSKEY, ELSEWHERE, ELSEWHERE_STRONG = "password", "totp", "passkey", "elsewhere", "elsewhere+"
# Sufficient for a strong role.
TWO_PROOFS = (
    frozenset({PASSWORD, TOTP}),
    frozenset({ELSEWHERE, TOTP}),
    frozenset({PASSKEY}),
    frozenset({ELSEWHERE_STRONG}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session has begun; `complete` unless a second proof is still to come."""

    token: str
    complete: bool


def strong(proofs: frozenset[str]) -> bool:
    """Whether these are two proofs, or one that counts as two."""
    return any(enough <= proofs for enough in TWO_PROOFS)


class SigningIn:
    """Checks proofs and begins sessions. Raises `Unavailable` with the store away."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def by_password(self, email: str, password: str, *, origin: str, browser: str) -> SignedIn:
        """Raises `Unauthenticated` for whatever is wrong, and `TooMany`, whether there is such an account or not."""
        try:
            email = address(email)
        except Invalid:
            email = clean(email).casefold()[:254]
        await self._spend(FROM_ORIGIN, origin)
        await self._spend(AT_ACCOUNT, email)
        try:
            async with self._means.database.transaction(Role.GATE) as connection:
                account = await find_by_email(connection, email)
            # No connection is held while a digest is made.
            right = await self._means.passwords.fits(password, account.password_hash if account else None)
            if account is None or not right or account.disabled_at is not None:
                await self._refused(account, origin)
                raise Unauthenticated("These do not fit together.")
            await self._means.limits.give_back(AT_ACCOUNT, email)
            await self._means.limits.give_back(FROM_ORIGIN, origin)
            async with self._means.database.transaction(Role.GATE) as connection:
                if account.password_hash and outdated(account.password_hash):
                    digest = await self._means.passwords.digest(password)
                    await set_password(connection, account.account_id, digest, given=account.password_given)
                complete = account.totp_sealed is None
                token = await self.begin(connection, account, frozenset({PASSWORD}), browser, complete=complete)
        except DATABASE_AWAY as error:
            raise _away() from error
        return SignedIn(token=token, complete=complete)

    async def by_passkey(self, *, kept: str, answer: str, origin: str, browser: str) -> str:
        """A device's answer; the token. It counts as two proofs: the key, and what unlocks the device.

        Raises `Unauthenticated`, `TooMany`, `Malformed`.
        """
        if self._means.passkeys is None:
            raise Unauthenticated("There are no passkeys here.")
        await self._spend(FROM_ORIGIN, origin)
        try:
            async with self._means.database.transaction(Role.GATE) as connection:
                account_id = await self._means.passkeys.whose(connection, kept=kept, answer=answer)
                account = await get_account(connection, account_id)
                if account.disabled_at is not None:
                    raise Unauthenticated("The device's answer does not fit.")
                token = await self.begin(connection, account, frozenset({PASSKEY}), browser, complete=True)
        except DATABASE_AWAY as error:
            raise _away() from error
        await self._means.limits.give_back(FROM_ORIGIN, origin)
        return token

    async def by_person(self, person: Person, *, browser: str) -> str:
        """Somebody whom the identity provider vouches for; the token. Raises `Unauthenticated` for who has no account.

        The first time the account is found by the verified address, from then on by who he is there.
        """
        refusal = Unauthenticated("There is no account for this person.")
        try:
            async with self._means.database.transaction(Role.GATE) as connection:
                account = await find_by_subject(connection, person.issuer, person.subject)
                if account is None and person.email is not None:
                    account = await find_by_email(connection, person.email.lower())
                    if account is not None and not await link_elsewhere(
                        connection, account.account_id, person.issuer, person.subject
                    ):
                        account = None
                if account is None or account.disabled_at is not None:
                    raise refusal
                proofs = frozenset({ELSEWHERE_STRONG if person.strong else ELSEWHERE})
                # A second step that was set up here is asked for here, unless the provider had one.
                complete = person.strong or account.totp_sealed is None
                return await self.begin(connection, account, proofs, browser, complete=complete)
        except DATABASE_AWAY as error:
            raise _away() from error

    async def by_totp(self, session: Session, code: str, *, browser: str) -> str:
        """The second step: ends the half session and begins a whole one; its token. Raises `Unauthenticated`."""
        await self._spend(AT_SECOND, str(session.account_id))
        try:
            async with self._means.database.transaction(Role.GATE) as connection:
                account = await get_account(connection, session.account_id)
                if not await self._totp_fits(connection, account, code):
                    raise Unauthenticated("This code does not fit.")
                await self._means.sessions.end(connection, account.account_id, session.session_id)
                token = await self.begin(connection, account, session.proofs | {TOTP}, browser, complete=True)
        except DATABASE_AWAY as error:
            raise _away() from error
        await self._means.limits.give_back(AT_SECOND, str(session.account_id))
        return token

    async def prove_again(self, session: Session, *, password: str, code: str) -> bool:
        """A proof shown during a session, for what is rare: the app's code where there is one, else the password."""
        await self._spend(AT_SECOND, str(session.account_id))
        try:
            async with self._means.database.transaction(Role.GATE) as connection:
                account = await get_account(connection, session.account_id)
            if account.totp_sealed is not None:
                async with self._means.database.transaction(Role.GATE) as connection:
                    fits = await self._totp_fits(connection, account, code)
            else:
                fits = await self._means.passwords.fits(password, account.password_hash)
            if not fits:
                return False
            async with self._means.database.transaction(Role.GATE) as connection:
                await self._means.sessions.prove(connection, session)
        except DATABASE_AWAY as error:
            raise _away() from error
        await self._means.limits.give_back(AT_SECOND, str(session.account_id))
        return True

    async def begin(
        self, connection: Connection, account: Account, proofs: frozenset[str], browser: str, *, complete: bool
    ) -> str:
        """Begin a session of an account that has shown `proofs`; its token. Runs as `motma_gate`."""
        duties = await duties_of(connection, account.account_id, civil_day(self._means.clock()))
        offices = [duty.agency_id for duty in duties]
        office = account.agency_id if account.agency_id in offices or not offices else offices[0]
        token = await self._means.sessions.begin(
            connection,
            account_id=account.account_id,
            agency_id=office,
            proofs=proofs,
            complete=complete,
            browser=browser,
        )
        await self._means.sessions.forget(connection)
        if complete:
            await note_sign_in(connection, account.account_id)
            await self._note(connection, account, "sign_in", proofs="+".join(sorted(proofs)))
        return token

    async def _totp_fits(self, connection: Connection, account: Account, code: str) -> bool:
        if account.totp_sealed is None:
            return False
        secret = self._means.seal.open(account.totp_sealed)
        step = matching_step(secret, code, now=self._means.clock(), after=account.totp_step)
        return step is not None and await use_totp(connection, account.account_id, step)

    async def _spend(self, limit: Limit, subject: str) -> None:
        verdict = await self._means.limits.take(limit, subject)
        if not verdict.allowed:
            raise TooMany("Too many attempts.", after=timedelta(seconds=verdict.retry_after))

    async def _refused(self, account: Account | None, origin: str) -> None:
        """Noted whether there is such an account or not: it takes as long, and guessing shows in the record."""
        shown = self._means.seal.digest("address", origin).hex()[:16]
        async with self._means.database.transaction(Role.GATE) as connection:
            await self._note(connection, account, "sign_in.refused", origin=shown)

    async def _note(
        self, connection: Connection, account: Account | None, action: str, **facts: str | int | None
    ) -> None:
        act = Act(
            action=action,
            account_id=account.account_id if account else None,
            agency_id=account.agency_id if account else None,
            subject=str(account.account_id) if account else None,
            facts=facts,
        )
        await self._means.audit.note(connection, act)


def _away() -> Unavailable:
    return Unavailable("The store cannot be reached at the moment. Please try again shortly.")
