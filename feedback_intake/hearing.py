"""What those who filed do about it afterwards: tell more, object, take back, say what may be published.

Who acts has proven a right to the number; that is checked where they ask (`feedback_intake.progress`). One case may
gather what several people filed: one who withdraws leaves it to the others.
"""

from enum import StrEnum

from database.pool import Connection
from domain.contact import Contact
from domain.errors import Invalid, NotFound
from domain.vietnamese import clean
from feedback_intake.cases import Actor, Cases, Step
from feedback_intake.filing import LONGEST_ADDRESS, LONGEST_NAME, LONGEST_TEXT, MayPublish
from feedback_intake.moves import MOVES, OPEN, CaseState, MoveName, Who
from feedback_intake.register import Register
from lookup.sealing import Seal

FIND_FILED = """
    SELECT f.id, f.case_id, c.state, f.withdrawn_at,
           (SELECT count(*) FROM feedback o WHERE o.case_id = f.case_id AND o.withdrawn_at IS NULL AND o.id <> f.id)
               AS others
      FROM feedback f JOIN feedback_case c ON c.id = f.case_id WHERE f.number = $1 FOR UPDATE OF f"""
NOTE_WORDS = """
    INSERT INTO feedback_step (case_id, move, state, by, why_sealed, said, feedback_id)
    VALUES ($1, $2, $3, 'sender', $4, true, $5)"""
NOTE_LEFT = "INSERT INTO feedback_step (case_id, move, state, by, feedback_id) VALUES ($1, 'leave', $2, 'sender', $3)"
LEAVE = "UPDATE feedback SET withdrawn_at = now() WHERE id = $1"
CONSENT = """
    UPDATE feedback SET may_publish = $2, may_publish_since = CASE WHEN $2 <> 'no' THEN now() END
     WHERE number = $1 AND may_publish <> $2 RETURNING case_id"""
COMPLETE = """
    UPDATE feedback SET name_sealed = coalesce($2, name_sealed),
           postal_address_sealed = coalesce($3, postal_address_sealed)
     WHERE number = $1"""
SAY_KIND = "UPDATE feedback SET kind = $2 WHERE id = $1 AND kind <> $2 RETURNING id"
READ_BACK = "UPDATE feedback SET read_back_at = coalesce(read_back_at, now()) WHERE number = $1"
PROVE_REPLY = "UPDATE feedback SET reply_proven = true WHERE number = $1 AND contact_digest = $2 AND NOT reply_proven"


class SenderAct(StrEnum):
    """What a sender may do."""

    ADD = "add"  # words: the answer to what was asked, or what came to mind later
    OBJECT = "object"  # it is not solved
    WITHDRAW = "withdraw"
    READ_BACK = "read_back"  # what was typed from a letter or a call is what was meant
    FEEDBACK = "feedback"  # it is meant as feedback, or
    PROPOSAL = "proposal"  # as a proposal


def acts_in(state: CaseState, *, may_object: bool) -> tuple[SenderAct, ...]:
    """What a sender may do with a case in `state`."""
    acts = []
    if state in OPEN:
        acts += [SenderAct.ADD, SenderAct.FEEDBACK, SenderAct.PROPOSAL, SenderAct.WITHDRAW]
    if may_object and state in MOVES[MoveName.REOPEN].starts:
        acts.append(SenderAct.OBJECT)
    return tuple(acts)


class SenderActs:
    """Does them. Runs as `motma_worker`, in the caller's transaction. All raise `NotFound` for an unknown number."""

    def __init__(self, seal: Seal, cases: Cases) -> None:
        self._seal = seal
        self._cases = cases

    async def act(self, connection: Connection, number: str, act: SenderAct, words: str = "") -> None:
        """Do `act`, with its words. Raises `Invalid` where it leads nowhere now."""
        filed = await connection.fetchrow(FIND_FILED, number)
        if filed is None:
            raise NotFound("There is no feedback that matches this.")
        feedback_id, case_id, state = filed["id"], filed["case_id"], CaseState(filed["state"])
        sender = Actor(roles=frozenset({Who.SENDER}), feedback_id=feedback_id)
        if act is SenderAct.OBJECT:
            await self._cases.move(connection, case_id, Step(move=MoveName.REOPEN, why=words), sender)
        elif act is SenderAct.READ_BACK:
            await connection.execute(READ_BACK, number)
        elif act in {SenderAct.FEEDBACK, SenderAct.PROPOSAL} and state in OPEN:
            if await connection.fetchval(SAY_KIND, feedback_id, act) is not None:
                await self._note(connection, case_id, f"as_{act}", state, words, sender)
        elif act is SenderAct.WITHDRAW:
            await self._withdraw(connection, case_id, state, sender, others=filed["others"])
        elif state is CaseState.NEEDS_INFO:
            await self._cases.move(connection, case_id, Step(move=MoveName.SUPPLY, why=words), sender)
        elif state in OPEN:
            if not clean(words):
                raise Invalid("This needs words.", field="words")
            await self._note(connection, case_id, "add", state, words, sender)
        else:
            raise Invalid("This case has ended: nothing can be added to it.", field="words")

    async def complete(self, connection: Connection, number: str, *, name: str = "", postal_address: str = "") -> None:
        """Keep what the law asks of a sender besides the words, given later. Raises `Invalid`."""
        name = _within(name, LONGEST_NAME, "name")
        address = _within(postal_address, LONGEST_ADDRESS, "postal_address")
        await connection.execute(
            COMPLETE,
            number,
            self._seal.seal(name) if name else None,
            self._seal.seal(address) if address else None,
        )

    async def may_publish(self, connection: Connection, number: str, consent: MayPublish) -> None:
        """What may be published from now on; giving it and taking it back are one act each.

        A name that was published goes out of the register as soon as nobody may read it any more.
        """
        case_id = await connection.fetchval(CONSENT, number, consent)
        if case_id is not None and consent is not MayPublish.NAMED:
            await Register(self._seal).forget_names(connection, case_id)

    async def prove_reply(self, connection: Connection, number: str, asker: Contact) -> None:
        """Who named the number from the very address it was filed with: that address is theirs, for whoever typed it
        in was told the number, and nobody else."""
        await connection.execute(PROVE_REPLY, number, self._seal.contact(asker))

    async def _note(
        self, connection: Connection, case_id: int, move: str, state: CaseState, words: str, sender: Actor
    ) -> None:
        text = _within(words, LONGEST_TEXT, "words")
        sealed = self._seal.seal(text) if text else None
        await connection.execute(NOTE_WORDS, case_id, move, state, sealed, sender.feedback_id)

    async def _withdraw(
        self, connection: Connection, case_id: int, state: CaseState, sender: Actor, *, others: int
    ) -> None:
        if others and state in OPEN:
            await connection.execute(NOTE_LEFT, case_id, state, sender.feedback_id)
        else:
            await self._cases.move(connection, case_id, Step(move=MoveName.WITHDRAW), sender)
        await connection.execute(LEAVE, sender.feedback_id)


def _within(text: str, longest: int, name: str) -> str:
    text = clean(text)
    if len(text) > longest:
        raise Invalid(f"This may have {longest} characters at most.", field=name)
    return text


STATEMENTS = (FIND_FILED, NOTE_WORDS, NOTE_LEFT, LEAVE, CONSENT, COMPLETE, READ_BACK, PROVE_REPLY, SAY_KIND)
