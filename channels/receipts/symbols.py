"""What machines read on a slip: QR codes (ISO/IEC 18004), and the dossier code as bars (Code 128, ISO/IEC 15417)."""

from dataclasses import dataclass

from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode
from reportlab.graphics.barcode.code128 import Code128

QUIET_ZONE = 4  # modules around a QR code
BAR_QUIET_ZONE = 10  # modules beside a bar code

# Which of the eight masks is laid over a code makes no difference here: the signature is as good as random already. To
# try them all, as qrcode does by itself, takes five times as long as everything else.
_MASK = 3
_SHORTEST_SEGMENT = 8  # characters worth a change of mode: a token in capitals takes a third less room


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Dark rectangles on a grid of modules: (column, row, width, height) each. The quiet zone is not part of it."""

    columns: int
    rows: int
    dark: tuple[tuple[int, int, int, int], ...]


def qr(text: str) -> Pattern:
    """`text` as a QR code of error level M, in its smallest version."""
    code = QRCode(error_correction=ERROR_CORRECT_M, mask_pattern=_MASK)
    code.add_data(text, optimize=_SHORTEST_SEGMENT)
    code.make(fit=True)
    size = code.modules_count
    return Pattern(columns=size, rows=size, dark=tuple(_runs(code.modules)))


def _runs(modules: list[list[bool | None]]) -> list[tuple[int, int, int, int]]:
    """The dark modules of each row, neighbours joined."""
    found = []
    for row, cells in enumerate(modules):
        start = None
        for column, dark in enumerate([*cells, False]):
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                found.append((start, row, column - start, 1))
                start = None
    return found


def bars(text: str) -> Pattern | None:
    """`text` as Code 128, one row high; None for text that is not ASCII."""
    if not text.isascii() or not text.isprintable():
        return None
    code = Code128(text, quiet=False)
    code.validate()
    code.encode()
    code.decompose()
    dark, column = [], 0
    for element in code.decomposed:  # widths as letters: A to D one to four modules, capitals dark
        width = ord(element.upper()) - ord("A") + 1
        if element.isupper():
            dark.append((column, 0, width, 1))
        column += width
    return Pattern(columns=column, rows=1, dark=tuple(dark))
