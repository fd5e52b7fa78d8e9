"""What agencies set about notices: which kinds are told, by which ways, in which words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from database.pool import Connection
from domain.language import Language
from notifications.kinds import EventKind
from notifications.wordings import Form

_IN_REACH = "IN (SELECT r.agency_id FROM agency_reach r WHERE r.scope_id = $1)"
RULES = f"""
    SELECT n.event, n.told, n.agency_id, a.code AS agency, a.name AS agency_name, n.procedure_id, p.code AS procedure,
           p.name AS procedure_name
      FROM notice_rule n JOIN agency a ON a.id = n.agency_id LEFT JOIN procedure p ON p.id = n.procedure_id
     WHERE n.agency_id {_IN_REACH} ORDER BY a.code, n.event, p.code NULLS FIRST LIMIT $2"""  # noqa: S608 - parts of ours
LADDERS = f"""
    SELECT l.agency_id, a.code AS agency, a.name AS agency_name, l.rungs, l.dong
      FROM notice_ladder l JOIN agency a ON a.id = l.agency_id
     WHERE l.agency_id {_IN_REACH} ORDER BY a.code LIMIT $2"""  # noqa: S608 - parts of ours
TEXTS = f"""
    SELECT * FROM (
        SELECT DISTINCT ON (t.agency_id, t.event, t.form, t.language)
               t.agency_id, a.code AS agency, t.event, t.form, t.language, t.version, t.words, t.written_at
          FROM notice_text t JOIN agency a ON a.id = t.agency_id
         WHERE t.agency_id {_IN_REACH}
         ORDER BY t.agency_id, t.event, t.form, t.language, t.version DESC) newest
     WHERE newest.words IS NOT NULL ORDER BY newest.agency, newest.event, newest.form, newest.language LIMIT $2"""  # noqa: S608 - parts of ours
VERSION = """
    SELECT coalesce(max(t.version), 0) FROM notice_text t
     WHERE t.agency_id = $1 AND t.event = $2 AND t.form = $3 AND t.language = $4"""
MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: an event is told or is not, at an office and below, in one procedure or in all."""

    event: EventKind
    told: bool
    agency_id: int
    agency: str
    agency_name: str
    procedure_id: int | None
    procedure: str | None
    procedure_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeLadder:
    """The rungs of an office, and its limit in đồng."""

    agency_id: int
    agency: str
    agency_name: str
    rungs: tuple[str, ...]
    dong: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeWords:
    """The newest version of an office's own words."""

    agency_id: int
    agency: str
    event: EventKind
    form: Form
    language: Language
    version: int
    words: str
    written_at: datetime


async def rules_of(connection: Connection, agency_id: int) -> list[Rule]:
    """Those of an office and all below it."""
    return [Rule(**{**row, "event": EventKind(row["event"])}) for row in await connection.fetch(RULES, agency_id, MOST)]


async def ladders_of(connection: Connection, agency_id: int) -> list[OfficeLadder]:
    """The same of ladders."""
    rows = await connection.fetch(LADDERS, agency_id, MOST)
    return [OfficeLadder(**{**row, "rungs": tuple(row["rungs"])}) for row in rows]


async def words_of(connection: Connection, agency_id: int) -> list[OfficeWords]:
    """The same of words."""
    return [_words(row) for row in await connection.fetch(TEXTS, agency_id, MOST)]


async def version_of(connection: Connection, agency_id: int, event: EventKind, form: Form, language: Language) -> int:
    """The newest version of one wording, 0 where there never was one: for whoever edits beside somebody else."""
    return int(await connection.fetchval(VERSION, agency_id, event, form, language))


def _words(row: Mapping[str, Any]) -> OfficeWords:
    read = {"event": EventKind(row["event"]), "form": Form(row["form"]), "language": Language(row["language"])}
    return OfficeWords(**{**row, **read})


STATEMENTS = (RULES, LADDERS, TEXTS, VERSION)
