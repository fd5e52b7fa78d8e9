"""The house itself: its names belong to us alone."""

from importlib.metadata import packages_distributions

OURS = [
    "domain",
    "database",
    "lookup",
    "notifications",
    "feedback_intake",
    "cache",
    "pages",
    "channels",
    "console",
    "service",
]


def test_no_other_distribution_uses_our_names() -> None:
    owners = packages_distributions()  # lists nothing for an editable install, hence the .get
    assert {name for name in OURS if set(owners.get(name, ())) - {"mot-ma"}} == set()
