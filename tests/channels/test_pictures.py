"""Codes in pictures, drawn by one library and read by another."""

from io import BytesIO

import pytest
import qrcode
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from channels import pictures
from channels.pictures import code_in

OURS = "https://motma.example/"
ADDRESS = f"{OURS}r/" + "Ab3_-" * 30


def _qr(text: str) -> Image.Image:
    drawn: Image.Image = qrcode.make(text).convert("RGB")
    return drawn


def _packed(image: Image.Image, kind: str = "JPEG") -> bytes:
    packed = BytesIO()
    image.save(packed, kind)
    return packed.getvalue()


async def says(picture: bytes) -> str:
    """What we read in a picture."""
    return await code_in(picture, public_url=OURS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_a_photographed_qr_code_says_its_text(kind: str) -> None:
    assert await says(_packed(_qr(ADDRESS), kind)) == ADDRESS


async def test_a_skewed_and_blurred_photograph_is_read_too() -> None:
    photograph = _qr(ADDRESS).rotate(17, expand=True, fillcolor="white").filter(ImageFilter.GaussianBlur(1.5))
    assert await says(_packed(photograph)) == ADDRESS


async def test_of_a_slip_with_both_the_qr_code_counts() -> None:
    bars = zxingcpp.write_barcode_to_image(
        zxingcpp.create_barcode("H05.16-261102-0001", zxingcpp.BarcodeFormat.Code128), scale=3
    )
    bar_code = Image.fromarray(bars).convert("RGB")
    slip = Image.new("RGB", (1200, 1600), "white")
    slip.paste(bar_code, (100, 50))
    assert await says(_packed(slip, "PNG")) == "H05.16-261102-0001"
    slip.paste(_qr(ADDRESS), (100, 600))
    assert await says(_packed(slip, "PNG")) == ADDRESS


async def test_a_picture_of_nothing_says_nothing() -> None:
    assert await says(_packed(Image.new("RGB", (300, 300), "teal"))) == ""
    assert await says(b"") == ""


async def test_a_picture_too_large_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = _packed(Image.new("1", (40_000, 4_000)), "PNG")
    assert len(bomb) < 50_000
    assert await says(bomb) == ""
    monkeypatch.setattr(pictures, "MOST_PICTURE", 100)
    assert await says(_packed(_qr(ADDRESS))) == ""


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2_000), st.sampled_from(["JPEG", "PNG", "WEBP"]))
async def test_no_broken_picture_raises(noise: bytes, at: int, kind: str) -> None:
    whole = _packed(_qr(ADDRESS), kind)
    assert await says(whole[:at] + noise + whole[at + len(noise) :]) in {"", ADDRESS}
    assert await says(noise) == ""


CARD = "001085012345|012345678|Nguyễn Văn An|01011985|Nam|Phường Sông Bằng, H05.16-261102-0001|01012022"


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("H05.16-261102-0001", "H05.16-261102-0001"),
        ("https://motma.example/r/" + "Ab3_-" * 30, "https://motma.example/r/" + "Ab3_-" * 30),
        ("https://elsewhere.example/r/" + "Ab3_-" * 30, ""),
        (CARD, ""),
        ("WIFI:S:phuong;T:WPA;P:matkhau123;;", ""),
    ],
)
async def test_only_what_a_slip_says_is_told(shown: str, told: str) -> None:
    assert await says(_packed(_qr(shown))) == told
