"""Words of what is no feedback, though it sounds like it: the rules are `feedback_intake.sorting`'s."""

from feedback_intake.filing import Formal
from feedback_intake.sorting import resembles


def formal_in(text: str) -> Formal | None:
    """What `text` sounds like; None for feedback, and for an advertisement, which nobody answers by a question."""
    found = resembles(text)
    return None if found is Formal.SPAM else found
