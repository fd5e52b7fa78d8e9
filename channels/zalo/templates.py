"""Approved templates: which of a notice's parts go into which parameter, and what fits there.

Written in one setting: the template's number, then `parameter=part`, where `part|part` takes the first that is not
empty and `:30` says how long it may be: `356722 ma_ho_so=code trang_thai=status han_tra=due|next:30`. Kinds of change
may have templates of their own (`channels.template_kinds`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from channels.template_kinds import ALL_ELSE, by_kind
from channels.zalo.account import ZaloAccount
from domain.errors import Invalid, Malformed, Undeliverable
from domain.language import Language
from domain.vietnamese import clean

# The parts of a notice (`notifications.texts.facts`) and how long Zalo lets a parameter of that type be: code, status
# and label 30; product and address 200; date 20; phone 15.
LONGEST = MappingProxyType({"code": 30, "status": 30, "next": 200, "asked": 200, "due": 20, "office": 200, "phone": 15})
WHOLE = frozenset({"code", "due", "phone"})  # a piece of it would say something else
EMPTY = "-"  # for a parameter that has nothing to say: Zalo takes none that is empty
MOST_LENGTH = 400
_NUMBER = re.compile("[0-9A-Za-z]{3,32}", re.ASCII)
_PARAMETER = re.compile(r"(?P<name>[A-Za-z0-9_]{1,50})=(?P<parts>[a-z|]+)(?::(?P<most>[0-9]{1,3}))?", re.ASCII)


class _Detail(msgspec.Struct, frozen=True):
    """One parameter as `template/info/v2` describes it."""

    name: str
    require: bool = True
    maxLength: int = MOST_LENGTH  # noqa: N815 - Zalo's name


class TemplateDetail(msgspec.Struct, frozen=True):
    """A template as Zalo describes it; prices are đồng."""

    status: str = ""
    listParams: list[_Detail] = []  # noqa: N815 - Zalo's name; msgspec copies it
    price_uid: str | int | float = ""
    price_sdt: str | int | float = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a template, filled from the first of `parts` that says something; `most` characters."""

    name: str
    parts: tuple[str, ...]
    most: int | None = None

    def longest(self, part: str) -> int:
        """How long `part` may be here."""
        return LONGEST[part] if self.most is None else self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template and how it is filled."""

    number: str
    parameters: tuple[Parameter, ...]

    def filled(self, facts: Mapping[str, str]) -> dict[str, str]:
        """The parameters for a notice of `facts`. Raises `Undeliverable` when the dossier's code does not fit."""
        return {parameter.name: _value(parameter, facts) for parameter in self.parameters}

    def faults(self, detail: TemplateDetail) -> list[str]:
        """Why Zalo would refuse what we send, by its own description of the template."""
        found = []
        if detail.status not in {"ENABLE", ""}:
            found.append(f"template {self.number} is {detail.status}, not ENABLE")
        theirs = {one.name: one for one in detail.listParams}
        ours = {parameter.name: parameter for parameter in self.parameters}
        found += [f"parameter {name} is not in the template" for name in ours.keys() - theirs.keys()]
        found += [f"parameter {name} is not filled" for name in theirs.keys() - ours.keys() if theirs[name].require]
        for name in sorted(ours.keys() & theirs.keys()):
            taken = theirs[name].maxLength
            if max(ours[name].longest(part) for part in ours[name].parts) > taken:
                found.append(f"parameter {name} takes {taken} characters: write {name}=…:{taken}")
        return sorted(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """The template of each kind of change and language, by the settings that describe them."""

    by_setting: Mapping[str, Template]
    chosen: Mapping[tuple[str, Language], Template]

    @classmethod
    def of(cls, setting: str, vietnamese: str, english: str) -> "Templates":
        """From the values of `setting` and `setting`_EN. Raises `Malformed`."""
        by_setting, chosen = {}, {}
        for name, value, language in (
            (setting, vietnamese, Language.VIETNAMESE),
            (f"{setting}_EN", english, Language.ENGLISH),
        ):
            for kind, described in by_kind(value, name).items():
                if (template := template_of(described, name)) is not None:
                    by_setting[f"{name} ({kind})" if kind else name] = template
                    chosen[kind, language] = template
        return cls(by_setting=by_setting, chosen=chosen)

    def of_notice(self, facts: Mapping[str, str], language: Language) -> Template | None:
        """The template for a notice of `facts` to a person of `language`: without one of its own, the Vietnamese."""
        kinds = (facts.get("event", ALL_ELSE), ALL_ELSE)
        wanted = ((kind, spoken) for spoken in (language, Language.VIETNAMESE) for kind in kinds)
        return next((self.chosen[one] for one in wanted if one in self.chosen), None)

    async def examine(self, account: ZaloAccount) -> list[str]:
        """What Zalo says of each. Raises `Invalid` naming the setting and what in it Zalo would refuse."""
        said = []
        for setting, template in self.by_setting.items():
            url = f"{account.hosts.business}/template/info/v2"
            data = await account.call("GET", url, params={"template_id": template.number})
            try:
                detail = msgspec.convert(data, TemplateDetail, strict=False)
            except msgspec.ValidationError:
                said.append(f"template {template.number} answers")
                continue
            if faults := template.faults(detail):
                raise Invalid(f"{setting}: {'; '.join(faults)}.", field=setting)
            prices = f"{detail.price_uid or '?'} đồng in the chat, {detail.price_sdt or '?'} by phone"
            said.append(f"template {template.number}: {prices}")
        return said


def template_of(setting: str, name: str) -> Template | None:
    """The template a setting describes; None when it is empty. Raises `Malformed` naming the setting `name`."""
    number, *rest = setting.replace(",", " ").split() or [""]
    if not number:
        return None
    matches = [_PARAMETER.fullmatch(word) for word in rest]
    if not _NUMBER.fullmatch(number) or not matches or not all(matches):
        raise Malformed(f"{name} is a template's number and its parameters, for example '356722 ma_ho_so=code'.")
    parameters = tuple(
        Parameter(
            name=match["name"],
            parts=tuple(match["parts"].split("|")),
            most=int(match["most"]) if match["most"] else None,
        )
        for match in matches
        if match is not None
    )
    unknown = {part for parameter in parameters for part in parameter.parts} - LONGEST.keys()
    if unknown:
        raise Malformed(f"{name}: a notice has no {', '.join(sorted(unknown))}; it has {', '.join(LONGEST)}.")
    return Template(number=number, parameters=parameters)


def _parameter(match: re.Match[str]) -> Parameter:
    most = int(match["most"]) if match["most"] else None
    return Parameter(name=match["name"], parts=tuple(match["parts"].split("|")), most=most)


def _value(parameter: Parameter, facts: Mapping[str, str]) -> str:
    for part in parameter.parts:
        value, most = " ".join(clean(facts.get(part, "")).split()), parameter.longest(part)
        if value and len(value) <= most:
            return value
        if value and part not in WHOLE:
            return f"{value[: most - 1].rstrip()}…"
        if value and part == "code":
            raise Undeliverable(f"The dossier's code is longer than {most} characters, which the template takes.")
    return EMPTY
