"""Guards of offices, files and the edge taken away, one at a time."""

from collections.abc import Callable
from typing import Any

import jinja2

from database import pool
from pages import rendering


def tenant_of_the_session() -> None:
    """G52: whose rows are shown is set for the session, and stays when the transaction has ended."""
    assert pool.SET_TENANT.count("true") == 2
    pool.SET_TENANT = pool.SET_TENANT.replace("true", "false")


def pages_not_escaped() -> None:
    """G56: what a page shows stands in it as it was written."""
    whole = jinja2.Environment

    def trusting(**given: Any) -> Any:
        return whole(**{**given, "autoescape": False})

    setattr(rendering, "Environment", trusting)


SECURITY_MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        tenant_of_the_session,
        pages_not_escaped,
    )
}
