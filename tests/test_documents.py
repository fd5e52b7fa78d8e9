"""Documents name files that are there, and link to pages that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = "|".join(sorted(path.parent.name for path in ROOT.glob("*/__init__.py")))
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w/.-]*\w\.\w+)`")
LINKED = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = {name for name in NAMED.findall(text) if not (ROOT / name).exists()}
    linked = {to for to in LINKED.findall(text) if "://" not in to and not (document.parent / to).exists()}
    assert named | linked == set()
