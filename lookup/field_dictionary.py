"""The one dictionary of what offices write of dossiers: files, the e-form, a pasted table and totals of a day.

`spellings` are the headers that offices' own lists have for a field, compared without accents and case; the first is
its name on paper (TT 01/2018/TT-VPCP, form 01, and the portal's messages).
"""

from dataclasses import dataclass
from enum import StrEnum


class FieldKind(StrEnum):
    """How a field is written."""

    TEXT = "text"
    LONG = "long"
    TIME = "time"
    PHONE = "phone"
    EMAIL = "email"
    STATUS = "status"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierField:
    """One field, by its name in the API; a dot leads into an object. `typed`: the e-form asks for it."""

    name: str
    kind: FieldKind = FieldKind.TEXT
    needed: bool = False
    typed: bool = True
    spellings: tuple[str, ...] = ()


FIELDS: tuple[DossierField, ...] = (
    DossierField(name="code", needed=True, spellings=("mã hồ sơ", "mã số hồ sơ", "số hồ sơ", "mahoso")),
    DossierField(name="reference", spellings=("số biên nhận", "sobiennhan", "mã biên nhận")),
    DossierField(
        name="procedure.code", spellings=("mã tthc", "mã thủ tục", "mã thủ tục hành chính", "matthc"), needed=True
    ),
    DossierField(
        name="procedure.name", spellings=("tên tthc", "tên thủ tục", "thủ tục", "tên thủ tục hành chính", "tentthc")
    ),
    DossierField(
        name="receiving_agency",
        typed=False,
        spellings=("cơ quan tiếp nhận", "đơn vị tiếp nhận", "mã cơ quan", "mã đơn vị", "madinhdanhdv"),
    ),
    DossierField(name="resolving_agency", typed=False, spellings=("cơ quan giải quyết", "đơn vị giải quyết")),
    DossierField(
        name="filing_channel",
        kind=FieldKind.CHANNEL,
        spellings=("kênh thực hiện", "hình thức nộp", "hình thức tiếp nhận", "kenhthuchien"),
    ),
    DossierField(
        name="applicant.name",
        needed=True,
        spellings=("chủ hồ sơ", "họ tên", "họ và tên", "người nộp", "tên chủ hồ sơ", "chuhoso"),
    ),
    DossierField(
        name="applicant.phone", kind=FieldKind.PHONE, spellings=("số điện thoại", "điện thoại", "sđt", "sodienthoai")
    ),
    DossierField(name="applicant.email", kind=FieldKind.EMAIL, spellings=("email", "e-mail", "thư điện tử")),
    DossierField(name="applicant.kind", typed=False, spellings=("loại đối tượng", "đối tượng")),
    DossierField(name="secret", typed=False, spellings=("mã tra cứu",)),
    DossierField(
        name="received_at",
        kind=FieldKind.TIME,
        needed=True,
        spellings=("ngày tiếp nhận", "ngày nhận", "ngaytiepnhan"),
    ),
    DossierField(
        name="due_at",
        kind=FieldKind.TIME,
        spellings=("ngày hẹn trả", "hẹn trả", "hạn trả", "hạn giải quyết", "ngayhentra"),
    ),
    DossierField(
        name="status",
        kind=FieldKind.STATUS,
        needed=True,
        spellings=("trạng thái", "tình trạng", "trạng thái hồ sơ", "trangthaihoso"),
    ),
    DossierField(
        name="status_at",
        kind=FieldKind.TIME,
        spellings=("ngày trạng thái", "thời điểm trạng thái", "ngày cập nhật", "ngày chuyển trạng thái"),
    ),
    DossierField(
        name="finished_at",
        kind=FieldKind.TIME,
        spellings=("ngày kết thúc xử lý", "ngày xử lý xong", "ngày hoàn thành", "ngayketthucxuly"),
    ),
    DossierField(name="delivered_at", kind=FieldKind.TIME, spellings=("ngày trả", "ngày trả kết quả", "ngaytra")),
    DossierField(name="asked_of_applicant", kind=FieldKind.LONG, spellings=("yêu cầu bổ sung", "nội dung bổ sung")),
    DossierField(name="note", kind=FieldKind.LONG, spellings=("ghi chú", "ghichu")),
)


class TotalGroup(StrEnum):
    """Which part of a day's work a total counts; the groups of the reports on handling (NĐ 118/2025, domain 4.2)."""

    RECEIVED = "received"  # by filing channel
    FINISHED = "finished"  # against the due date; days are compared, not times
    ENDED = "ended"  # without a result: in no rate of lateness
    OPEN = "open"  # at the end of the day: a state, never added up over days
    CAUSES = "causes"  # of those finished late: they add up to them


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalField:
    """One number that an office without a system writes down each day."""

    name: str
    group: TotalGroup


# The causes are our own list: no form that prescribes one was found.
TOTALS: tuple[TotalField, ...] = (
    TotalField(name="received_in_person", group=TotalGroup.RECEIVED),
    TotalField(name="received_online", group=TotalGroup.RECEIVED),
    TotalField(name="received_by_post", group=TotalGroup.RECEIVED),
    TotalField(name="finished_early", group=TotalGroup.FINISHED),
    TotalField(name="finished_on_time", group=TotalGroup.FINISHED),
    TotalField(name="finished_late", group=TotalGroup.FINISHED),
    TotalField(name="refused", group=TotalGroup.ENDED),
    TotalField(name="withdrawn", group=TotalGroup.ENDED),
    TotalField(name="stopped", group=TotalGroup.ENDED),
    TotalField(name="open_in_time", group=TotalGroup.OPEN),
    TotalField(name="open_late", group=TotalGroup.OPEN),
    TotalField(name="open_waiting", group=TotalGroup.OPEN),  # for the applicant: papers or fees
    TotalField(name="late_other_office", group=TotalGroup.CAUSES),
    TotalField(name="late_staff", group=TotalGroup.CAUSES),
    TotalField(name="late_verification", group=TotalGroup.CAUSES),
    TotalField(name="late_rules", group=TotalGroup.CAUSES),
    TotalField(name="late_equipment", group=TotalGroup.CAUSES),
    TotalField(name="late_disaster", group=TotalGroup.CAUSES),
    TotalField(name="late_other", group=TotalGroup.CAUSES),
)
