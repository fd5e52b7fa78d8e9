"""Receipts: how long one slip takes in each form, a thousand together, and the check of a token."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from statistics import median

from bench.measuring import Setting
from bench.report import Finding
from channels.receipts.printing import Format, printed, printed_together
from channels.receipts.slip import Slip, WaysToAsk, slip
from domain.agency import Agency, AgencyLevel, DisclosurePolicy
from lookup.receipt_tokens import Receipt, ReceiptKeys

GOALS = {Format.PDF: 100, Format.THERMAL: 100, Format.PNG: 30, Format.SVG: 30}  # ms
GOAL_OF_A_CHECK = 150  # µs
MANY = 1_000
KEYS = ReceiptKeys([b"b" * 32])
WAYS = WaysToAsk(public_url="https://motma.bacninh.gov.vn", sms_number="8088", zalo="zalo.me/1234567890")
OFFICE = Agency(
    agency_id=1,
    code="H05.16",
    name="Trung tâm Phục vụ hành chính công phường Kinh Bắc",
    name_en="",
    level=AgencyLevel.COMMUNE,
    parent_id=None,
    phone="0222 3822 016",
    address="",
    disclosure=DisclosurePolicy.STRICT,
    valid_from=date(2025, 7, 1),
    valid_to=None,
)


async def bench(setting: Setting) -> list[Finding]:
    """All of it, with the slip's own work included: token, layout, painting."""
    return await asyncio.to_thread(_measured, 10 if setting.quick else 100)


def _measured(rounds: int) -> list[Finding]:
    findings = []
    for made_as, goal in GOALS.items():
        milliseconds = _median(partial(_one, made_as), rounds) * 1_000
        size = len(printed(_slip(1), made_as)) / 1_000
        findings.append(
            Finding(
                bench="receipts",
                name=f"one {made_as}",
                what="median time of one receipt",
                measured=f"{milliseconds:.1f} ms, {size:.0f} kB",
                goal=f"≤ {goal} ms",
                reached=milliseconds <= goal,
            )
        )
    for made_as in (Format.PDF, Format.PNG):
        slips = [_slip(n) for n in range(MANY if rounds == 100 else MANY // 10)]
        began = time.perf_counter()
        size = len(printed_together(slips, made_as)) / 1_000_000
        measured = f"{time.perf_counter() - began:.1f} s, {size:.1f} MB"
        findings.append(Finding(bench="receipts", name=f"{len(slips):,} {made_as}", what="together", measured=measured))
    token = KEYS.issue(_receipt(1))
    microseconds = _median(lambda: [KEYS.read(token) for _ in range(100)], rounds) * 1_000_000 / 100
    return [
        *findings,
        Finding(
            bench="receipts",
            name="check",
            what="median time of reading and verifying a token",
            measured=f"{microseconds:.0f} µs",
            goal=f"≤ {GOAL_OF_A_CHECK} µs",
            reached=microseconds <= GOAL_OF_A_CHECK,
        ),
    ]


def _one(made_as: Format) -> bytes:
    return printed(_slip(1), made_as)


def _median(work: Callable[[], object], rounds: int) -> float:
    """Seconds."""
    work()
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return median(took)


def _receipt(number: int) -> Receipt:
    day = date(2026, 11, 2)
    return Receipt(
        code=f"H05.16-261102-{number:04d}",
        office="H05.16",
        received_on=day,
        due_on=day + timedelta(days=18),
        issued_at=datetime(2026, 11, 2, 1, 30, tzinfo=UTC),
    )


def _slip(number: int) -> Slip:
    receipt = _receipt(number)
    return slip(
        receipt,
        KEYS.issue(receipt),
        office=OFFICE,
        procedure_name="Cấp Giấy xác nhận tình trạng hôn nhân",
        ways=WAYS,
        secret="48217730",
    )
