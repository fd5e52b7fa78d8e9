"""Seeds the demo data once and writes demo.json: keys, codes and secrets to try the service with."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from console.passwords import given
from console.roles import OfficerRole
from domain.civil_time import civil_day, utc_now
from lookup.api_keys import KeyKind
from lookup.changes import Outcome, StatusEvent, Tenant
from lookup.reference_data import procedures
from service.commands.accounts import make_account
from service.commands.keys import make_key
from service.demo import AGENCY, OFFICERS, PROVINCE, DemoDossier, demo_dossiers
from service.demo_desk import DemoDesk
from service.demo_feedback import DemoFeedback
from service.feedback import FeedbackService
from service.settings import Settings
from service.wiring import Core

DEMO_FILE = "demo.json"
DOSSIERS = 10_000
SHOWN = 40
CHUNK = 500
FEWEST_TO_DRAW = 2_000  # fewer are there before a bar would be seen


class SeedRefused(RuntimeError):
    """The store refused demo data: a fault of ours."""


async def seed_demo(core: Core, settings: Settings, *, dossiers: int = DOSSIERS) -> Path:
    """Seed `dossiers` and write DIR/demo.json, unless it is there already; its path."""
    file = settings.data_dir / DEMO_FILE
    if file.exists():
        return file
    shown = await seed_dossiers(core, dossiers)
    keys = {kind.value: await make_key(core.database, agency=PROVINCE, kind=kind, name="demo") for kind in KeyKind}
    content = {"api_keys": keys, "agency": AGENCY, "dossiers": shown, "officers": await seed_officers(core)}
    await DemoFeedback(core, FeedbackService.of(core, settings)).seed()
    await DemoDesk(core).seed()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    half_written = file.with_suffix(".part")
    with os.fdopen(os.open(half_written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        json.dump(content, opened, ensure_ascii=False, indent=1)
    half_written.replace(file)
    return file


async def seed_officers(core: Core) -> list[dict[str, str]]:
    """The demo's accounts; address, password and role of each. One that is there keeps its password."""
    officers = []
    for begins, role, office, name in OFFICERS:
        email, password = f"{begins}@demo.example", given()
        await make_account(
            core.database, core.seal, email=email, role=OfficerRole(role), agency=office, name=name, password=password
        )
        officers.append({"email": email, "password": password, "role": role, "agency": office})
    return officers


async def seed_dossiers(core: Core, count: int) -> list[dict[str, object]]:
    """Store the first `count` demo dossiers with their history; what demo.json shows of the first ones."""
    province = core.registry.agency_by_code(PROVINCE)
    if province is None:
        raise SeedRefused(f"There is no agency {PROVINCE}; run `motma migrate` first.")
    tenant = Tenant(agency_id=province.agency_id, agency_code=province.code, test=False, api_key_id="demo")
    shown: list[dict[str, object]] = []
    done = 0
    for chunk in _chunks(
        demo_dossiers(count, _offices(core), _procedures(), civil_day(utc_now()), core.registry.calendar)
    ):
        _expect_stored(await core.writer.store_facts(tenant, [d.facts for d in chunk]))
        events: list[StatusEvent] = [event for d in chunk for event in d.earlier]
        _expect_stored(await core.writer.store_events(tenant, events))
        shown += [_line(d) for d in chunk[: SHOWN - len(shown)]]
        done += len(chunk)
        _draw(done, count)
    return shown


def _offices(core: Core) -> dict[str, int]:
    province = core.registry.agency_by_code(PROVINCE)
    reach = core.registry.reach(province.agency_id) if province else frozenset()
    found = (core.registry.agency(agency_id) for agency_id in reach)
    today = civil_day(utc_now())
    return {
        a.code: a.agency_id for a in found if a and a.code != PROVINCE and (a.valid_to is None or a.valid_to >= today)
    }


def _procedures() -> list[tuple[str, str]]:
    return sorted({(row.code, row.name) for row in procedures()})


def _chunks(dossiers: Iterator[DemoDossier]) -> Iterator[list[DemoDossier]]:
    chunk: list[DemoDossier] = []
    for dossier in dossiers:
        chunk.append(dossier)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _expect_stored(results: Sequence[object]) -> None:
    bad = [r for r in results if getattr(r, "outcome", None) not in {Outcome.STORED, Outcome.DUPLICATE}]
    if bad:
        raise SeedRefused(f"{len(bad)} demo items were refused, the first: {bad[0]}")


def _line(dossier: DemoDossier) -> dict[str, object]:
    facts = dossier.facts
    return {"code": facts.code, "secret": dossier.secret, "phone": dossier.phone, "status": int(facts.status)}


def _draw(done: int, count: int) -> None:
    """A progress bar on a terminal, nothing elsewhere."""
    if count < FEWEST_TO_DRAW or not sys.stderr.isatty():
        return
    filled = 30 * done // count
    bar = "#" * filled + "." * (30 - filled)
    print(f"\rdemo data [{bar}] {done:,}/{count:,}", end="\n" if done >= count else "", file=sys.stderr, flush=True)
