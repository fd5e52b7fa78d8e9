"""Codes and phone numbers in a text on a page stay on one line, as far as it is long enough for them."""

import re

from markupsafe import Markup, escape

# Words joined by hyphens with a digit in them; numbers in groups that are as long as a phone number.
_CODE = r"\b(?=[\w./-]{0,64}\d)\w[\w./]{0,64}(?:-[\w./]{0,64}(?<=\w)){1,8}"
_PHONE = r"(?<![\d/])(?=(?:\D?\d){8,12}(?!\d))\+?\d{2,4}(?:[ .]\d{2,4}){1,4}(?![\d/])"
_WHOLE = re.compile(f"({_CODE}|{_PHONE})")
_KEPT = Markup('<span class="unbroken">{}</span>')


def unbroken(text: str) -> Markup:
    """`text` for a page, its codes and phone numbers each in a box that moves to the next line as a whole."""
    return Markup().join(
        _KEPT.format(part) if place % 2 else escape(part) for place, part in enumerate(_WHOLE.split(text))
    )
