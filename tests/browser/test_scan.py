"""Reading a slip in the browser: by a camera that shows a film of it, and from a photograph."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path

import pytest
import qrcode
import zxingcpp
from PIL import Image, ImageFilter
from playwright.async_api import Page, Playwright, expect

from tests.browser.conftest import OpenPage, chromium, looks_right, windows
from tests.channels.story import CODE
from tests.channels.web.corner import Corner

TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
SIZE = (640, 480)
SAID = "#scan-said"
STOPPED = "() => document.querySelector('video').srcObject === null"

Camera = Callable[[Image.Image], Awaitable[OpenPage]]


def qr(text: str) -> Image.Image:
    """A QR code on a sheet, as a camera sees it: small, turned, not quite sharp."""
    made = qrcode.QRCode(box_size=6, border=4)
    made.add_data(text)
    return seen(made.make_image().get_image().convert("L"))


def bars(text: str) -> Image.Image:
    """The same of a Code 128."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.Code128)
    return seen(Image.fromarray(zxingcpp.write_barcode_to_image(code, scale=2)).convert("L"))


def seen(code: Image.Image) -> Image.Image:
    sheet = Image.new("L", SIZE, 225)
    turned = code.rotate(3, expand=True, fillcolor=255).resize((min(560, code.width), min(420, code.height)))
    sheet.paste(turned, ((SIZE[0] - turned.width) // 2, (SIZE[1] - turned.height) // 2))
    return sheet.filter(ImageFilter.GaussianBlur(0.6))


def film(picture: Image.Image, file: Path) -> Path:
    """A film of one frame that a browser takes for a camera (YUV4MPEG2, 4:2:0)."""
    width, height = picture.size
    colour = bytes([128]) * (width * height // 2)
    head = f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode()
    file.write_bytes(head + b"FRAME\n" + picture.tobytes() + colour)
    return file


def photograph(picture: Image.Image) -> bytes:
    """A JPEG of it."""
    buffer = BytesIO()
    picture.resize((1920, 1440)).save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


async def chooses(page: Page, content: bytes) -> None:
    """A photograph from the device."""
    await page.set_input_files("#photo", {"name": "slip.jpg", "mimeType": "image/jpeg", "buffer": content})


@pytest.fixture
async def camera(driver: Playwright, corner: Corner, tmp_path: Path) -> AsyncIterator[Camera]:
    """A browser whose camera shows a picture, and which is allowed to use it."""
    async with AsyncExitStack() as stack:

        async def showing(picture: Image.Image) -> OpenPage:
            file = film(picture, tmp_path / "film.y4m")
            browser = await stack.enter_async_context(
                chromium(
                    driver,
                    "--use-fake-device-for-media-stream",
                    "--use-fake-ui-for-media-stream",
                    f"--use-file-for-fake-video-capture={file}",
                )
            )
            return await stack.enter_async_context(windows(browser, str(corner.client.make_url("/"))))

        yield showing


def loaded(page: Page) -> list[str]:
    """The addresses the page fetches from now on."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    return addresses


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("language", ["vi", "en"])
async def test_it_looks_right(open_window: OpenPage, width: int, language: str) -> None:
    page = await open_window(width=width, color_scheme="dark" if width == 360 else "light")
    await page.goto(f"/quet?lang={language}")
    await expect(page.locator("[data-start]")).to_be_visible()
    await looks_right(page)


async def test_a_qr_code_of_a_receipt_opens_it(camera: Camera, corner: Corner) -> None:
    page = await (await camera(qr(str(corner.client.make_url(f"/r/{TOKEN}")))))()
    await page.goto("/")
    await page.click("text=Quét mã trên giấy hẹn")
    fetched = loaded(page)
    assert await page.evaluate(STOPPED)
    await expect(page.locator("[data-start]")).to_be_visible()
    assert not any("zxing" in address for address in fetched)
    async with page.expect_request(f"**/r/{TOKEN}"):
        await page.click("[data-start]")
    assert any("zxing" in address for address in fetched)


async def test_a_bar_code_fills_the_field_and_the_camera_stops(camera: Camera) -> None:
    page = await (await camera(bars(CODE)))()
    await page.goto("/quet")
    await page.click("[data-start]")
    await expect(page.locator("#code")).to_have_value(CODE, timeout=15_000)
    await expect(page.locator(SAID)).to_have_text("Đã đọc được mã hồ sơ. Xin bấm Xem hồ sơ.")
    assert await page.evaluate(STOPPED)
    await expect(page.locator(".finder")).to_be_hidden()
    await page.keyboard.press("Enter")
    await expect(page.locator("#answer")).to_be_visible()


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/r/" + TOKEN,
        "001099012345|012345678|Nguyễn Văn An|01011990|Nam|Hà Nội|01012021",
        "javascript:alert(1)//A.1-2",
    ],
)
async def test_other_codes_open_nothing_and_are_kept_nowhere(camera: Camera, text: str) -> None:
    page = await (await camera(qr(text)))()
    await page.goto("/quet")
    await page.click("[data-start]")
    await expect(page.locator(SAID)).to_have_text("Mã vừa quét không phải mã trên giấy hẹn.", timeout=15_000)
    assert page.url.endswith("/quet")
    await expect(page.locator("#code")).to_have_value("")
    await page.click("[data-stop]")
    assert await page.evaluate(STOPPED)


async def test_the_camera_stops_by_itself(camera: Camera) -> None:
    page = await (await camera(Image.new("L", SIZE, 200)))()
    await page.clock.install()
    await page.goto("/quet")
    await page.click("[data-start]")
    await page.clock.fast_forward(1_000)
    await expect(page.locator(SAID)).to_have_text("Xin giữ yên giấy hẹn trong khung.")
    await looks_right(page)
    await page.clock.fast_forward(61_000)
    await expect(page.locator(SAID)).to_contain_text("máy ảnh đã tắt")
    assert await page.evaluate(STOPPED)


async def test_a_refused_camera_is_explained(open_window: OpenPage) -> None:
    page = await open_window(permissions=[])
    await page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError') }"
    )
    await page.goto("/quet")
    await page.click("[data-start]")
    await expect(page.locator(SAID)).to_contain_text("chưa cho dùng máy ảnh")
    await expect(page.locator("[data-start]")).to_be_enabled()
    await looks_right(page)


async def test_a_device_without_a_camera_says_so(open_window: OpenPage) -> None:
    page = await open_window()
    await page.goto("/quet")
    await page.click("[data-start]")
    await expect(page.locator(SAID)).to_contain_text("Không tìm thấy máy ảnh")


@pytest.mark.parametrize("make", [qr, bars])
async def test_a_photograph_is_read_on_the_device(open_window: OpenPage, make: Callable[[str], Image.Image]) -> None:
    page = await open_window()
    await page.goto("/quet")
    fetched = loaded(page)
    await chooses(page, photograph(make(CODE)))
    await expect(page.locator("#code")).to_have_value(CODE, timeout=15_000)
    assert [address for address in fetched if "/static/" not in address] == []


async def test_a_photograph_without_a_code_says_so(open_window: OpenPage) -> None:
    page = await open_window()
    await page.goto("/quet")
    for content in (photograph(Image.new("L", SIZE, 200)), os.urandom(200)):
        await chooses(page, content)
        await expect(page.locator(SAID)).to_contain_text("Không thấy mã trong ảnh này", timeout=15_000)


async def test_the_browsers_own_reader_is_used_where_it_knows_both_kinds(camera: Camera) -> None:
    page = await (await camera(Image.new("L", SIZE, 200)))()
    await page.add_init_script(
        f"""window.BarcodeDetector = class {{
            static async getSupportedFormats() {{ return ["qr_code", "code_128", "ean_13"]; }}
            async detect() {{ return [{{ rawValue: "{CODE}" }}]; }}
        }};"""
    )
    fetched = loaded(page)
    await page.goto("/quet")
    await page.click("[data-start]")
    await expect(page.locator("#code")).to_have_value(CODE)
    assert not any("zxing" in address for address in fetched)


async def test_without_scripts_the_page_says_how_to_scan(open_window: OpenPage) -> None:
    page = await open_window(java_script_enabled=False)
    await page.goto("/quet")
    await expect(page.get_by_text("mở ứng dụng máy ảnh của điện thoại")).to_be_visible()
    await expect(page.locator("#scan")).to_be_hidden()
    await page.fill("#code", CODE)
    await page.click("text=Xem hồ sơ")
    await expect(page.locator("#answer")).to_be_visible()
