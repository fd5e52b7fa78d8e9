"""One row of any table for an agency, from what the schema says of its columns: so that no table is forgotten."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from database.pool import Connection

COLUMNS = """
    SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, a.attnotnull AS needed,
           a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '' AS given,
           (SELECT f.confrelid::regclass::text FROM pg_constraint f
             WHERE f.conrelid = a.attrelid AND f.contype = 'f' AND f.conkey = ARRAY[a.attnum] LIMIT 1) AS refers,
           (SELECT string_agg(pg_get_constraintdef(k.oid), ' ') FROM pg_constraint k
             WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)) AS checked
      FROM pg_attribute a
     WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum"""
KEY = """
    SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = $1::regclass AND i.indisprimary ORDER BY a.attnum"""
MOST = 2**24 - 1  # numbers of dossiers in their first partition
_OF_AN_AGENCY = re.compile(r"agency|^office$|^scope_id$")
_OF_A_DOSSIER = frozenset({"dossier_id"})
# What a check asks for that is no list of words.
_PARTICULAR: dict[tuple[str, str], str] = {
    ("feedback", "number"): "'PA-261110-' || lpad(({n} % 1000000)::text, 6, '0')",
    ("account", "email"): "'officer{n}@example.vn'",
    ("notice_ladder", "rungs"): "ARRAY['sms']",
    ("register_record", "kind"): "'removal'",
    ("register_entry", "digests"): "decode(repeat('00', 128), 'hex')",
    ("feedback_attachment", "size"): "1",
}


@dataclass
class Rows:
    """Makes rows for one agency; what a row refers to is made before it. `dossier_id` and the rest are its own."""

    connection: Connection
    agency_id: int
    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def row(self, table: str) -> dict[str, Any]:
        """The agency's one row of `table`: its primary key."""
        if table not in self.made:
            self.made[table] = {}  # a table that refers to itself leaves that empty
            names, values = [], []
            for column in await self.connection.fetch(COLUMNS, table):
                value = await self._value(table, column)
                if value is not None:
                    names.append(column["name"])
                    values.append(value)
            key = [row["attname"] for row in await self.connection.fetch(KEY, table)] or ["ctid"]
            statement = (
                f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(values)}) RETURNING {', '.join(key)}"  # noqa: S608
            )
            self.made[table] = dict(await self.connection.fetchrow(statement))
        return self.made[table]

    async def _value(self, table: str, column: Mapping[str, Any]) -> str | None:
        """SQL of a value for one column; None to leave it as it comes."""
        name, kind = column["name"], column["type"]
        if (table, name) in _PARTICULAR:
            return _PARTICULAR[table, name].format(n=1 + secrets.randbelow(MOST))
        if kind == "integer[]" and not column["given"]:
            return f"ARRAY[{self.agency_id}]"
        if kind == "integer" and _OF_AN_AGENCY.search(name):
            return str(self.agency_id)
        if column["refers"] and column["needed"]:
            return str(next(iter((await self.row(column["refers"])).values())))
        if name in _OF_A_DOSSIER and table != "dossier":
            return str((await self.row("dossier"))["id"])
        if column["given"] or not column["needed"]:
            return None
        if found := re.search(rf"\(?{name}\)? = ANY \(+ARRAY\['([^']+)'", column["checked"] or ""):
            return f"'{found[1]}'"
        return _PLAIN[kind].format(n=1 + secrets.randbelow(MOST), hex=secrets.token_hex(32))


_PLAIN = {
    "text": "'x{n}'",
    "bytea": "'\\x{hex}'",
    "integer": "1",
    "smallint": "1",
    "bigint": "{n}",
    "boolean": "false",
    "date": "current_date",
    "timestamp with time zone": "now()",
    "interval": "interval '1 hour'",
    "uuid": "gen_random_uuid()",
    "text[]": "'{{}}'",
    "jsonb": "'{{}}'",
}
