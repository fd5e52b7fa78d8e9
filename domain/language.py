"""The two languages citizens are answered in."""

from enum import StrEnum


class Language(StrEnum):
    """ISO 639-1 codes; Vietnamese is the default everywhere."""

    VIETNAMESE = "vi"
    ENGLISH = "en"

    __hash__ = str.__hash__  # in C, unlike Enum's own
