"""Following one dossier, and hearing no more of one."""

from dataclasses import replace

from channels.conversation.choices import choice
from channels.conversation.looking_up import LookingUp, proof_among
from channels.conversation.replies import Replies
from channels.conversation.subjects import Subject, fullest, subject_named, subjects_at_hand
from channels.conversation.turn import Asked, Desk, Follow, Mute, Remembered, Said, Turn
from channels.guesses import ProofNeeded
from lookup.code_finder import ReadingKind, read
from lookup.disclosure import Answer


class Following:
    """Subscriptions by chat."""

    def __init__(self, desk: Desk, replies: Replies, looking_up: LookingUp) -> None:
        self._desk = desk
        self._replies = replies
        self._looking_up = looking_up

    async def follow(self, said: Said, words: str, *, less: bool = False) -> Turn:
        """Tell of every change of the dossier named in `words`, or of the one at hand; `less`: of what matters."""
        reading = read(words)
        if reading.kind is ReadingKind.RECEIPT_TOKEN:
            answer = await self._desk.with_receipt(reading.value)
            if answer is None:
                return self._replies.turn(said, "look_up.receipt_unknown")
            return self._followed(said, Subject(code=answer.code), answer, less=less)
        if reading.candidates:
            subjects: tuple[Subject, ...] = (subject_named(said, reading.candidates),)
        else:
            subjects = () if any(c.isdigit() for c in words) else subjects_at_hand(said, followed=less)
        if not subjects:
            asked = Asked.CODE_TO_FOLLOW_LESS if less else Asked.CODE_TO_FOLLOW
            return self._replies.turn(said, "follow.which", remember=Remembered(asked=asked))
        if len(subjects) > 1:
            return self._which(said, subjects, "which.to_follow", "IT TIN" if less else "THEO DOI")
        (subject,) = subjects
        try:
            answer = await fullest(self._desk, said, subject, proof_among(reading.rest))
        except ProofNeeded:
            # Whoever proved it a while ago need not do so again to follow it.
            answer = None
            if not subject.proven:
                return self._looking_up.ask_proof(said, subject, "look_up.proof_needed")
        else:
            if answer is None:
                return self._looking_up.unknown(said, subject, reading)
        return self._followed(said, subject, answer, less=less)

    async def mute(self, said: Said, words: str) -> Turn:
        """Tell no more of the dossier named in `words`, or of the one at hand or followed."""
        candidates = read(words).candidates
        subjects = (subject_named(said, candidates),) if candidates else subjects_at_hand(said, followed=True)
        if not subjects:
            return self._replies.turn(said, "mute.which", remember=Remembered(asked=Asked.CODE_TO_MUTE))
        if len(subjects) > 1:
            return self._which(said, subjects, "which.to_mute", "BO")
        # The same words for a code that does not exist: there will be no notices about it either.
        settled = await self._settled(said, subjects[0]) if subjects[0].others else None
        code = settled or subjects[0].code
        return self._replies.turn(
            said,
            "mute.done",
            acts=(Mute(code=code),),
            remember=Remembered(code=code, told=True, proven=subjects[0].proven),
            choices=choice(said.language, "follow_again", f"THEO DOI {code}"),
            code=code,
        )

    async def _settled(self, said: Said, subject: Subject) -> str | None:
        """Which of its readings is the dossier, where that can be told."""
        try:
            answer = await fullest(self._desk, said, subject)
        except ProofNeeded:
            return None
        return answer.code if answer else None

    def _followed(self, said: Said, subject: Subject, answer: Answer | None, *, less: bool) -> Turn:
        code = answer.code if answer else subject.code
        proven = subject.proven or (answer is not None and answer.proven is not None)
        return self._replies.turn(
            said,
            "follow.kept" if said.stopped else "follow.less" if less else "follow.done",
            acts=(Follow(code=code, proven=proven, less=less),),
            remember=Remembered(code=code, told=True, proven=proven),
            choices=choice(said.language, "resume", "TIEP TUC")
            if said.stopped
            else choice(said.language, "mute", f"BO {code}"),
            code=code,
        )

    def _which(self, said: Said, subjects: tuple[Subject, ...], key: str, command: str) -> Turn:
        codes = tuple(subject.code for subject in subjects)
        remember = replace(said.remembered.without_question(), offered=tuple(f"{command} {code}" for code in codes))
        return self._replies.which(said, key, codes, command, remember)
