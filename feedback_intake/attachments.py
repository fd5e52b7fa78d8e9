"""Files people send with feedback: what they are is told by their content, and they are made harmless or refused.

Pictures are painted anew, smaller, without what cameras write into them; one that shows the QR code of a citizen's
identity card is refused (NĐ 356/2025 Đ4.1: sensitive data). Documents and recordings lose what says who made them,
where and with what (`feedback_intake.cleaning`). Nothing that packs other things is taken, and nothing is unpacked
before its size is known, or in this process (guarantee G59).
"""

import asyncio
import hashlib
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import structlog

from domain.errors import Invalid
from domain.vietnamese import clean

LARGEST = 10 * 1024 * 1024  # bytes
LONGEST_NAME = 120
MOST_PIXELS = 10_000_000  # of pictures that must be unpacked whole
MOST_PIXELS_JPEG = 50_000_000  # a plain JPEG is unpacked smaller at once
SIDE = 2_560  # pixels; what is kept is no larger
MOST_SCANS = 64  # of a JPEG: each is a pass over the whole picture
QUALITY = 82
MOST_SECONDS = 15.0  # for cleaning one document or recording
_CLEANER = Path(__file__).with_name("cleaning.py")

# One at a time: unpacking takes tenths of a second of a core, and memory.
_PAINTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="attachment")
_CITIZEN_CARD = re.compile(r"[0-9]{12}\|")  # what the QR code of a citizen's identity card begins with
# What a document can do besides being read; names in clear are found, what an object stream packs is not.
_ACTIVE_PDF = re.compile(rb"/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|Encrypt|XFA)\b")
_MPEG_FRAME = re.compile(rb"\xff[\xe2-\xe7\xf2-\xff]")
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f/\\<>:\"|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]+")

log = structlog.get_logger()

# Looks for malware; raises `Unavailable` when it cannot. True: the content is clean.
Scan = Callable[[bytes], Awaitable[bool]]


class Unwanted(Invalid):
    """A file that is not kept; `why` is the key of the words for it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"This file cannot be kept: {why}.", field="files")
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file as it is kept. `digest`: of its content, hexadecimal."""

    name: str = field(repr=False)
    content_type: str
    content: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()


async def attachment(name: str, content: bytes, *, scan: Scan | None = None) -> Attachment:
    """The file as it is kept. Raises `Unwanted`, and what `scan` raises."""
    if not content:
        raise Unwanted("empty")
    if len(content) > LARGEST:
        raise Unwanted("too_large")
    kind = _kind(content)
    if kind is None:
        raise Unwanted("kind")
    if kind == "application/pdf" and _ACTIVE_PDF.search(content):
        raise Unwanted("active")
    if scan is not None and not await scan(content):
        raise Unwanted("malware")
    ending = _ENDINGS[kind]
    if kind.startswith("image/"):
        content = await asyncio.get_running_loop().run_in_executor(_PAINTER, _painted, content)
        kind, ending = "image/jpeg", "jpg"
    else:
        content = await asyncio.get_running_loop().run_in_executor(_PAINTER, _cleaned, kind, content)
    return Attachment(name=_name(name, ending), content_type=kind, content=content)


_ENDINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "application/pdf": "pdf",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/amr": "amr",
}


def _kind(content: bytes) -> str | None:
    """The content type by the first bytes; None for what is not taken."""
    head = content[:16]
    for begins, kind in (
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"%PDF-", "application/pdf"),
        (b"ID3", "audio/mpeg"),
        (b"OggS", "audio/ogg"),
        (b"#!AMR", "audio/amr"),
    ):
        if head.startswith(begins):
            return kind
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    if head[4:8] == b"ftyp" and head[8:11] in {b"M4A", b"3gp"}:
        return "audio/mp4"
    return "audio/mpeg" if _MPEG_FRAME.match(head) else None


def _painted(content: bytes) -> bytes:
    """The picture painted anew as JPEG. Raises `Unwanted`."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - optional: the extra `pictures`

    if content.startswith(b"\xff\xd8\xff") and content.count(b"\xff\xda") > MOST_SCANS:
        raise Unwanted("unreadable")
    try:
        with Image.open(BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
            plain = image.format == "JPEG" and not image.info.get("progressive")
            _check_size(image.width * image.height, MOST_PIXELS_JPEG if plain else MOST_PIXELS)
            image.draft("RGB", (SIDE, SIDE))
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((SIDE, SIDE))
            flat = Image.new("RGB", upright.size, "white")
            mask = upright.convert("RGBA") if upright.mode in {"RGBA", "LA", "P", "PA"} else None
            flat.paste(upright.convert("RGB") if mask is None else mask, mask=mask)
    except Unwanted:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # Pillow's own limit
        raise Unwanted("too_many_pixels") from None
    except Exception as error:  # Pillow raises what its decoders raise: there is no end to what a picture can be
        log.info("picture cannot be read", error=type(error).__qualname__)
        raise Unwanted("unreadable") from None
    if _shows_identity_card(flat):
        raise Unwanted("identity_card")
    out = BytesIO()
    flat.save(out, "JPEG", quality=QUALITY, optimize=False)
    return out.getvalue()


def _cleaned(kind: str, content: bytes) -> bytes:
    """The document or recording with what is seen and heard alone. Raises `Unwanted`."""
    try:
        # A file of ours, and a kind of our own: neither comes from outside. -I: nothing but what is installed is run.
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", _CLEANER, kind], input=content, capture_output=True, timeout=MOST_SECONDS, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        log.info("file cannot be cleaned", kind=kind, error=type(error).__qualname__)
        raise Unwanted("unreadable") from None
    if len(done.stdout) > LARGEST:
        raise Unwanted("too_large")
    return done.stdout


def _check_size(pixels: int, most: int) -> None:
    """Before anything is unpacked."""
    if pixels > most:
        raise Unwanted("too_many_pixels")


def _shows_identity_card(image: object) -> bool:
    try:
        from zxingcpp import BarcodeFormat, BarcodeFormats, read_barcodes  # noqa: PLC0415 - optional
    except ImportError:
        return False
    found = read_barcodes(image, formats=BarcodeFormats([BarcodeFormat.QRCode]))
    return any(_CITIZEN_CARD.match(code.text) for code in found)


def _name(name: str, ending: str) -> str:
    """A file name that harms nobody: no path, no control characters, the ending of what it is."""
    stem = _NOT_IN_NAMES.sub(" ", clean(name).replace("\\", "/").rpartition("/")[2])
    stem = stem.rpartition(".")[0] or stem
    return f"{' '.join(stem.split()).strip('. ')[:LONGEST_NAME] or 'file'}.{ending}"
