"""Guards of offices, files and the edge taken away, one at a time."""

from collections.abc import Callable

from database import pool


def tenant_of_the_session() -> None:
    """G52: whose rows are shown is set for the session, and stays when the transaction has ended."""
    assert pool.SET_TENANT.count("true") == 2
    pool.SET_TENANT = pool.SET_TENANT.replace("true", "false")


SECURITY_MUTANTS: dict[str, Callable[[], None]] = {mutant.__name__: mutant for mutant in (tenant_of_the_session,)}
