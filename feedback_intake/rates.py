"""How each office does, in figures for the public: worked out once an hour, never while somebody waits.

On time counts what was answered in time out of all that was answered or is overdue, so that not answering helps nobody.
Solved counts what nobody objected to while they could. A share of fewer than `FEWEST` ratings is not shown (NĐ 118/2025
Đ29.3: who rated is confidential). The body that controls an office is counted apart from citizens.
A confidential case counts for the offices above the one that holds it: in a small one's own figures it would show.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from database.pool import Connection

FEWEST = 5  # ratings
CONTENT = 4  # of five steps, from here up somebody is content
MONTHS = 12
_LOCK = 7305808869231651190
_LIMIT_SECONDS = 600
_FIGURES = (
    *("cases_filed", "cases_proposals", "cases_answered", "cases_on_time", "cases_late", "cases_reopened"),
    *("cases_solved", "cases_published", "dossiers_finished", "dossiers_on_time", "dossier_ratings", "dossier_content"),
    *("case_ratings", "case_content", "controller_ratings", "controller_content"),
)

ALONE = "SELECT pg_try_advisory_xact_lock($1)"
AGE = "SELECT max(as_of) > now() - make_interval(mins => $1) FROM register_figure"
# Whole tables are read, as only this statement does.
PATIENCE = "SELECT set_config('statement_timeout', '600s', true), set_config('enable_seqscan', 'on', true)"
CLEAR = "DELETE FROM register_figure"
_COUNTS = f"""
    WITH since AS (SELECT now() - interval '{MONTHS} months' AS at,
                          (now() AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS today),
    counted (agency_id, hidden, what, n) AS (
        SELECT c.holder_agency, c.confidential, w.what, count(*) FILTER (WHERE w.yes) FROM since, feedback_case c
          CROSS JOIN LATERAL (VALUES
            ('cases_filed', true),
            ('cases_proposals', EXISTS (SELECT FROM feedback f WHERE f.case_id = c.id AND f.kind = 'proposal')),
            ('cases_answered', c.answered_at IS NOT NULL),
            ('cases_on_time', (c.answered_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date <= c.answer_due_on),
            ('cases_late', c.is_open AND c.answer_due_on < since.today
                           OR (c.answered_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date > c.answer_due_on),
            ('cases_reopened', c.reopened > 0),
            ('cases_solved', c.state = 'closed' AND c.answered_at IS NOT NULL)) AS w (what, yes)
         WHERE c.filed_at > since.at AND c.merged_into IS NULL GROUP BY 1, 2, 3
        UNION ALL
        SELECT e.agency_id, false, 'cases_published', count(*) FROM since, register_entry e
         WHERE e.listed AND e.published_at > since.at GROUP BY 1
        UNION ALL
        SELECT coalesce(d.resolving_agency, d.receiving_agency), false, w.what, count(*) FILTER (WHERE w.yes)
          FROM since, dossier d CROSS JOIN LATERAL (VALUES
            ('dossiers_finished', true),
            ('dossiers_on_time', d.due_at IS NULL OR (d.finished_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date
                                                     <= (d.due_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date))
            AS w (what, yes)
         WHERE d.finished_at > since.at AND d.status NOT IN (1, 3) GROUP BY 1, 3
        UNION ALL
        SELECT r.agency_id, false, w.what, count(*) FILTER (WHERE w.yes) FROM since, rating r
          CROSS JOIN LATERAL (VALUES ('dossier_ratings', true), ('dossier_content', r.score >= {CONTENT}))
            AS w (what, yes)
         WHERE r.rated_at > since.at AND r.dossier_id IS NOT NULL AND r.proven GROUP BY 1, 3
        UNION ALL
        SELECT r.agency_id, c.confidential, w.what, count(*) FILTER (WHERE w.yes)
          FROM since, case_rating r JOIN feedback_case c ON c.id = r.case_id
          CROSS JOIN LATERAL (VALUES ('case_ratings', true), ('case_content', r.score >= {CONTENT})) AS w (what, yes)
         WHERE r.rated_at > since.at GROUP BY 1, 2, 3
        UNION ALL
        SELECT r.agency_id, c.confidential, w.what, count(*) FILTER (WHERE w.yes)
          FROM since, control_rating r JOIN feedback_case c ON c.id = r.case_id
          CROSS JOIN LATERAL (VALUES ('controller_ratings', true), ('controller_content', r.score >= {CONTENT}))
            AS w (what, yes)
         WHERE r.rated_at > since.at AND r.replaced_at IS NULL GROUP BY 1, 2, 3)"""  # noqa: S608 - numbers of ours
COUNT = (
    "INSERT INTO register_figure (agency_id, as_of, "  # noqa: S608 - columns of ours
    + ", ".join(_FIGURES)
    + ")"
    + _COUNTS
    + "SELECT r.scope_id, now(), "
    + ", ".join(f"coalesce(sum(u.n) FILTER (WHERE u.what = '{name}'), 0)" for name in _FIGURES)
    + " FROM counted u JOIN agency_reach r ON r.agency_id = u.agency_id AND NOT (u.hidden AND r.scope_id = u.agency_id)"
    + " GROUP BY r.scope_id"
)
READ = f"SELECT agency_id, as_of, {', '.join(_FIGURES)} FROM register_figure WHERE agency_id = ANY ($1::int[])"  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many. `percent` is None where that may not or cannot be said."""

    part: int | None
    of: int
    percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeFigures:
    """An agency with all below it, in the last twelve months."""

    agency_id: int
    as_of: datetime | None
    cases_filed: int
    cases_proposals: int
    cases_answered: int
    cases_on_time: int
    cases_late: int
    cases_reopened: int
    cases_solved: int
    cases_published: int
    dossiers_finished: int
    dossiers_on_time: int
    dossier_ratings: int
    dossier_content: int
    case_ratings: int
    case_content: int
    controller_ratings: int
    controller_content: int

    @classmethod
    def nothing(cls, agency_id: int) -> "OfficeFigures":
        """Of an office where there is nothing to count."""
        return cls(agency_id=agency_id, as_of=None, **dict.fromkeys(_FIGURES, 0))

    @property
    def answers_on_time(self) -> Share:
        """Of feedback that was answered or is overdue."""
        return _share(self.cases_on_time, self.cases_on_time + self.cases_late)

    @property
    def reopened(self) -> Share:
        """Of answered feedback, what somebody objected to."""
        return _share(self.cases_reopened, self.cases_answered)

    @property
    def solved(self) -> Share:
        """Of all feedback, what was answered and nobody objected to in time."""
        return _share(self.cases_solved, self.cases_filed)

    @property
    def dossiers_in_time(self) -> Share:
        """Of finished dossiers."""
        return _share(self.dossiers_on_time, self.dossiers_finished)

    @property
    def content_with_dossiers(self) -> Share:
        """Of citizens who rated how a dossier was handled and proved a right to it."""
        return rated_share(self.dossier_content, self.dossier_ratings)

    @property
    def content_with_feedback(self) -> Share:
        """Of those who filed feedback and rated how it was handled."""
        return rated_share(self.case_content, self.case_ratings)

    @property
    def controllers_content(self) -> Share:
        """Of the ratings of the body that controls the office."""
        return rated_share(self.controller_content, self.controller_ratings)


async def refresh_figures(connection: Connection, *, minutes: int = 55) -> bool:
    """Work the figures out anew, unless somebody does, or did so less than `minutes` ago. Runs as `motma_worker`."""
    if not await connection.fetchval(ALONE, _LOCK) or await connection.fetchval(AGE, minutes):
        return False
    await connection.execute(PATIENCE)
    await connection.execute(CLEAR)
    await connection.execute(COUNT, timeout=_LIMIT_SECONDS)
    return True


async def figures_of(connection: Connection, agency_ids: Iterable[int]) -> Mapping[int, OfficeFigures]:
    """By agency; one without anything to count is absent. Runs as `motma_public`."""
    rows = await connection.fetch(READ, list(agency_ids))
    return {row["agency_id"]: OfficeFigures(**_known(row)) for row in rows}


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: row[field.name] for field in fields(OfficeFigures)}


def _share(part: int, of: int) -> Share:
    return Share(part=part, of=of, percent=round(100 * part / of, 1) if of else None)


def rated_share(part: int, of: int) -> Share:
    """Of ratings: of few of them only their number is said."""
    return _share(part, of) if of >= FEWEST else Share(part=None, of=of, percent=None)


STATEMENTS = (ALONE, AGE, PATIENCE, CLEAR, COUNT, READ)
