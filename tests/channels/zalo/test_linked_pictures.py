"""Pictures sent to the account: fetched from Zalo alone, read for a code, and dropped."""

import json
import time
from io import BytesIO

import aiohttp
import pytest
from PIL import Image
from zxingcpp import BarcodeFormat, create_barcode, write_barcode_to_image

from channels.linked_pictures import LinkedPictures
from channels.zalo.oa import ZaloSettings
from tests.channels.zalo.stand_in import ZaloStandIn
from tests.channels.zalo.wire import CODE, Wire, payload


def photographed(text: str, *, form: BarcodeFormat = BarcodeFormat.QRCode) -> bytes:
    """A JPEG of a slip with a code on it."""
    drawn = Image.fromarray(write_barcode_to_image(create_barcode(text, form), scale=4, add_quiet_zones=True))
    slip = Image.new("L", (drawn.width + 120, drawn.height + 400), 235)
    slip.paste(drawn, (60, 200))
    picture = BytesIO()
    slip.rotate(4, fillcolor=235).save(picture, "JPEG", quality=80)
    return picture.getvalue()


async def sends_picture(wire: Wire, url: str, *, caption: str = "") -> str:
    """What is recorded of a picture at `url`."""
    event = json.loads(payload("user_send_image"))
    event["message"]["attachments"][0]["payload"]["url"] = url
    event["message"]["text"] = caption
    assert await wire.post(json.dumps(event).encode()) == 200
    return wire.heard.pop().text


@pytest.mark.parametrize(
    ("said", "form"),
    [
        ("https://motma.example/r/eyJhbGciOiJFZERTQSJ9_token-of-a-receipt_0123456789", BarcodeFormat.QRCode),
        (CODE, BarcodeFormat.QRCode),
        (CODE, BarcodeFormat.Code128),
    ],
)
async def test_a_photographed_slip_says_its_code(wire: Wire, zalo: ZaloStandIn, said: str, form: BarcodeFormat) -> None:
    zalo.pictures["slip.jpg"] = photographed(said, form=form)
    assert await sends_picture(wire, f"{zalo.url}/pictures/slip.jpg") == said


@pytest.mark.parametrize(
    "said",
    [
        "027099001234|123456789|Nguyễn Văn An|01011990|Nam|Phường Suối Hoa, Bắc Ninh|02112021",
        "https://elsewhere.example/r/eyJhbGciOiJFZERTQSJ9_token-of-a-receipt_0123456789",
        "https://motma.example.evil.example/r/eyJhbGciOiJFZERTQSJ9_token-of-a-receipt_0123456789",
        "WIFI:T:WPA;S=abc;P=secret;;",
    ],
)
async def test_a_code_that_is_no_slip_is_not_kept(wire: Wire, zalo: ZaloStandIn, said: str) -> None:
    """The QR of an identity card holds a name, a birthday and an address: nobody sent us those."""
    zalo.pictures["card.jpg"] = photographed(said)
    assert await sends_picture(wire, f"{zalo.url}/pictures/card.jpg") == ""
    assert await sends_picture(wire, f"{zalo.url}/pictures/card.jpg", caption="hồ sơ của tôi") == "hồ sơ của tôi"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://zdn.vn.evil.example/a.jpg",
        "https://evil.example/.zdn.vn",
        "https://user@t.zdn.vn@evil.example/a.jpg",
        "https://a:b@t.zdn.vn/a.jpg",
        "https://t.zdn.vn:8443/a.jpg",
        "file:///etc/passwd",
        "//t.zdn.vn/a.jpg",
        "http://[::1]/a.jpg",
        "http://127.0.0.1:1/a.jpg",
        "not an address",
        "https://t.zdn.vn:99999/",
        "",
    ],
)
async def test_pictures_are_fetched_from_zalo_alone(wire: Wire, url: str) -> None:
    assert wire.channel._pictures.allowed(url) is None
    assert await sends_picture(wire, url) == ""


def test_an_address_in_clear_is_fetched_encrypted(http: aiohttp.ClientSession) -> None:
    pictures = LinkedPictures(http, ZaloSettings().picture_origins, public_url="https://motma.example", within=1)
    assert str(pictures.allowed("http://t.zdn.vn/full.jpg?a=1")) == "https://t.zdn.vn/full.jpg?a=1"


async def test_a_picture_that_does_not_come_in_time_is_answered_with_help_within_zalos_two_seconds(
    wire: Wire, zalo: ZaloStandIn
) -> None:
    zalo.fault("picture", hangs=True, keeps=True)
    begun = time.monotonic()
    assert await sends_picture(wire, f"{zalo.url}/pictures/slip.jpg") == ""
    assert time.monotonic() - begun < 1.6


async def test_a_picture_is_not_followed_elsewhere(wire: Wire, zalo: ZaloStandIn) -> None:
    zalo.pictures["slip.jpg"] = photographed(CODE)
    zalo.fault("picture", status=302, headers={"Location": f"{zalo.url}/pictures/slip.jpg"})
    assert await sends_picture(wire, f"{zalo.url}/pictures/slip.jpg") == ""


async def test_what_is_no_picture_says_nothing(wire: Wire, zalo: ZaloStandIn) -> None:
    for content in (b"", b"\xff\xd8\xff", b"GIF89a" + b"\0" * 100, b"\0" * 6_000_000, photographed(CODE)[:2_000]):
        zalo.pictures["broken.jpg"] = content
        assert await sends_picture(wire, f"{zalo.url}/pictures/broken.jpg") == ""
