"""What the code in a picture says: a QR or bar code photographed from a slip. The picture is read, then dropped.

The readers, zxing-cpp and Pillow, come with the extra `pictures`; without them no picture says anything.
"""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import structlog

from domain.vietnamese import clean
from lookup.code_finder import ReadingKind, find, read

MOST_PICTURE = 5 * 1024 * 1024  # bytes; a photograph sent in a chat has a few hundred thousand
MOST_PIXELS = 25_000_000  # before anything is unpacked
ENOUGH = 2_000  # pixels a side: a larger JPEG is unpacked smaller
MOST_TEXT = 1_000  # characters; a receipt's address has about two hundred

# Unpacking and searching takes tenths of a second of a core: one picture at a time, so that it takes nobody's turn.
_READER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="picture")

_CITIZEN_CARD = re.compile(r"[0-9]{12}\|")  # what the QR code of a citizen's identity card begins with

log = structlog.get_logger()


async def code_in(picture: bytes, *, public_url: str) -> str:
    """The dossier code, or the address of a receipt of ours, that `picture` (JPEG, PNG, WebP) shows; '' for anything
    else.

    Its QR code counts, else its bar code. What other codes say, an identity card's above all, is nothing we were told,
    and goes no further.
    """
    if not picture or len(picture) > MOST_PICTURE:
        return ""
    said = await asyncio.get_running_loop().run_in_executor(_READER, _read, picture)
    if _CITIZEN_CARD.match(said):
        return ""
    if read(said).kind is ReadingKind.RECEIPT_TOKEN:
        return said if said.startswith(f"{public_url.rstrip('/')}/") else ""
    return said if find(said, limit=1) else ""


def _read(picture: bytes) -> str:
    """The text of the QR code, else of a bar code; '' where none can be read."""
    try:
        from PIL import Image  # noqa: PLC0415 - optional
        from zxingcpp import BarcodeFormat, BarcodeFormats, read_barcodes  # noqa: PLC0415 - optional
    except ImportError:
        return ""
    try:
        with Image.open(BytesIO(picture), formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > MOST_PIXELS:
                return ""
            image.draft("L", (ENOUGH, ENOUGH))
            formats = BarcodeFormats([BarcodeFormat.QRCode, BarcodeFormat.Code128, BarcodeFormat.Code39])
            found = read_barcodes(image.convert("L"), formats=formats)
    except Exception as error:  # Pillow raises what its decoders raise: there is no end to what a picture can be
        log.info("picture cannot be read", error=type(error).__qualname__)
        return ""
    texts = [code.text for code in sorted(found, key=lambda code: code.format != BarcodeFormat.QRCode)]
    return next((text for text in (clean(text) for text in texts) if 0 < len(text) <= MOST_TEXT), "")
