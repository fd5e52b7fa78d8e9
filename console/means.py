"""What the console works with, handed to every page."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from cache.limits import Limits
from console.audit import Audit
from console.drafts import Drafts
from console.elsewhere import Elsewhere
from console.entering import Entering
from console.feedback_desk import FeedbackDesk
from console.passkeys import Passkeys
from console.passwords import Passwords
from console.sessions import Sessions
from database.pool import Database
from lookup.ingest import DossierWriter
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.apologies import Apologies
from notifications.ladder import Ladder
from pages.rendering import Pages
from pages.visitors import Visitors


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """The store, the words, the guards.

    `elsewhere` is the identity provider, `passkeys` are there where our address has a name (WebAuthn knows no numbers).
    `secure`: officers reach us by https. `two_proofs`: nobody holds a strong role with a password alone. `url` is where
    we are, `segment_price` what an SMS costs in đồng.
    """

    database: Database
    seal: Seal
    registry: Registry
    limits: Limits
    writer: DossierWriter
    ladder: Ladder
    apologies: Apologies
    entering: Entering
    pages: Pages
    visitors: Visitors
    feedback: FeedbackDesk
    audit: Audit
    drafts: Drafts
    passwords: Passwords
    sessions: Sessions
    elsewhere: Elsewhere | None
    passkeys: Passkeys | None
    clock: Callable[[], datetime]
    url: str
    secure: bool
    two_proofs: bool
    read_again: Callable[[str], Awaitable[object]]  # what an agency (its code) sent and we could not understand
    segment_price: int = 0
