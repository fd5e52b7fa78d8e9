"""One parser under inputs guided by what they reach in our code: `python -m tests.fuzzing.guided PARSER FOLDER …`.

Whatever stands after the folder goes to libFuzzer, whose engine Atheris is. Findings are written into the folder.
"""

import hashlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["channels", "lookup", "domain", "feedback_intake", "notifications"], enable_loader_override=False
):
    from tests.fuzzing.targets import TARGETS
    from tests.fuzzing.trying import tried, without_logs


def main() -> None:
    """Try until libFuzzer's limits end it; it ends the process."""
    name, folder, *flags = sys.argv[1:]
    target, known = TARGETS[name], set[str]()

    def one(data: bytes) -> None:
        finding = tried(target, data)
        if finding is not None and finding.place not in known:
            known.add(finding.place)
            (Path(folder) / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    without_logs()
    atheris.Setup([sys.argv[0], *flags], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
