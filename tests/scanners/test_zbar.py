"""Slips read by zbar, a reader that shares no line with zxing-cpp: at print resolution, blurred, turned and faded.

Not part of the usual suite: it needs Debian's libzbar0.
"""

from collections.abc import Callable

import pytest
from PIL import Image
from pyzbar.pyzbar import ZBarSymbol, decode

from channels.receipts.layout import a5, roll
from channels.receipts.painting import pdf, png
from tests.channels.receipts.optics import opened, rasterised
from tests.channels.receipts.sample_slips import LONG_CODE, SLIPS
from tests.channels.receipts.test_painting import DISTORTIONS, THERMAL

KINDS = [ZBarSymbol.QRCODE, ZBarSymbol.CODE128]
PAPERS: dict[str, Callable[[str], Image.Image]] = {
    "picture": lambda name: opened(png(roll(SLIPS[name]))),
    "roll": lambda name: rasterised(pdf([roll(SLIPS[name])]), THERMAL),
    "a5": lambda name: rasterised(pdf([a5(SLIPS[name])]), THERMAL),
    "a5 from an office printer": lambda name: rasterised(pdf([a5(SLIPS[name])]), 600),
}


def read(image: Image.Image) -> set[str]:
    """The texts of all codes zbar finds."""
    return {code.data.decode() for code in decode(image, symbols=KINDS)}


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("name", SLIPS)
def test_what_is_printed_is_read_back(name: str, paper: str) -> None:
    slip = SLIPS[name]
    texts = {slip.address, *(code.content for code in slip.small_codes)}
    if slip.code.isascii() and len(slip.code) <= len(LONG_CODE):
        texts.add(slip.code)
    assert read(PAPERS[paper](name)) >= texts


@pytest.mark.parametrize("distortion", DISTORTIONS)
@pytest.mark.parametrize("paper", ["picture", "a5"])
@pytest.mark.parametrize("name", ["usual", "long", "longest code"])
def test_the_receipt_is_read_from_bad_pictures(name: str, paper: str, distortion: str) -> None:
    assert SLIPS[name].address in read(DISTORTIONS[distortion](PAPERS[paper](name)))
