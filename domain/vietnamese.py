"""Vietnamese text: one normal form, and the form without accents."""

import re
import unicodedata

_MARKS = re.compile("[\u0300-\u036f]+")
_BARRED_D = str.maketrans({"đ": "d", "Đ": "D"})
# PostgreSQL text holds neither NUL nor lone surrogates; other control characters only harm logs and terminals.
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def nfc(text: str) -> str:
    """`text` in NFC, the form every entry stores and compares."""
    return unicodedata.normalize("NFC", text)


def clean(text: str) -> str:
    """`text` in NFC without what PostgreSQL or a terminal cannot hold, outer space removed."""
    return nfc(_UNSTORABLE.sub("", text)).strip()


def unaccented(text: str) -> str:
    """`text` without Vietnamese accents, case kept: 'Đặng Ứng' gives 'Dang Ung'.

    NFD takes the marks off every letter but đ, which has no decomposition.
    """
    return _MARKS.sub("", unicodedata.normalize("NFD", text)).translate(_BARRED_D)


def folded(text: str) -> str:
    """The key for matching typed words: no accents, lower case, single spaces."""
    return " ".join(unaccented(text).casefold().split())
