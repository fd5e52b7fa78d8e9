"""What happens to a slip between printer and lens, and what zxing-cpp makes of it."""

from io import BytesIO

import pypdfium2
from PIL import Image, ImageFilter
from zxingcpp import BarcodeFormat, BarcodeFormats, read_barcodes

FORMATS = BarcodeFormats([BarcodeFormat.QRCode, BarcodeFormat.Code128])


def opened(picture: bytes) -> Image.Image:
    """A PNG in shades of grey."""
    return Image.open(BytesIO(picture)).convert("L")


def rasterised(pdf: bytes, dots_per_inch: int, page: int = 0) -> Image.Image:
    """A page as a printer sets it."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        image: Image.Image = document[page].render(scale=dots_per_inch / 72).to_pil()
        return image.convert("L")
    finally:
        document.close()


def pages(pdf: bytes) -> int:
    """How many there are."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return len(document)
    finally:
        document.close()


def page_text(pdf: bytes, page: int = 0) -> str:
    """The text of a page as a reader would copy it, on one line."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return " ".join(document[page].get_textpage().get_text_bounded().split())
    finally:
        document.close()


def blurred(image: Image.Image, millimetres: float, dots_per_millimetre: float) -> Image.Image:
    """Out of focus by so much on paper."""
    return image.filter(ImageFilter.GaussianBlur(millimetres * dots_per_millimetre))


def turned(image: Image.Image, degrees: float) -> Image.Image:
    """Held askew, on a grey table."""
    return image.rotate(degrees, expand=True, fillcolor=190, resample=Image.Resampling.BICUBIC)


def faded(image: Image.Image) -> Image.Image:
    """Old thermal paper: grey on yellowish grey."""
    return image.point(lambda shade: 120 + shade * 90 // 255)


def smaller(image: Image.Image, part: float) -> Image.Image:
    """From further away."""
    size = (round(image.width * part), round(image.height * part))
    return image.resize(size, Image.Resampling.BILINEAR)


def read(image: Image.Image) -> set[str]:
    """The texts of all codes zxing-cpp finds."""
    return {code.text for code in read_barcodes(image, formats=FORMATS)}
