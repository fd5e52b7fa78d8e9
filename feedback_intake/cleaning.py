"""Takes out of documents and recordings what says who made them, where and with what; run as a program of its own.

`python cleaning.py KIND` reads a file and writes it cleaned; it ends with an error for what it cannot clean. A program
of its own, with little memory and time, so that a file made to burst bursts alone (guarantee G59): nothing here is
imported by the service, and nothing of the service is imported here.
"""

import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

MOST_MEMORY = 768 * 1024 * 1024  # bytes
MOST_SECONDS = 8  # of a core

# What of a page is looked at. All else of the document (names, actions, scripts, files, forms' logic) stays behind.
_OF_A_PAGE = frozenset(
    {"/Type", "/Parent", "/MediaBox", "/CropBox", "/Rotate", "/UserUnit", "/Resources", "/Contents", "/Annots"}
)
# Of what lies on a page, how it looks: what was filled into a form, a stamp, a mark. Not who set it, and what it does.
_OF_A_MARK = frozenset({"/Type", "/Subtype", "/Rect", "/F", "/AP", "/AS", "/C", "/Border", "/BS"})
_MARKS = frozenset(
    {"/Widget", "/Stamp", "/FreeText", "/Ink", "/Line", "/Square", "/Circle", "/Polygon", "/PolyLine"}
    | {"/Highlight", "/Underline", "/Squiggly", "/StrikeOut"}
)
# What may stand in any object, and is never seen.
_NEVER_SEEN = ("/Metadata", "/PieceInfo", "/LastModified", "/AA", "/A", "/JS", "/EF", "/AF", "/OPI", "/StructParents")
_BOXES_OF_MP4 = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"})  # in which others are looked for
_SAY_WHO = frozenset({b"udta", b"meta", b"uuid"})
_NOTES = frozenset({b"xml ", b"uuid", b"uinf"})
_CHUNKS_OF_WAV = frozenset({b"fmt ", b"data", b"fact"})
_DEEPEST = 8
_APE = b"APETAGEX"


class CannotBeCleanedError(Exception):
    """This is none of its kind, or broken."""


def document(content: bytes) -> bytes:
    """A PDF with the look of its pages alone. Signatures in it are no proof afterwards: the file is another one."""
    from pypdf import PdfReader, PdfWriter  # noqa: PLC0415 - recordings need none of it
    from pypdf.generic import DictionaryObject, NameObject, StreamObject  # noqa: PLC0415

    reader = PdfReader(BytesIO(content), strict=False)
    if reader.is_encrypted:
        raise CannotBeCleanedError
    writer = PdfWriter()
    for page in reader.pages:
        _bare(page)
        writer.add_page(page)
    if not writer.pages:
        raise CannotBeCleanedError
    for each in writer._objects:  # noqa: SLF001 - there is no other way to all of them
        if isinstance(each, DictionaryObject):
            for name in _NEVER_SEEN:
                each.pop(name, None)
        if isinstance(each, StreamObject) and (bare := _PICTURES.get((_filters(each) or [""])[-1])):
            each._data = bare(each.get_data())  # noqa: SLF001 - as it is stored
            each[NameObject("/Filter")] = NameObject(_filters(each)[-1])
            each.pop("/DecodeParms", None)
    writer.metadata = None
    writer.pdf_header = "%PDF-1.7"
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def _bare(page: Any) -> None:  # noqa: ANN401 - of a library that is loaded late
    from pypdf.generic import ArrayObject, NameObject  # noqa: PLC0415

    for name in [name for name in page if name not in _OF_A_PAGE]:
        del page[name]
    marks = page.pop("/Annots", None)
    kept = ArrayObject()
    for mark in marks.get_object() if marks is not None else ():
        mark = mark.get_object()
        if mark.get("/Subtype") in _MARKS and "/AP" in mark:
            for name in [name for name in mark if name not in _OF_A_MARK]:
                del mark[name]
            if mark["/Subtype"] == "/Widget":  # what was filled in stays to be seen without the form around it
                mark[NameObject("/Subtype")] = NameObject("/Stamp")
            kept.append(mark)
    if kept:
        page[NameObject("/Annots")] = kept


def _filters(stream: Any) -> list[str]:  # noqa: ANN401 - of a library that is loaded late
    named = stream.get("/Filter", [])
    return [str(named)] if isinstance(named, str) else [str(each) for each in named]


def picture(jpeg: bytes) -> bytes:
    """A JPEG without what its camera wrote; its colours need the segment of Adobe, and nothing else beside itself."""
    if not jpeg.startswith(b"\xff\xd8"):
        return jpeg
    kept, place = [jpeg[:2]], 2
    while place + 4 <= len(jpeg) and jpeg[place] == 0xFF and jpeg[place + 1] != 0xDA:
        length = 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
        marker = jpeg[place + 1]
        if not (0xE1 <= marker <= 0xEF or marker == 0xFE) or marker == 0xEE:
            kept.append(jpeg[place : place + length])
        place += length
    return b"".join([*kept, jpeg[place:]])


def picture_2000(content: bytes) -> bytes:
    """A JPEG 2000 without its notes."""
    if content[4:8] != b"jP  ":
        return content
    boxes = _boxes(content, 0, len(content))
    return b"".join(content[begins:ends] for name, begins, ends in boxes if name not in _NOTES)


_PICTURES = {"/DCTDecode": picture, "/JPXDecode": picture_2000}


def mp3(content: bytes) -> bytes:
    """An MP3 without its tags, before and behind the sound."""
    while content.startswith(b"ID3"):
        if len(content) < 10 or any(byte > 0x7F for byte in content[6:10]):
            raise CannotBeCleanedError
        size = int.from_bytes(bytes([0]), "big")
        for byte in content[6:10]:
            size = size << 7 | byte
        content = content[10 + size + (10 if content[5] & 0x10 else 0) :]
    if content[-128:].startswith(b"TAG"):
        content = content[:-128]
    while (footer := content[-32:]).startswith(_APE):
        size = int.from_bytes(footer[12:16], "little") + (32 if int.from_bytes(footer[20:24], "little") >> 31 else 0)
        content = content[: -size or None] if size else content[:-32]
    return content.lstrip(b"\x00")


def ogg(content: bytes) -> bytes:
    """An Ogg recording (Opus, Vorbis, Speex, FLAC) without its comments."""
    from mutagen import File  # noqa: PLC0415 - documents need none of it

    at = BytesIO(content)
    found = File(at)
    if found is None:
        raise CannotBeCleanedError
    at.seek(0)
    found.delete(at)
    return at.getvalue()


def mp4(content: bytes) -> bytes:
    """An MPEG-4 recording in which what names people and places is empty. Nothing moves: sound is found by place."""
    cleaned = bytearray(content)
    if not any(name == b"moov" for name, _, _ in _boxes(content, 0, len(content))):
        raise CannotBeCleanedError
    _blank(content, cleaned, 0, len(content), 0)
    return bytes(cleaned)


def _blank(content: bytes, cleaned: bytearray, start: int, end: int, depth: int) -> None:
    for name, begins, ends in _boxes(content, start, end):
        if name in _SAY_WHO:
            header = begins + (16 if content[begins : begins + 4] == b"\0\0\0\1" else 8)
            cleaned[begins + 4 : begins + 8] = b"free"
            cleaned[header:ends] = bytes(ends - header)
        elif name in _BOXES_OF_MP4 and depth < _DEEPEST:
            _blank(content, cleaned, begins + 8, ends, depth + 1)


def _boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", content, start)
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", content, start + 8)
        elif size == 0:
            size = end - start
        if size < 8 or start + size > end:
            raise CannotBeCleanedError
        yield name, start, start + size
        start += size


def wav(content: bytes) -> bytes:
    """A WAV with its sound alone."""
    kept, place = [], 12
    while place + 8 <= len(content):
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        if content[place : place + 4] in _CHUNKS_OF_WAV:
            kept.append(content[place : place + 8 + size + (size & 1)])
        place += 8 + size + (size & 1)
    sound = b"".join(kept)
    if not sound:
        raise CannotBeCleanedError
    return b"RIFF" + struct.pack("<I", 4 + len(sound)) + b"WAVE" + sound


def as_it_is(content: bytes) -> bytes:
    """AMR has no place for anything but sound (RFC 4867)."""
    return content


CLEAN: dict[str, Callable[[bytes], bytes]] = {
    "application/pdf": document,
    "audio/mpeg": mp3,
    "audio/ogg": ogg,
    "audio/mp4": mp4,
    "audio/wav": wav,
    "audio/amr": as_it_is,
}


def main() -> int:
    """Read, clean, write. 1 for what cannot be cleaned."""
    with suppress(ImportError, OSError):  # not on every system
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    try:
        cleaned = CLEAN[sys.argv[1]](sys.stdin.buffer.read())
    except Exception:
        return 1
    sys.stdout.buffer.write(cleaned)
    return 0


if __name__ == "__main__":
    sys.exit(main())
