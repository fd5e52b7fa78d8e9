"""The national portal's messages about dossiers (`DongBoHoSoMC`, `CapNhatTienDoHoSoMC`), read with all their variants.

Scalars come as text or numbers, names in any case, dates in several forms within one contract, `""` for nothing. Times
without offset are those of Vietnam. The rules and what is left out on purpose: docs/decisions/0006-portal-messages.md.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from channels.agency_api.portal_privacy import identifies
from channels.agency_api.understanding import AHEAD, Understanding, phone_of, sane
from domain.civil_time import CIVIL_ZONE
from domain.dossier import FilingChannel
from domain.errors import Invalid
from domain.status import Status
from domain.vietnamese import clean
from lookup.changes import DossierFacts, StatusEvent, Tenant
from lookup.codes import canonical

LONGEST_REFERENCE = 100
LONGEST_PROCEDURE_CODE = 64
LARGEST_EXTRA = 32_768  # bytes; lists give way to it

_COMPACT = re.compile(r"\d{8}(?:\d{4}(?:\d{2})?)?")
_DAY_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: (\d{1,2}):(\d{2})(?::(\d{2}))?)?")
# What .NET and SQL Server write for "no date".
_NO_DATE_BEFORE = 1901
# Between these hours nobody receives a dossier at a counter: the sender's clock had twelve hours and no AM or PM.
_DOUBTFUL_HOURS = range(6)

_BUSINESS_DATES = ("NgayNopHoSo", "NgayTiepNhan", "NgayYeuCauBoSung", "NgayTuChoi", "NgayKetThucXuLy", "NgayTra")
# Members that have a place of their own; all others go to `extra`.
_PLACED = frozenset(
    name.lower()
    for name in (
        "MaHoSo", "SoBienNhan", "MaTTHC", "TenTTHC", "KenhThucHien", "ChuHoSo", "Email", "SoDienThoai", "NgayTiepNhan",
        "NgayHenTra", "NgayKetThucXuLy", "NgayTra", "TrangThaiHoSo", "GhiChu",
    )
)  # fmt: skip

Kinds = Callable[[Tenant, str], str | None]


class Members:
    """The members of one message, by name in any case, as text."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = {name.lower(): (name, value) for name, value in given.items()}

    def raw(self, name: str) -> object:
        """The value as it was sent; None when there is none."""
        return self._given.get(name.lower(), (name, None))[1]

    def text(self, name: str) -> str | None:
        """The value as text in NFC; None for nothing and for `""`. Raises `Invalid` for what is no scalar."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, (dict, list)):
            raise Invalid("This must be text.", field=name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return clean(str(value)) or None

    def time(self, name: str) -> datetime | None:
        """The value as a time. Raises `Invalid`."""
        return portal_time(self.text(name), name)

    def rows(self, name: str) -> Iterator["Members"]:
        """The objects of a list."""
        value = self.raw(name)
        for row in value if isinstance(value, list) else ():
            if isinstance(row, dict):
                yield Members(row)

    def items(self) -> Iterator[tuple[str, Any]]:
        """All members under the names they came with."""
        yield from self._given.values()


def portal_time(written: str | None, field: str) -> datetime | None:
    """A time in any form senders use, in Vietnam's zone where it names none; None for nothing. Raises `Invalid`."""
    if not written:
        return None
    try:
        if _COMPACT.fullmatch(written):
            at = datetime.strptime(written.ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=CIVIL_ZONE)
        elif found := _DAY_FIRST.fullmatch(written):
            day, month, year, hour, minute, second = (int(part or 0) for part in found.groups())
            at = datetime(year, month, day, hour, minute, second, tzinfo=CIVIL_ZONE)
        else:
            at = datetime.fromisoformat(written)
            at = at if at.tzinfo else at.replace(tzinfo=CIVIL_ZONE)
    except ValueError:
        raise Invalid("This is not a time as yyyyMMddHHmmss, yyyy-MM-dd HH:mm:ss or ISO 8601.", field=field) from None
    if at.year < _NO_DATE_BEFORE:
        return None
    return sane(at, field)


def doubtful(at: datetime | None) -> bool:
    """Whether a time of receipt may be twelve hours off. Midnight itself is a day without a time."""
    if at is None:
        return False
    local = at.astimezone(CIVIL_ZONE)
    return local.hour in _DOUBTFUL_HOURS and (local.hour, local.minute, local.second) != (0, 0, 0)


_DOUBT = "[Giờ tiếp nhận {at:%H:%M} đáng ngờ: hệ thống gửi có thể ghi giờ 12 tiếng]"


def _noted(*parts: str | None) -> str | None:
    return " ".join(part for part in parts if part) or None


def _doubt(at: datetime | None) -> str | None:
    return _DOUBT.format(at=at.astimezone(CIVIL_ZONE)) if at is not None and doubtful(at) else None


def is_true(value: object) -> bool | None:
    """A boolean as senders write it: `"True"`, `"false"`, `1`, true; None for anything else."""
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalReader:
    """Turns items, `scrubbed` before, into changes."""

    understanding: Understanding
    kinds: Kinds

    def facts(self, tenant: Tenant, item: Mapping[str, Any], *, unit: int, now: datetime) -> DossierFacts:
        """One dossier of `DongBoHoSoMC`; `unit` is the receiving office. Raises `Invalid`, `MalformedCode`,
        `UnknownStatus`."""
        given = Members(item)
        code = _code(given)
        status, raw_status = self._status(tenant, given, "TrangThaiHoSo")
        received_at = given.time("NgayTiepNhan")
        at = _newest_business_date(given, now)
        if at is None:
            raise Invalid("The dossier has no date of its own: its place in time is unknown.", field="NgayTiepNhan")
        reference, procedure_code = given.text("SoBienNhan"), given.text("MaTTHC")
        if procedure_code and len(procedure_code) > LONGEST_PROCEDURE_CODE:
            raise Invalid(f"This must have at most {LONGEST_PROCEDURE_CODE} characters.", field="MaTTHC")
        long_reference = reference is not None and len(reference) > LONGEST_REFERENCE
        phone, email = _phone(given.text("SoDienThoai")), given.text("Email")
        email = email if email and "@" in email and " " not in email else None
        channel = _FILING.get(given.text("KenhThucHien") or "")
        kind = given.text("LoaiDoiTuong")
        return DossierFacts(
            code=code,
            receiving_agency=unit,
            resolving_agency=self._office(given.text("DonViXuLy")),
            procedure_code=procedure_code,
            procedure_name=given.text("TenTTHC") if procedure_code else None,
            reference=None if long_reference else reference,
            filing_channel=channel,
            applicant_name=given.text("ChuHoSo"),
            applicant_kind=self.kinds(tenant, kind) if kind else None,
            phone=phone,
            email=email,
            received_at=received_at,
            due_at=given.time("NgayHenTra"),
            finished_at=given.time("NgayKetThucXuLy"),
            delivered_at=given.time("NgayTra"),
            status=status,
            status_at=at,
            asked_of_applicant=_asked(given, status),
            note=_noted(given.text("GhiChu"), _doubt(received_at)),
            extra=_extra(given, also={"SoBienNhan"} if long_reference else set()),
            raw_status=raw_status,
        )

    def event(self, tenant: Tenant, item: Mapping[str, Any], *, now: datetime) -> StatusEvent:
        """One step of `CapNhatTienDoHoSoMC`; its id is made of all it says. Raises as `facts` does."""
        given = Members(item)
        code = _code(given)
        status, raw_status = self._status(tenant, given, "TrangThai")
        at = given.time("ThoiDiemXuLy") or given.time("NgayBatDau")
        if at is None:
            raise Invalid("A step needs the time it was taken.", field="ThoiDiemXuLy")
        if at - now > AHEAD:
            raise Invalid("This lies more than a day in the future.", field="ThoiDiemXuLy")
        officer, title = given.text("NguoiXuLy"), given.text("ChucDanh")
        begun, due = given.time("NgayBatDau"), given.time("NgayKetThucTheoQuyDinh")
        step = f"[Bước này: từ {_day(begun)} đến {_day(due)}]" if begun or due else None
        return StatusEvent(
            event_id=_step_id(item, at, status),
            code=code,
            status=status,
            at=at,
            note=_noted(given.text("NoiDungXuLy"), step, _doubt(at) if status is Status.ACCEPTED else None),
            office=given.text("PhongBanXuLy"),
            officer=f"{officer} ({title})" if officer and title else officer,
            raw_status=raw_status,
        )

    def _status(self, tenant: Tenant, given: Members, name: str) -> tuple[Status, str | None]:
        word = given.text(name) or given.text("TrangThai") or given.text("TrangThaiHoSo")
        if word is None:
            raise Invalid("The status is missing.", field=name)
        return self.understanding.status(tenant, word, name)

    def _office(self, written: str | None) -> int | None:
        """The office, where its identifier was written and not its name."""
        try:
            return self.understanding.office(written, "DonViXuLy")
        except Invalid:
            return None


_FILING = {str(int(channel)): channel for channel in FilingChannel}


def _code(given: Members) -> str:
    code = given.text("MaHoSo")
    if code is None:
        raise Invalid("The dossier code is missing.", field="MaHoSo")
    return canonical(code)


def _newest_business_date(given: Members, now: datetime) -> datetime | None:
    """When what the message says became so: the newest date of its own that is not ahead of us. Never its arrival."""
    times = [given.time(name) for name in _BUSINESS_DATES]
    for row in given.rows("DanhSachHoSoBoSung"):
        times += [row.time("NgayBoSung"), row.time("NgayTiepNhanBoSung")]
    return max((at for at in times if at is not None and at - now <= AHEAD), default=None)


def _phone(written: str | None) -> str | None:
    """The first readable of one or more numbers; one that cannot be read is no reason to refuse a dossier."""
    for part in re.split(r"[/;,]|\s-\s", written or ""):
        try:
            if phone := phone_of(part, "SoDienThoai"):
                return phone
        except Invalid:
            continue
    return None


def _asked(given: Members, status: Status) -> str | None:
    """What the applicant has to do: the newest supplement asked for, or the fees."""
    if status is Status.SUPPLEMENT_REQUIRED:
        asked = [
            (row.time("NgayBoSung") or _LONG_AGO, text)
            for row in given.rows("DanhSachHoSoBoSung")
            if (text := row.text("NoiDungBoSung"))
        ]
        return max(asked)[1] if asked else None
    if status is Status.PAYMENT_REQUIRED:
        fees = [(row.text("TenPhiLePhi"), row.text("Gia")) for row in given.rows("DanhSachLePhi")]
        return "; ".join(f"{name}: {_money(price)}" if price else name for name, price in fees if name) or None
    return None


_LONG_AGO = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)


def _money(price: str) -> str:
    return f"{int(price):,} đồng".replace(",", ".") if price.isascii() and price.isdigit() else price


def _day(at: datetime | None) -> str:
    return f"{at.astimezone(CIVIL_ZONE):%H:%M %d/%m/%Y}" if at else "…"


def _step_id(item: Mapping[str, Any], at: datetime, status: Status) -> str:
    said = msgspec.json.encode({name.lower(): value for name, value in item.items()}, order="sorted")
    return f"dvcqg:{at.astimezone(UTC):%Y%m%dT%H%M%SZ}:{status:d}:{hashlib.sha256(said).hexdigest()[:16]}"


# --- what has no place of its own ---


def _extra(given: Members, also: set[str]) -> bytes | None:
    kept: dict[str, Any] = {}
    left_out: list[str] = []
    for name, value in given.items():
        if (name.lower() in _PLACED and name not in also) or value in ("", None, [], {}):
            continue
        if identifies(name):
            left_out.append(name)
        else:
            kept[name] = value
    if given.text("SoDienThoai") and _phone(given.text("SoDienThoai")) is None:
        left_out.append("SoDienThoai")
    if left_out:
        kept["_left_out"] = sorted(left_out)
    if not kept:
        return None
    said = msgspec.json.encode(kept)
    if len(said) > LARGEST_EXTRA:
        lists = sorted(name for name, value in kept.items() if isinstance(value, (list, dict)) and name != "_left_out")
        kept = {name: value for name, value in kept.items() if name not in lists}
        kept["_left_out"] = sorted({*left_out, *lists})
        said = msgspec.json.encode(kept)
    return said
