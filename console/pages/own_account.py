"""The officer's own account: sessions, password, the authenticator app, and the office worked for."""

from collections.abc import Mapping

import qrcode
from aiohttp import web

from console.accounts import get_account, rename, set_password, set_totp
from console.page import Page
from console.passkeys import drop_passkey, passkeys_of
from console.passwords import checked
from console.totp import address, matching_step, new_secret
from console.visit import HOME, Visit
from database.pool import Role
from domain.errors import ChangedMeanwhile, Invalid, Malformed, Unauthenticated
from lookup.sealing import Unsealable

_URL = f"{HOME}/toi"


async def show(visit: Visit) -> web.Response:
    """GET /console/toi"""
    return await _page(visit)


async def change_password(visit: Visit) -> web.Response:
    """POST …/mat-khau: the present one, and the new one twice. All other sessions end."""
    form, means = visit.form, visit.means
    new = form.raw("new_password")
    async with means.database.transaction(Role.GATE) as connection:
        account = await get_account(connection, visit.officer.account_id)
    if not await means.passwords.fits(form.raw("password"), account.password_hash):
        return await _page(visit, mistakes={"password": visit.say("own.password.wrong")}, status=422)
    if new != form.raw("repeated_password"):
        return await _page(visit, mistakes={"repeated_password": visit.say("own.password.differs")}, status=422)
    try:
        digest = await means.passwords.digest(checked(new, email=account.email))
    except Invalid as fault:
        return await _page(visit, mistakes={"new_password": visit.say(fault.message)}, status=422)
    async with visit.acting("own.password", subject=str(account.account_id)) as deed:
        await set_password(deed.connection, account.account_id, digest, given=False)
        await means.sessions.end_all(deed.connection, account.account_id, but=visit.session.session_id)
    return visit.see(_URL, done="own.password")


async def change_name(visit: Visit) -> web.Response:
    """POST …/ten"""
    account_id, version = visit.officer.account_id, visit.form.number("version")
    try:
        async with visit.acting("own.name", subject=str(account_id)) as deed:
            await rename(deed.connection, account_id, version=version or 0, name=visit.form.get("name")[:120])
    except ChangedMeanwhile:
        return await _page(visit, mistakes={"name": visit.say("conflict")}, status=409)
    return visit.see(_URL, done="saved")


async def offer_app(visit: Visit) -> web.Response:
    """POST …/ung-dung: a new secret, shown as a QR code; it counts once a code of it was typed."""
    return await _page(visit, offered=new_secret())


async def set_app(visit: Visit) -> web.Response:
    """POST …/ung-dung/xong: the first code of the app. A present app is replaced by a fresh proof only."""
    form, means, account_id = visit.form, visit.means, visit.officer.account_id
    try:
        secret = means.seal.open(bytes.fromhex(form.get("sealed")))
    except (ValueError, Unsealable):
        return visit.see(_URL)
    step = matching_step(secret, form.get("code"), now=means.clock(), after=0)
    if step is None:
        return await _page(visit, offered=secret, mistakes={"code": visit.say("second.refused")}, status=422)
    async with visit.acting("own.app", subject=str(account_id)) as deed:
        await set_totp(deed.connection, account_id, means.seal.seal(secret), step=step)
        await means.sessions.end_all(deed.connection, account_id, but=visit.session.session_id)
    async with means.database.transaction(Role.GATE) as connection:
        await means.sessions.strengthen(connection, visit.session, "totp")
    return visit.see(_URL, done="own.app")


async def drop_app(visit: Visit) -> web.Response:
    """POST …/ung-dung/bo"""
    async with visit.acting("own.app.dropped", subject=str(visit.officer.account_id)) as deed:
        await set_totp(deed.connection, visit.officer.account_id, None)
    return visit.see(_URL, done="own.app.dropped")


async def add_passkey(visit: Visit) -> web.Response:
    """POST …/khoa: the device's answer to the question on this page."""
    form, means, account_id = visit.form, visit.means, visit.officer.account_id
    if means.passkeys is None:
        return visit.see(_URL)
    name = form.get("name")[:60] or visit.say("passkey.unnamed")
    try:
        async with visit.acting("own.passkey", subject=str(account_id)) as deed:
            await means.passkeys.add(
                deed.connection, account_id, kept=form.raw("kept"), answer=form.raw("credential"), name=name
            )
    except (Unauthenticated, Malformed):
        return await _page(visit, mistakes={"passkey": visit.say("passkey.failed")}, status=422)
    return visit.see(_URL, done="own.passkey")


async def remove_passkey(visit: Visit) -> web.Response:
    """POST …/khoa/bo"""
    account_id = visit.officer.account_id
    try:
        credential_id = bytes.fromhex(visit.form.get("passkey"))
    except ValueError:
        return visit.see(_URL)
    async with visit.acting("own.passkey.dropped", subject=str(account_id)) as deed:
        await drop_passkey(deed.connection, account_id, credential_id)
    return visit.see(_URL, done="own.passkey.dropped")


async def end_session(visit: Visit) -> web.Response:
    """POST …/phien: one session, or with `all` every other one."""
    account_id, means = visit.officer.account_id, visit.means
    one = visit.form.number("session")
    async with visit.acting("own.session.ended", subject=str(account_id)) as deed:
        if visit.form.get("all"):
            await means.sessions.end_all(deed.connection, account_id, but=visit.session.session_id)
        elif one is not None:
            await means.sessions.end(deed.connection, account_id, one)
    return visit.see(_URL, done="own.session")


async def work_for(visit: Visit) -> web.Response:
    """POST …/co-quan: another of the offices the account has duties at."""
    office = visit.form.number("agency")
    if office in visit.officer.elsewhere and office is not None:
        async with visit.means.database.transaction(Role.GATE) as connection:
            await visit.means.sessions.work_for(connection, visit.session, office)
    return visit.see(HOME)


async def _page(
    visit: Visit, *, offered: str = "", mistakes: Mapping[str, str] | None = None, status: int = 200
) -> web.Response:
    means, account_id = visit.means, visit.officer.account_id
    async with means.database.transaction(Role.GATE) as connection:
        account = await get_account(connection, account_id)
        sessions = await means.sessions.list(connection, account_id)
        passkeys = await passkeys_of(connection, account_id)
        question = None
        if means.passkeys is not None and visit.session.fresh:
            question = await means.passkeys.offer(connection, account_id, account.email)
    return visit.render(
        "own_account.html",
        status=status,
        account=account,
        sessions=sessions,
        offices=[agency for other in visit.officer.elsewhere if (agency := means.registry.agency(other))],
        passkeys=passkeys,
        passkey=question,
        with_passkeys=means.passkeys is not None,
        offered=offered,
        sealed=means.seal.seal(offered).hex() if offered else "",
        qr=qr_path(address(offered, account=account.email)) if offered else None,
        mistakes=mistakes or {},
    )


def qr_path(text: str) -> tuple[int, str]:
    """The side of a QR code, its margin included, and the SVG path that draws it."""
    code = qrcode.QRCode(border=4)
    code.add_data(text)
    code.make(fit=True)
    matrix = code.get_matrix()
    dots = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(matrix) for x, dark in enumerate(row) if dark)
    return len(matrix), "".join(dots)


PAGE = Page(
    name="own_account",
    path="/toi",
    needs=None,
    shows=show,
    does={
        "/mat-khau": change_password,
        "/ten": change_name,
        "/ung-dung": offer_app,
        "/ung-dung/xong": set_app,
        "/ung-dung/bo": drop_app,
        "/khoa": add_passkey,
        "/khoa/bo": remove_passkey,
        "/phien": end_session,
        "/co-quan": work_for,
    },
    rare=frozenset({"/ung-dung", "/ung-dung/xong", "/ung-dung/bo", "/khoa", "/khoa/bo"}),
)
