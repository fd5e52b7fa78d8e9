"""`motma accounts`: officers' accounts from the command line, and the verifier of what officers did."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable

from console.accounts import (
    Account,
    create_account,
    disable,
    enable,
    find_by_email,
    give_role,
    list_accounts,
    roles_held,
    set_password,
    set_totp,
)
from console.audit import Act, Audit, Fault, Finding
from console.passwords import Passwords, checked, given
from console.roles import OfficerRole
from console.sessions import Sessions
from console.visit import WORDS
from database.pool import Connection, Database, Role, open_database
from domain.civil_time import civil_day, utc_now
from domain.errors import Invalid, NotFound
from domain.language import Language
from lookup.sealing import Seal
from service.commands import Subcommands
from service.servers import open_seal, open_servers
from service.settings import Settings

AGENCY_BY_CODE = "SELECT id FROM agency WHERE code = $1 ORDER BY valid_to DESC NULLS FIRST LIMIT 1"
AT_ONCE = 500


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command and its parts."""
    actions = commands.add_parser("accounts", help="officers' accounts").add_subparsers(metavar="ACTION", required=True)

    create = actions.add_parser("create", parents=[data], help="make an account; its first password is printed once")
    create.add_argument("email", metavar="EMAIL", help="the address the officer signs in with")
    create.add_argument("--role", required=True, choices=list(OfficerRole), help="what the officer may do")
    create.add_argument("--agency", required=True, metavar="CODE", help="the office, and with it all below it")
    create.add_argument("--name", default="", metavar="TEXT", help="the officer's name")
    create.add_argument("--sector", default="", metavar="TEXT", help="only this sector (lĩnh vực); default all")
    create.set_defaults(run=lambda a, s: asyncio.run(_with(s, lambda d, k: _create(d, k, a))))

    show = actions.add_parser("list", parents=[data], help="every account with its roles")
    show.set_defaults(run=lambda _a, s: asyncio.run(_with(s, lambda d, _k: _list(d))))

    for name, what in (
        ("disable", "nobody signs in with it any more"),
        ("enable", "it may be used again"),
        ("reset", "a new first password; the authenticator app is forgotten, all sessions end"),
    ):
        one = actions.add_parser(name, parents=[data], help=what)
        one.add_argument("email", metavar="EMAIL")
        one.set_defaults(run=lambda a, s, name=name: asyncio.run(_with(s, lambda d, k: _change(d, k, name, a.email))))

    password = actions.add_parser("password", parents=[data], help="set a password that is typed here")
    password.add_argument("email", metavar="EMAIL")
    password.set_defaults(run=lambda a, s: asyncio.run(_with(s, lambda d, k: _password(d, k, a.email))))

    verify = actions.add_parser("verify-audit", parents=[data], help="read the record of acts; name what was changed")
    verify.add_argument("--head", metavar="HEAD", help="the head an earlier run printed: finds what was cut off since")
    verify.set_defaults(run=lambda a, s: asyncio.run(_with(s, lambda d, k: _verify(d, k, a.head))))


async def make_account(
    database: Database,
    seal: Seal,
    *,
    email: str,
    role: OfficerRole,
    agency: str,
    name: str = "",
    sector: str = "",
    password: str | None = None,
) -> str:
    """A new account, or one more role of an account there is; the password of a new one, empty for the other.

    `password` is one that need not be changed. Raises `NotFound`, `Invalid`.
    """
    first = password or given()
    digest = await Passwords().digest(first)
    async with database.transaction(Role.OPERATOR) as connection:
        agency_id = await connection.fetchval(AGENCY_BY_CODE, agency)
        if agency_id is None:
            raise NotFound(f"There is no agency {agency}.")
        account = await find_by_email(connection, email.strip().lower())
        account_id = account.account_id if account else None
        if account_id is None:
            account_id = await create_account(
                connection,
                email=email,
                name=name,
                agency_id=agency_id,
                password_hash=digest,
                given=password is None,
            )
        today = civil_day(utc_now())
        await give_role(connection, account_id, role, agency_id=agency_id, sector=sector, valid_from=today)
        await _note(connection, seal, "account.create", account_id, agency_id, role=role, sector=sector)
    return "" if account else first


async def _with(settings: Settings, work: Callable[[Database, Seal], Awaitable[int]]) -> int:
    async with (
        open_servers(settings) as servers,
        open_database(servers.database_url, roles=(Role.OPERATOR,), application="accounts") as database,
    ):
        return await work(database, open_seal(settings))


async def _create(database: Database, seal: Seal, arguments: argparse.Namespace) -> int:
    role = OfficerRole(arguments.role)
    try:
        password = await make_account(
            database,
            seal,
            email=arguments.email,
            role=role,
            agency=arguments.agency,
            name=arguments.name,
            sector=arguments.sector,
        )
    except Invalid as fault:
        raise Invalid(f"{arguments.email!r} is no e-mail address.", field=fault.field) from None
    print(f"{arguments.email.lower()} is {role} at {arguments.agency}.")
    if password:
        print(f"First password, to be changed when signing in: {password}")
    return 0


async def _list(database: Database) -> int:
    after = 0
    async with database.transaction(Role.OPERATOR) as connection:
        while accounts := await list_accounts(connection, after=after, most=AT_ONCE):
            held = await roles_held(connection, [account.account_id for account in accounts])
            for account in accounts:
                roles = ", ".join(f"{one.role}@{one.agency_code}" for one in held[account.account_id])
                print(f"{account.account_id:6}  {account.email:40}  {_state(account):12}  {roles or 'no role'}")
            after = accounts[-1].account_id
    if not after:
        print("There are no accounts yet. Make one with `motma accounts create EMAIL --role ROLE --agency CODE`.")
    return 0


async def _change(database: Database, seal: Seal, action: str, email: str) -> int:
    password = given()
    digest = await Passwords().digest(password)
    async with database.transaction(Role.OPERATOR) as connection:
        account = await _known(connection, email)
        if action == "enable":
            await enable(connection, account.account_id)
        elif action == "disable":
            await disable(connection, account.account_id)
        else:
            await set_password(connection, account.account_id, digest, given=True)
            await set_totp(connection, account.account_id, None)
        if action != "enable":
            await Sessions(seal).end_all(connection, account.account_id)
        await _note(connection, seal, f"account.{action}", account.account_id, account.agency_id)
    print(f"{account.email}: {action} done.")
    if action == "reset":
        print(f"New first password, to be changed when signing in: {password}")
    return 0


async def _password(database: Database, seal: Seal, email: str) -> int:
    typed = getpass.getpass("New password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        digest = await Passwords().digest(checked(typed, email=email))
    except Invalid as fault:
        raise Invalid(WORDS.say(Language.ENGLISH, fault.message)) from None
    async with database.transaction(Role.OPERATOR) as connection:
        account = await _known(connection, email)
        await set_password(connection, account.account_id, digest, given=False)
        await Sessions(seal).end_all(connection, account.account_id)
        await _note(connection, seal, "account.password", account.account_id, account.agency_id)
    print(f"{account.email} has a new password.")
    return 0


async def _verify(database: Database, seal: Seal, head: str | None) -> int:
    async with database.connection(Role.OPERATOR) as connection:
        verdict = await Audit(seal).verify(connection, kept_head=head)
    for finding in verdict.findings:
        print(_sentence(finding))
    print(f"{verdict.rows:,} rows read, {len(verdict.findings)} findings. Head: {verdict.head}")
    if not verdict.findings:
        print("Keep the head elsewhere and give it to the next run with --head.")
    return 1 if verdict.findings else 0


def _sentence(finding: Finding) -> str:
    rows = f"Row {finding.number}"
    if finding.until is not None and finding.until > finding.number:
        rows = f"Rows {finding.number} to {finding.until}"
    match finding.fault:
        case Fault.MISSING:
            return f"{rows}: deleted."
        case Fault.MOVED:
            return f"{rows}: stood as row {finding.was} when it was written."
        case Fault.CUT:
            return f"{rows}: the newest rows were cut off."
        case Fault.UNLINKED:
            return f"{rows}: does not follow the row before it, which was replaced."
        case _:
            return f"{rows}: changed after it was written."


async def _known(connection: Connection, email: str) -> Account:
    account = await find_by_email(connection, email.strip().lower())
    if account is None:
        raise NotFound(f"There is no account {email}.")
    return account


async def _note(
    connection: Connection, seal: Seal, action: str, account_id: int, agency_id: int, **facts: str | int | None
) -> None:
    """From the command line nobody is signed in: the record says so by naming no account."""
    act = Act(action=action, account_id=None, agency_id=agency_id, subject=str(account_id), facts=facts)
    await Audit(seal).note(connection, act)


def _state(account: Account) -> str:
    if account.disabled_at is not None:
        return "disabled"
    return "never in" if account.signed_in_at is None else f"in {account.signed_in_at:%Y-%m-%d}"


STATEMENTS = (AGENCY_BY_CODE,)
