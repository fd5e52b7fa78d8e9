"""Files people send: made harmless, or refused at once."""

import asyncio
import io
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pypdfium2
import pytest
from mutagen.ogg import OggPage
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.errors import PdfReadError
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    EncodedStreamObject,
    NameObject,
    StreamObject,
    TextStringObject,
)
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from zxingcpp import BarcodeFormat, create_barcode, write_barcode_to_image

from domain.errors import Unavailable
from feedback_intake.attachments import LARGEST, MOST_SCANS, MOST_SECONDS, Unwanted, attachment
from feedback_intake.clamd import Clamd

PDF = (  # a blank page, as it is after cleaning
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n2 0 obj\n<<\n/Type /Pages\n/Count 1\n/Kids [ 4 0 R ]\n>>\nendobj\n"
    b"3 0 obj\n<<\n/Type /Catalog\n/Pages 2 0 R\n>>\nendobj\n4 0 obj\n<<\n/Type /Page\n/Resources <<\n"
    b">>\n/MediaBox [ 0.0 0.0 200 200 ]\n/Parent 2 0 R\n>>\nendobj\nxref\n0 5\n0000000001 65535 f \n"
    b"0000000000 00001 f \n0000000015 00000 n \n0000000074 00000 n \n0000000123 00000 n \ntrailer\n<<\n"
    b"/Size 5\n/Root 3 0 R\n>>\nstartxref\n217\n%%EOF\n"
)


def picture(form: str = "JPEG", size: tuple[int, int] = (640, 480), **how: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (40, 120, 90)).save(out, form, **how)
    return out.getvalue()


def bomb(side: int) -> bytes:
    """A PNG that says it is so large, and unpacks to it: some kilobytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = zlib.compress(bytes((side + 1) * 64), 9) * 1
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
async def test_a_picture_is_painted_anew_without_what_the_camera_wrote(form: str) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "secret-camera", 6
    kept = await attachment("ảnh của tôi.HEIC", picture(form, (400, 300), exif=exif))
    assert (kept.name, kept.content_type) == ("ảnh của tôi.jpg", "image/jpeg")
    assert b"secret-camera" not in kept.content
    with Image.open(io.BytesIO(kept.content)) as image:
        assert not image.getexif()
        assert image.size == (300, 400)  # upright, as its camera said


async def test_a_large_photograph_is_kept_smaller() -> None:
    kept = await attachment("a.jpg", picture("JPEG", (6000, 4000)))
    with Image.open(io.BytesIO(kept.content)) as image:
        assert max(image.size) == 2560


async def test_names_harm_nobody() -> None:
    for name in ("../../etc/passwd", "C:\\x\\passwd", "passwd\u202efdp.exe", "\x00/passwd.jpg"):
        kept = await attachment(name, PDF)
        assert kept.name.startswith("passwd")
        assert kept.name.endswith(".pdf")
    assert (await attachment("", PDF)).name == "file.pdf"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" + bytes(100), "kind"),  # archives and office files
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "kind"),
        (b"MZ" + bytes(100), "kind"),
        (bytes(LARGEST + 1), "too_large"),
        (b"%PDF-1.7\n<</OpenAction<</S/JavaScript/JS(app.alert())>>>>", "active"),
        (b"%PDF-1.7\n<</EmbeddedFiles 3 0 R>>", "active"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "unreadable"),
        (b"\xff\xd8\xff" + b"\xff\xda" * (MOST_SCANS + 1), "unreadable"),
        (picture("PNG")[:200], "unreadable"),
        (picture("GIF"), "kind"),
        (b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF", "unreadable"),
        (b"OggS" + bytes(20), "unreadable"),
        (b"ID3\x04\x00\x00\xff\xff\xff\xff", "unreadable"),
        (b"\x00\x00\x00\x08ftypM4A ", "unreadable"),
        (b"RIFF" + bytes(4) + b"WAVE" + bytes(20), "unreadable"),
    ],
)
async def test_what_is_not_wanted_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(Unwanted) as refused:
        await attachment("a.jpg", content)
    assert refused.value.why == why


@pytest.mark.parametrize(
    "make",
    [
        lambda: bomb(20_000),
        lambda: picture("JPEG", (9000, 6000)),
        lambda: picture("JPEG", (4000, 3000), progressive=True),
    ],
    ids=["png", "jpeg", "progressive"],
)
async def test_bombs_are_refused_at_once_and_unpacked_never(make: Callable[[], bytes]) -> None:
    content = make()
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(Unwanted, match="pixels"):
        await attachment("a.png", content)
    took = time.perf_counter() - began
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 1.0
    assert most < 16 * 1024 * 1024


async def test_the_picture_of_an_identity_card_is_refused() -> None:
    code = write_barcode_to_image(
        create_barcode("001099012345||NGUYEN VAN AN|01011990|Nam", BarcodeFormat.QRCode), scale=6
    )
    card = Image.new("L", (900, 600), 255)
    card.paste(Image.fromarray(code), (60, 60))
    out = io.BytesIO()
    card.save(out, "PNG")
    with pytest.raises(Unwanted) as refused:
        await attachment("a.png", out.getvalue())
    assert refused.value.why == "identity_card"


def box(name: bytes, body: bytes) -> bytes:
    """One of MPEG-4."""
    return struct.pack(">I4s", len(body) + 8, name) + body


def chunk_of_wav(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body


def opus() -> bytes:
    """A voice as chats send it, with a comment."""
    pages = []
    for number, packet in enumerate((OPUS_HEAD, b"OpusTags" + OPUS_COMMENT, b"\xfc" + bytes(40))):
        page = OggPage()  # type: ignore[no-untyped-call]
        page.packets, page.serial, page.sequence, page.position = [packet], 7, number, 0 if number < 2 else 960
        page.first, page.last = number == 0, number == 2
        pages.append(page.write())  # type: ignore[no-untyped-call]
    return b"".join(pages)


OPUS_HEAD = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
OPUS_COMMENT = struct.pack("<I", 4) + b"test" + struct.pack("<II", 1, 15) + b"ARTIST=Bi Mat 1"
SOUND = b"\xff\xfb\x90\x00" + bytes(range(200))
PLACE_OF_SOUND = box(b"mdat", SOUND)


@pytest.mark.parametrize(
    ("content", "kind", "sound"),
    [
        (opus(), "audio/ogg", b"\xfc" + bytes(40)),
        (b"#!AMR\n" + SOUND, "audio/amr", SOUND),
        (b"ID3\x04\x00\x00\x00\x00\x00\x0fTPE1....Bi Mat 1" + SOUND + b"TAGBi Mat 1".ljust(128), "audio/mpeg", SOUND),
        (SOUND, "audio/mpeg", SOUND),
        (
            box(b"ftyp", b"M4A ")
            + box(b"moov", box(b"udta", b"Bi Mat 1") + box(b"trak", box(b"meta", b"Bi Mat 1")))
            + PLACE_OF_SOUND,
            "audio/mp4",
            PLACE_OF_SOUND,
        ),
        (
            b"RIFF\0\0\0\0WAVE"
            + chunk_of_wav(b"LIST", b"Bi Mat 1")
            + chunk_of_wav(b"fmt ", bytes(16))
            + chunk_of_wav(b"data", SOUND),
            "audio/wav",
            SOUND,
        ),
    ],
    ids=["ogg", "amr", "tagged mp3", "mp3", "m4a", "wav"],
)
async def test_a_voice_is_kept_without_whose_it_is(content: bytes, kind: str, sound: bytes) -> None:
    kept = await attachment("a.exe", content)
    assert kept.content_type == kind
    assert sound in kept.content
    assert b"Bi Mat" not in kept.content
    if kind == "audio/mp4":  # nothing may move: the sound is found by its place
        assert kept.content.index(PLACE_OF_SOUND) == content.index(PLACE_OF_SOUND)


def filled_form() -> bytes:
    """A form as an office writes it, filled in and changed later, with all that a document can hide."""
    camera = Image.Exif()
    camera[0x010F] = "Bi Mat camera"
    page = io.BytesIO()
    canvas = Canvas(page)
    canvas.setAuthor("Bi Mat author")
    canvas.drawString(100, 700, "Kinh gui Uy ban")
    canvas.drawImage(ImageReader(io.BytesIO(picture("JPEG", exif=camera))), 100, 100)
    canvas.acroForm.textfield(name="Bi Mat field", value="Nguyen Van An", x=100, y=600)
    canvas.linkURL("http://example.com/Bi Mat link", (0, 0, 9, 9))
    canvas.save()
    writer = PdfWriter(clone_from=io.BytesIO(page.getvalue()))
    writer.add_metadata({"/Company": "Bi Mat company"})
    notes = StreamObject()
    notes.set_data(b"<x:xmpmeta>Bi Mat xmp</x:xmpmeta>")
    writer.root_object[NameObject("/Metadata")] = writer._add_object(notes)
    writer.root_object[NameObject("/Names")] = DictionaryObject(
        {NameObject("/Hidden"): TextStringObject("Bi Mat file")}
    )
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def all_of(pdf: bytes) -> bytes:
    """Every object, unpacked."""
    reader = PdfReader(io.BytesIO(pdf))
    said = bytearray(pdf)
    for number in range(1, len(reader.xref[0]) + 1 if reader.xref else 1):
        try:
            found = reader.get_object(number)
        except PdfReadError:
            continue
        said += str(found).encode()
        if isinstance(found, StreamObject):
            said += found.get_data()
    return bytes(said)


async def test_a_document_is_kept_as_it_looks_without_who_wrote_it() -> None:
    given = filled_form()
    assert all_of(given).count(b"Bi Mat") >= 6
    kept = await attachment("to khai.pdf", given)
    assert b"Bi Mat" not in all_of(kept.content)
    (page,) = PdfReader(io.BytesIO(kept.content)).pages
    assert "Kinh gui Uy ban" in page.extract_text()
    marks: Any = page["/Annots"]
    assert b"Nguyen Van An" in marks[0].get_object()["/AP"]["/N"].get_object().get_data()
    shown = pypdfium2.PdfDocument(kept.content)[0].render(may_draw_forms=True).to_pil().convert("L")
    assert shown.crop((100, 200, 300, 250)).getextrema() != (255, 255)  # what was filled in is seen


async def test_a_blank_page_stays_as_it_is() -> None:
    assert (await attachment("a.pdf", PDF)).content == PDF


async def test_a_document_made_to_burst_bursts_alone() -> None:
    """Objects packed a thousandfold: its reader runs out of its own memory or time, and this process of neither."""
    squeeze = zlib.compressobj(9)
    packed = b"".join([*(squeeze.compress(bytes(1_000_000)) for _ in range(100)), squeeze.flush()])
    packed = zlib.compress(packed, 9)
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    image = EncodedStreamObject()
    image._data = packed
    image[NameObject("/Filter")] = ArrayObject(
        [NameObject("/FlateDecode"), NameObject("/FlateDecode"), NameObject("/DCTDecode")]
    )
    resources = DictionaryObject(
        {NameObject("/XObject"): DictionaryObject({NameObject("/a"): writer._add_object(image)})}
    )
    writer.pages[0][NameObject("/Resources")] = resources
    out = io.BytesIO()
    writer.write(out)
    assert len(out.getvalue()) < 100_000
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(Unwanted, match="unreadable"):
        await attachment("a.pdf", out.getvalue())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.perf_counter() - began < MOST_SECONDS
    assert most < 16 * 1024 * 1024


class MalwareDaemon:
    """Speaks clamd's INSTREAM as its manual has it."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.says: bytes | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
        self.seen.clear()
        while size := int.from_bytes(await reader.readexactly(4), "big"):
            self.seen += await reader.readexactly(size)
        found = b"stream: Eicar-Signature FOUND\0" if b"EICAR" in self.seen else b"stream: OK\0"
        writer.write(self.says if self.says is not None else found)
        writer.close()


@pytest.fixture
async def daemon() -> AsyncIterator[tuple[MalwareDaemon, Clamd]]:
    """One that listens."""
    daemon = MalwareDaemon()
    server = await asyncio.start_server(daemon.serve, "127.0.0.1", 0)
    yield daemon, Clamd(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    server.close()


async def test_clamd_looks_through_what_is_sent(daemon: tuple[MalwareDaemon, Clamd]) -> None:
    stand_in, clamd = daemon
    large = PDF + bytes(200_000)
    await attachment("a.pdf", large, scan=clamd.is_clean)
    assert bytes(stand_in.seen) == large
    with pytest.raises(Unwanted) as refused:
        await attachment("a.pdf", PDF + b"EICAR", scan=clamd.is_clean)
    assert refused.value.why == "malware"
    for says in (b"INSTREAM size limit exceeded. ERROR\0", b"stream: O"):
        stand_in.says = says
        with pytest.raises(Unavailable):
            await attachment("a.pdf", PDF, scan=clamd.is_clean)


async def test_while_clamd_is_away_nothing_is_taken() -> None:
    for address in ("127.0.0.1:1", "/no/such/socket"):
        with pytest.raises(Unavailable):
            await attachment("a.pdf", PDF, scan=Clamd(address).is_clean)


async def test_painting_keeps_nobody_waiting() -> None:
    threads = {thread.name for thread in threading.enumerate()}
    await asyncio.gather(*(attachment("a.jpg", picture()) for _ in range(4)))
    new = {thread.name for thread in threading.enumerate()} - threads
    assert len([name for name in new if name.startswith("attachment")]) <= 1
