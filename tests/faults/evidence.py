"""What a proof found: figures to read, and what was violated."""

from dataclasses import dataclass, field


class ShowsNothing(RuntimeError):
    """What was to be proven did not take place."""


@dataclass(slots=True, kw_only=True)
class Evidence:
    """The outcome of one proof. A machine with other work may be `late`; nothing excuses a violation."""

    guarantee: str
    figures: dict[str, object] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    def expect(self, holds: bool, said: str) -> None:
        """Note a violation unless `holds`."""
        if not holds:
            self.violations.append(said)

    def need(self, holds: bool, said: str) -> None:
        """What must hold for the proof to say anything. Raises `ShowsNothing`."""
        if not holds:
            raise ShowsNothing(said, self.line())

    def expect_within(self, limit: float, seconds: float, said: str) -> None:
        """Note that something took more than `limit` seconds."""
        if seconds > limit:
            self.late.append(f"{said}: {seconds:.2f} s, not within {limit:g} s")

    @property
    def kept(self) -> bool:
        """Whether the guarantee was kept."""
        return not self.violations and not self.late

    def line(self) -> str:
        """One line of the report."""
        figures = ", ".join(f"{name} {value}" for name, value in self.figures.items())
        verdict = "kept" if self.kept else "BROKEN: " + "; ".join((*self.violations, *self.late))
        return f"{self.guarantee:<9} {verdict} ({figures})"


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of `values` lie; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
