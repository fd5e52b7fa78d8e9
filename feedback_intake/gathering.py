"""One case for what several people filed about the same thing, and two for what turns out to be two: merge and split.

Each sender keeps a number of their own, and hears of the case it belongs to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from database.pool import Connection
from domain.errors import Forbidden, Invalid, NotFound
from domain.vietnamese import folded
from feedback_intake.cases import LOCK_CASE, NOTE_ACT, Actor
from feedback_intake.moves import OPEN, CaseState, Who
from lookup.sealing import Seal

ALIKE = 0.5  # of the three-word runs of the shorter text that the other has too
ALIKE_OF_ONE_DOSSIER = 0.2  # the same, where both are about one dossier
MOST_ALIKE = 20
WINDOW_DAYS = 30

# What may be the same: about the same dossier, or held by the same office, both still open and not long apart.
CANDIDATES = """
    SELECT c.id AS case_id, c.dossier_id, f.number, f.filed_at, f.text_sealed
      FROM feedback_case c JOIN feedback f ON f.case_id = c.id
     WHERE c.is_open AND c.id <> $1 AND c.filed_at > now() - make_interval(days => $4)
       AND (c.dossier_id = $2 OR c.holder_agency = $3)
     ORDER BY c.dossier_id IS DISTINCT FROM $2, c.id DESC LIMIT 500"""
ABOUT = "SELECT dossier_id, holder_agency FROM feedback_case WHERE id = $1"
TEXTS = "SELECT text_sealed FROM feedback WHERE case_id = $1 ORDER BY id"
MOVE_FEEDBACK = """
    UPDATE feedback SET case_id = $2, case_since = now(), case_before = $1
     WHERE case_id = $1 AND ($3::bigint[] IS NULL OR id = ANY ($3))"""
MOVE_FILES = """
    UPDATE feedback_attachment a SET case_id = $2
     WHERE a.case_id = $1 AND ($3::bigint[] IS NULL OR a.feedback_id = ANY ($3))"""
CLOSE_MERGED = """
    UPDATE feedback_case SET version = version + 1, state = 'closed', merged_into = $2, resumes = NULL WHERE id = $1"""
GREW = """
    UPDATE feedback_case t SET version = t.version + 1, answer_due_on = least(t.answer_due_on, f.answer_due_on)
      FROM feedback_case f WHERE t.id = $1 AND f.id = $2"""
FILED_IN = "SELECT id FROM feedback WHERE case_id = $1 ORDER BY id"
OPEN_PART = """
    INSERT INTO feedback_case (dossier_id, holder_agency, parties, holder_due_on, answer_due_on, confidential, content,
                               filed_at)
    SELECT dossier_id, holder_agency, parties, holder_due_on, answer_due_on, confidential, content, filed_at
      FROM feedback_case WHERE id = $1
    RETURNING id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikeCase:
    """An open case that may be about the same; `likeness` from 0 to 1, `same_dossier` where both name one."""

    case_id: int
    number: str
    filed_at: datetime
    likeness: float
    same_dossier: bool
    text: str = field(repr=False)


class Gathering:
    """Merges and splits. Runs as `motma_app` with the tenant set, in the caller's transaction."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def alike(self, connection: Connection, case_id: int) -> list[AlikeCase]:
        """Open cases that may be about the same as `case_id`, the likest first. Raises `NotFound`."""
        case = await self._case(connection, case_id)
        own = [_runs(self._seal.open(row["text_sealed"])) for row in await connection.fetch(TEXTS, case_id)]
        found: dict[int, AlikeCase] = {}
        rows = await connection.fetch(CANDIDATES, case_id, case["dossier_id"], case["holder_agency"], WINDOW_DAYS)
        for row in rows:
            text = self._seal.open(row["text_sealed"])
            runs = _runs(text)
            likeness = max((_likeness(mine, runs) for mine in own), default=0.0)
            same = case["dossier_id"] is not None and row["dossier_id"] == case["dossier_id"]
            if likeness < (ALIKE_OF_ONE_DOSSIER if same else ALIKE):
                continue
            known = found.get(row["case_id"])
            if known is None or known.likeness < likeness:
                found[row["case_id"]] = AlikeCase(
                    case_id=row["case_id"],
                    number=row["number"],
                    filed_at=row["filed_at"],
                    likeness=likeness,
                    same_dossier=same,
                    text=text,
                )
        return sorted(found.values(), key=lambda a: (a.same_dossier, a.likeness), reverse=True)[:MOST_ALIKE]

    async def merge(self, connection: Connection, from_id: int, into_id: int, actor: Actor) -> None:
        """Move all that was filed in one open case to another of the same office. Raises `Invalid`, `NotFound`."""
        if from_id == into_id:
            raise Invalid("A case cannot be merged with itself.", field="into")
        cases = {}
        for case_id in sorted((from_id, into_id)):  # one order for everybody: no two merges wait for each other
            cases[case_id] = await self._locked(connection, case_id, actor)
        if any(CaseState(case["state"]) not in OPEN for case in cases.values()):
            raise Invalid("Only open cases can be merged.", field="into")
        if cases[from_id]["holder_agency"] != cases[into_id]["holder_agency"]:
            raise Invalid("Both cases must be with the same office.", field="into")
        await connection.execute(GREW, into_id, from_id)
        await connection.execute(MOVE_FILES, from_id, into_id, None)
        await connection.execute(MOVE_FEEDBACK, from_id, into_id, None)
        await connection.execute(CLOSE_MERGED, from_id, into_id)
        await self._log(connection, from_id, "merge", CaseState.CLOSED, actor)
        await self._log(connection, into_id, "merge", CaseState(cases[into_id]["state"]), actor)

    async def split(self, connection: Connection, case_id: int, feedback_ids: Sequence[int], actor: Actor) -> int:
        """Give some of what a case gathers a case of its own; its id. Raises `Invalid`, `NotFound`."""
        case = await self._locked(connection, case_id, actor)
        if CaseState(case["state"]) not in OPEN:
            raise Invalid("Only an open case can be split.", field="feedback")
        filed = {row["id"] for row in await connection.fetch(FILED_IN, case_id)}
        chosen = set(feedback_ids)
        if not chosen or not chosen < filed:
            raise Invalid("Choose some of what was filed, not all of it.", field="feedback")
        part = int(await connection.fetchval(OPEN_PART, case_id))
        await connection.execute(MOVE_FILES, case_id, part, sorted(chosen))
        await connection.execute(MOVE_FEEDBACK, case_id, part, sorted(chosen))
        await self._log(connection, case_id, "split", CaseState(case["state"]), actor)
        await self._log(connection, part, "split", CaseState.RECEIVED, actor)
        return part

    async def _case(self, connection: Connection, case_id: int) -> Connection:
        row = await connection.fetchrow(ABOUT, case_id)
        if row is None:
            raise NotFound("There is no such case.")
        return row

    async def _locked(self, connection: Connection, case_id: int, actor: Actor) -> Connection:
        if not actor.roles & {Who.CLERK, Who.HANDLER, Who.HEAD}:
            raise Forbidden("None of your roles may do this.")
        row = await connection.fetchrow(LOCK_CASE, case_id)
        if row is None:
            raise NotFound("There is no such case.")
        return row

    async def _log(self, connection: Connection, case_id: int, move: str, state: CaseState, actor: Actor) -> None:
        await connection.execute(NOTE_ACT, case_id, move, state, actor.by, actor.account_id)


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    """The runs of three words of a text, without accents; of a short one, its words."""
    words = [word.strip(".,;:!?\"'()") for word in folded(text).split()]
    words = [word for word in words if word]
    if len(words) < 3:
        return frozenset((word,) for word in words)
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def _likeness(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0


STATEMENTS = (CANDIDATES, ABOUT, TEXTS, MOVE_FEEDBACK, MOVE_FILES, CLOSE_MERGED, GREW, FILED_IN, OPEN_PART)
