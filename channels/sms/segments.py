"""How a text travels as SMS: the GSM 7-bit alphabet or UCS-2, and how many segments it takes.

Alphabet and lengths: 3GPP TS 23.038 (default alphabet, extension table), TS 23.040 (six octets of header in each part
of a long message leave 153 septets or 67 units).
"""

from dataclasses import dataclass
from enum import StrEnum

_DEFAULT_ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
ESCAPE = 0x1B

ONE_SEPTET = frozenset(_DEFAULT_ALPHABET) - {chr(ESCAPE)}
TWO_SEPTETS = frozenset(_EXTENSION.values())
GSM7 = ONE_SEPTET | TWO_SEPTETS


class Encoding(StrEnum):
    """The two encodings a phone is sent text in."""

    GSM7 = "GSM-7"
    UCS2 = "UCS-2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """What a text costs. `units` are septets or UTF-16 code units, as `encoding` says; `left` the room at the end."""

    encoding: Encoding
    count: int
    units: int
    left: int


SINGLE = {Encoding.GSM7: 160, Encoding.UCS2: 70}
PART = {Encoding.GSM7: 153, Encoding.UCS2: 67}


def fits_gsm7(text: str) -> bool:
    """Whether every character of `text` is in the GSM 7-bit alphabet or its extension."""
    return GSM7.issuperset(text)


def segments(text: str) -> Segments:
    """How `text` travels. A part never ends inside an escape pair or a surrogate pair, so parts may stay short of full.

    An empty text is one empty segment.
    """
    if fits_gsm7(text):
        encoding = Encoding.GSM7
        units = len(text) + sum(character in TWO_SEPTETS for character in text)
        widths = (2 if character in TWO_SEPTETS else 1 for character in text)
    else:
        encoding = Encoding.UCS2
        units = len(text) + sum(character > "\uffff" for character in text)
        widths = (2 if character > "\uffff" else 1 for character in text)
    if units <= SINGLE[encoding]:
        return Segments(encoding=encoding, count=1, units=units, left=SINGLE[encoding] - units)
    part = PART[encoding]
    count, filled = 1, 0
    for width in widths:
        if filled + width > part:
            count, filled = count + 1, 0
        filled += width
    return Segments(encoding=encoding, count=count, units=units, left=part - filled)


def cost(text: str, each: int) -> int:
    """What `text` costs at `each` đồng a segment, as it is written here."""
    return segments(text).count * each


def from_gsm7(octets: bytes) -> str:
    """The text of septets, one in each octet. An unknown escape shows its second septet (TS 23.038 6.2.1.1)."""
    characters = []
    septets = iter(octets)
    for septet in septets:
        if septet == ESCAPE:
            septet = next(septets, 0x20)
            characters.append(_EXTENSION.get(septet) or _DEFAULT_ALPHABET[septet & 0x7F])
        else:
            characters.append(_DEFAULT_ALPHABET[septet & 0x7F])
    return "".join(characters)
