"""Officers' sessions: in PostgreSQL under a digest of the cookie, bound to their browser, idle and absolute limits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Any

from database.pool import Connection
from lookup.sealing import Seal

IDLE = timedelta(minutes=30)  # OWASP: 15 to 30 minutes where the risk is not high
LONGEST = timedelta(hours=12)  # a working day, with its evening
TO_FINISH = timedelta(minutes=10)  # between the password and the second proof
STEP_UP = timedelta(minutes=10)  # how long a proof is fresh enough for what is rare and far-reaching
SEEN_EVERY = timedelta(minutes=1)  # so that not every page writes
KEPT = timedelta(days=90)  # ended sessions, for the list of an account's own
_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

BEGIN = """
    INSERT INTO session (digest, account_id, agency_id, proofs, complete, ends_at, device, browser_digest)
    VALUES ($1, $2, $3, $4, $5, now() + $6, $7, $8) RETURNING id"""
FIND = """
    SELECT s.id, s.account_id, s.agency_id, s.proofs, s.complete, s.began_at, s.seen_at, s.proven_at, s.browser_digest,
           now() AS now
      FROM session s JOIN account a ON a.id = s.account_id
     WHERE s.digest = $1 AND s.ended_at IS NULL AND s.ends_at > now() AND s.seen_at > now() - $2::interval
       AND a.disabled_at IS NULL"""
# Out of time, not ended by anybody: what was typed in it may still be kept for its owner.
WHOSE = """
    SELECT account_id FROM session WHERE digest = $1 AND browser_digest = $2 AND complete AND ended_at IS NULL"""
SEEN = "UPDATE session SET seen_at = now() WHERE id = $1"
WORK_FOR = "UPDATE session SET agency_id = $2 WHERE id = $1"
PROVEN = "UPDATE session SET proven_at = now() WHERE id = $1"
STRENGTHEN = (
    "UPDATE session SET proven_at = now(), proofs = array_append(proofs, $2) WHERE id = $1 AND $2 <> ALL (proofs)"
)
END = "UPDATE session SET ended_at = now() WHERE id = $1 AND account_id = $2 AND ended_at IS NULL RETURNING id"
END_ALL = """
    UPDATE session SET ended_at = now()
     WHERE account_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $2 RETURNING id"""
LIST = """
    SELECT s.id, s.device, s.began_at, s.seen_at, s.proofs
      FROM session s
     WHERE s.account_id = $1 AND s.complete AND s.ended_at IS NULL AND s.ends_at > now()
       AND s.seen_at > now() - $2::interval
     ORDER BY s.seen_at DESC LIMIT 50"""
FORGET = "DELETE FROM session WHERE ends_at < now() - $1::interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session. `token` is the cookie's, `fresh` whether a proof was shown a short while ago."""

    session_id: int
    account_id: int
    agency_id: int | None
    proofs: frozenset[str]
    complete: bool
    fresh: bool
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A session as its owner sees it in a list."""

    session_id: int
    device: str
    began_at: datetime
    seen_at: datetime
    proofs: frozenset[str]


class Sessions:
    """Begins, finds and ends sessions; all statements run as `motma_gate` unless said otherwise."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def begin(
        self,
        connection: Connection,
        *,
        account_id: int,
        agency_id: int | None,
        proofs: frozenset[str],
        complete: bool,
        browser: str,
    ) -> str:
        """A new session; the cookie's value, which is nowhere kept. An incomplete one waits for a second proof."""
        token = token_urlsafe(_TOKEN_BYTES)
        await connection.execute(
            BEGIN,
            self._digest(token),
            account_id,
            agency_id,
            sorted(proofs),
            complete,
            LONGEST if complete else TO_FINISH,
            device_of(browser),
            self._browser(browser),
        )
        return token

    async def find(self, connection: Connection, token: str, *, browser: str) -> Session | None:
        """The session of a cookie, if it is alive and comes from the browser it began in."""
        if not _TOKEN.fullmatch(token):
            return None
        row = await connection.fetchrow(FIND, self._digest(token), IDLE)
        if row is None:
            return None
        if row["browser_digest"] != self._browser(browser):
            await connection.execute(END, row["id"], row["account_id"])  # stolen, or a browser that changed its name
            return None
        if row["now"] - row["seen_at"] > SEEN_EVERY:
            await connection.execute(SEEN, row["id"])
        return _session(row, token)

    async def whose(self, connection: Connection, token: str, *, browser: str) -> int | None:
        """The account of a session that nobody ended, though its time may be over."""
        if not _TOKEN.fullmatch(token):
            return None
        account_id: int | None = await connection.fetchval(WHOSE, self._digest(token), self._browser(browser))
        return account_id

    async def work_for(self, connection: Connection, session: Session, agency_id: int) -> None:
        """From now on the officer works for another of the offices the account has duties at."""
        await connection.execute(WORK_FOR, session.session_id, agency_id)

    async def prove(self, connection: Connection, session: Session) -> None:
        """A proof was shown just now."""
        await connection.execute(PROVEN, session.session_id)

    async def strengthen(self, connection: Connection, session: Session, proof: str) -> None:
        """One more proof was shown."""
        await connection.execute(STRENGTHEN, session.session_id, proof)

    async def end(self, connection: Connection, account_id: int, session_id: int) -> bool:
        """End one session of an account; False when it has no such."""
        return await connection.fetchval(END, session_id, account_id) is not None

    async def end_all(self, connection: Connection, account_id: int, *, but: int | None = None) -> int:
        """End all sessions of an account, or all others; how many. Runs as `motma_console` or `motma_operator` too."""
        return len(await connection.fetch(END_ALL, account_id, but))

    async def list(self, connection: Connection, account_id: int) -> list[Known]:
        """The living sessions of an account, the latest seen first."""
        rows = await connection.fetch(LIST, account_id, IDLE)
        return [
            Known(
                session_id=row["id"],
                device=row["device"],
                began_at=row["began_at"],
                seen_at=row["seen_at"],
                proofs=frozenset(row["proofs"]),
            )
            for row in rows
        ]

    async def forget(self, connection: Connection) -> None:
        """Delete what ended long ago."""
        await connection.execute(FORGET, KEPT)

    def form_token(self, token: str) -> str:
        """What every form of the session carries, so that no other site can send one."""
        return self._seal.digest("console form", token).hex()

    def _digest(self, token: str) -> bytes:
        return self._seal.digest("console session", token)

    def _browser(self, browser: str) -> bytes:
        return self._seal.digest("console browser", browser)


# The first that fits; a name for the owner of a session, nothing more.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("coc_coc", "Cốc Cốc"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def device_of(browser: str) -> str:
    """'Firefox, Windows' of a User-Agent header; empty where it says neither."""
    found = (
        next((name for mark, name in _BROWSERS if mark.casefold() in browser.casefold()), ""),
        next((name for mark, name in _SYSTEMS if mark in browser), ""),
    )
    return ", ".join(filter(None, found))


def _session(row: Mapping[str, Any], token: str) -> Session:
    return Session(
        session_id=row["id"],
        account_id=row["account_id"],
        agency_id=row["agency_id"],
        proofs=frozenset(row["proofs"]),
        complete=row["complete"],
        fresh=row["now"] - row["proven_at"] <= STEP_UP,
        token=token,
    )


STATEMENTS = (BEGIN, FIND, WHOSE, SEEN, WORK_FOR, PROVEN, STRENGTHEN, END, END_ALL, LIST, FORGET)
