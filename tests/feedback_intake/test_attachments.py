"""Files people send: made harmless, or refused at once."""

import asyncio
import io
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable

import pytest
from PIL import Image
from zxingcpp import BarcodeFormat, create_barcode, write_barcode_to_image

from domain.errors import Unavailable
from feedback_intake.attachments import LARGEST, MOST_SCANS, Unwanted, attachment
from feedback_intake.clamd import Clamd

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF"


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


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PDF, "application/pdf"),
        (b"OggS" + bytes(20), "audio/ogg"),
        (b"#!AMR\n" + bytes(20), "audio/amr"),
        (b"ID3\x04" + bytes(20), "audio/mpeg"),
        (b"\xff\xfb\x90\x00" + bytes(20), "audio/mpeg"),
        (bytes(4) + b"ftypM4A " + bytes(20), "audio/mp4"),
        (b"RIFF" + bytes(4) + b"WAVE" + bytes(20), "audio/wav"),
    ],
)
async def test_documents_and_voices_are_kept_as_they_are(content: bytes, kind: str) -> None:
    kept = await attachment("a.exe", content)
    assert (kept.content_type, kept.content) == (kind, content)


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
