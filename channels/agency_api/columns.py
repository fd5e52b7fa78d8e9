"""The columns of a file of dossiers: their names in English and Vietnamese, and what a row says."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from channels.agency_api.portal_messages import portal_time
from domain.civil_time import CIVIL_ZONE
from domain.errors import Invalid
from domain.vietnamese import clean, folded
from lookup.field_dictionary import FIELDS, FieldKind

_TIMES = frozenset(field.name for field in FIELDS if field.kind is FieldKind.TIME)
_NESTED = frozenset({"applicant", "procedure"})
# The national names of the ten statuses, and short forms seen in offices' own lists.
_STATUSES = MappingProxyType(
    {
        folded(word): number
        for number, words in {
            1: ("Mới đăng ký", "Chờ tiếp nhận"),
            2: ("Được tiếp nhận", "Đã tiếp nhận"),
            3: ("Không được tiếp nhận", "Từ chối tiếp nhận"),
            4: ("Đang xử lý", "Đang giải quyết"),
            5: ("Yêu cầu bổ sung giấy tờ", "Yêu cầu bổ sung", "Chờ bổ sung"),
            6: ("Yêu cầu thực hiện nghĩa vụ tài chính", "Chờ thanh toán"),
            7: ("Công dân yêu cầu rút hồ sơ", "Rút hồ sơ", "Đã rút"),
            8: ("Dừng xử lý",),
            9: ("Đã xử lý xong", "Đã có kết quả", "Hoàn thành"),
            10: ("Đã trả kết quả", "Đã trả"),
        }.items()
        for word in words
    }
)
_CHANNELS = MappingProxyType(
    {
        folded(word): number
        for number, words in {1: ("Trực tiếp",), 2: ("Trực tuyến",), 3: ("Bưu chính công ích", "Bưu chính")}.items()
        for word in words
    }
)
_WHOLE = re.compile(r"-?\d{1,4}")


def _key(header: str) -> str:
    """A header as it is compared: no accents, no case, `_` as space."""
    return folded(header.replace("_", " "))


_FIELD_OF = MappingProxyType(
    {
        _key(spelling): field.name
        for field in FIELDS
        for spelling in (field.name, field.name.replace(".", " "), *field.spellings)
    }
)


def fields_of(headers: Sequence[str]) -> list[str | None]:
    """The field of each column; None for one that goes to `extra`. Raises `Invalid` without a code and a status."""
    fields = [_FIELD_OF.get(_key(header)) for header in headers]
    for field, said in (("code", "Mã hồ sơ"), ("status", "Trạng thái")):
        if field not in fields:
            raise Invalid(f"There is no column {field} ({said}) in the first line.", field=field)
    twice = next((field for n, field in enumerate(fields) if field and field in fields[:n]), None)
    if twice is not None:
        raise Invalid(f"Two columns are both {twice}.", field=twice)
    return fields


def dossier_of(
    headers: Sequence[str], fields: Sequence[str | None], cells: Iterable[object], agency: str
) -> dict[str, Any]:
    """What a row says, as a dossier of the API; `agency` received it unless the row says otherwise.

    Raises `Invalid`.
    """
    dossier: dict[str, Any] = {"receiving_agency": agency, "notify": False}
    extra: dict[str, str] = {}
    for header, field, cell in zip(headers, fields, cells, strict=False):
        said = _text(cell)
        if not said:
            continue
        if field is None:
            if header:
                extra[header] = said
        elif field in _TIMES:
            dossier[field] = _time(cell, said, field)
        else:
            _put(dossier, field, said)
    if extra:
        dossier["extra"] = extra
    if "procedure" in dossier and "code" not in dossier["procedure"]:
        dossier["extra"] = {**extra, "procedure": dossier.pop("procedure")["name"]}
    if "applicant" in dossier and "name" not in dossier["applicant"]:
        raise Invalid("The applicant's name is missing.", field="applicant.name")
    if "status_at" not in dossier:
        dossier["status_at"] = _newest(dossier)
    return dossier


def _put(dossier: dict[str, Any], field: str, said: str) -> None:
    outer, _, inner = field.partition(".")
    if outer in _NESTED:
        dossier.setdefault(outer, {})[inner] = said
    elif field == "status":
        dossier[field] = _STATUSES.get(folded(said)) or (int(said) if _WHOLE.fullmatch(said) else said)
    elif field == "filing_channel":
        dossier[field] = _CHANNELS.get(folded(said)) or (int(said) if _WHOLE.fullmatch(said) else 0)
    else:
        dossier[field] = said


def _newest(dossier: Mapping[str, Any]) -> datetime:
    """When the status became so, where no column says it: the newest date of the row that has passed."""
    known: list[datetime] = [
        dossier[name] for name in ("received_at", "finished_at", "delivered_at") if dossier.get(name)
    ]
    if not known:
        raise Invalid("The row has no date that says since when its status holds.", field="status_at")
    return max(known)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return clean(str(cell))


def _time(cell: object, said: str, field: str) -> datetime | None:
    if isinstance(cell, datetime):
        return cell if cell.tzinfo else cell.replace(tzinfo=CIVIL_ZONE)
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day, tzinfo=CIVIL_ZONE)
    try:
        return portal_time(said.replace("-", "/") if re.match(r"\d{1,2}-\d{1,2}-\d{4}", said) else said, field)
    except Invalid:
        raise Invalid("This is not a date as dd/MM/yyyy, with or without HH:mm, or yyyy-MM-dd.", field=field) from None
