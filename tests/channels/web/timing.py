"""Spans of time as tests write them."""

from datetime import timedelta


def minutes(n: float) -> timedelta:
    """`n` minutes."""
    return timedelta(minutes=n)
