"""What the console works with, handed to every page."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cache.limits import Limits
from console.audit import Audit
from console.drafts import Drafts
from console.passwords import Passwords
from console.sessions import Sessions
from database.pool import Database
from lookup.ingest import DossierWriter
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.ladder import Ladder
from pages.rendering import Pages
from pages.visitors import Visitors


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """The store, the words, the guards.

    `secure`: officers reach us by https. `two_proofs`: nobody holds a strong role with a password alone. `url` is where
    we are, `segment_price` what an SMS costs in đồng.
    """

    database: Database
    seal: Seal
    registry: Registry
    limits: Limits
    writer: DossierWriter
    ladder: Ladder
    pages: Pages
    visitors: Visitors
    audit: Audit
    drafts: Drafts
    passwords: Passwords
    sessions: Sessions
    clock: Callable[[], datetime]
    url: str
    secure: bool
    two_proofs: bool
    segment_price: int = 0
