"""Where answers come from: the store, or something that wraps it."""

from collections.abc import Awaitable
from typing import Protocol

from domain.dossier import PublicDossier


class DossierSource(Protocol):
    """Finds the public facts of a dossier by its canonical code."""

    def find(self, code: str) -> Awaitable[PublicDossier | None]:
        """The dossier, or None when there is none. Raises `Unavailable` when nobody can tell."""
