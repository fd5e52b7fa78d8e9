"""What Prometheus is told: by every process of itself, by one of the whole; rules and dashboard ask for no more."""

import json
import re
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.message import HandedOver, MessageKind, Outgoing
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.dispatcher import Dispatcher
from notifications.notices import Notices
from notifications.outage import MOST_FAILURES, Outage
from notifications.outbox import REPLY_EXPIRY, Outbox
from service.health import metrics
from service.operation import Operation
from service.site import open_site

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations"
_METRIC = re.compile(r"\b((?:motma|process)_[a-z_]+)\b")
PHONE = Contact(channel=ChannelName.SMS, address="+84901234567")


class Line:
    """A sender that chooses between routes."""

    name = "line"
    concurrency = 4
    rate = None

    async def send(self, message: Outgoing) -> HandedOver:
        """Never asked."""
        raise AssertionError(message.message_id)

    def resting(self) -> dict[str, bool]:
        """One of two is left alone."""
        return {"first": True, "second": False}

    def reporting(self) -> list[str]:
        """One of two says what becomes of messages."""
        return ["second"]


@pytest.fixture
async def operation(database: Database, seal: Seal) -> Operation:
    """The figures of a process that sends."""
    registry = Registry(database)
    await registry.refresh()
    dispatcher = Dispatcher(database, {ChannelName.SMS: Line()}, Notices(seal, registry))
    return Operation(database, dispatcher=dispatcher, senders=[Line()])


def told(operation: Operation) -> dict[str, dict[tuple[str, ...], float]]:
    """What it tells: by name, and by the values of its labels."""
    registry = CollectorRegistry()
    registry.register(operation)
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in registry.collect()
    }


async def test_queues_and_routes_left_alone_are_told(operation: Operation, database: Database, seal: Seal) -> None:
    async with database.transaction(Role.WORKER) as worker:
        await Outbox(seal).queue(worker, PHONE, "words", kind=MessageKind.CODE, expires_in=REPLY_EXPIRY)
    await operation.once()
    said = told(operation)
    assert said["motma_queue_waiting"] == {("sms", "normal"): 1.0}
    assert said["motma_oldest_seconds"][()] > 0
    assert said["motma_route_resting"] == {("line",): 0.0, ("first",): 1.0, ("second",): 0.0}
    assert said["motma_provider_resting"] == {("first",): 1.0}
    assert (said["motma_figures_of_the_whole"], said["motma_dead_letters"]) == ({(): 1.0}, {(): 0.0})


async def test_one_process_tells_the_figures_of_the_whole(operation: Operation, database: Database) -> None:
    other = Operation(database)
    await operation.once()
    await other.once()
    assert "motma_oldest_seconds" not in told(other)
    assert told(other)["motma_figures_of_the_whole"] == {(): 0.0}
    await operation.leave()
    await other.once()
    assert "motma_oldest_seconds" in told(other)
    assert "motma_oldest_seconds" not in told(operation)


def test_an_outage_is_open_after_some_failures_in_a_row() -> None:
    outage = Outage()
    for _ in range(MOST_FAILURES):
        assert not outage.open
        outage.failed()
    assert outage.open


async def test_every_figure_that_rules_and_dashboard_ask_for_is_told(operation: Operation) -> None:
    await operation.once()
    registry = CollectorRegistry()
    registry.register(operation)
    app = web.Application()
    app.router.add_get("/metrics", metrics)
    server = TestServer(app)
    await server.start_server()
    async with aiohttp.ClientSession() as http, http.get(server.make_url("/metrics")) as answer:
        scraped = await answer.text()
    await server.close()
    assert open_site.__module__ == "service.site"  # with it comes every part of the service
    families = [*text_string_to_metric_families(scraped), *registry.collect()]
    known = {family.name for family in families} | {f"{family.name}_total" for family in families}
    known |= {f"{family.name}_bucket" for family in families if family.type == "histogram"}
    rules = msgspec.yaml.decode((OPERATIONS / "alerts.yml").read_bytes())["groups"][0]["rules"]
    panels = json.loads((OPERATIONS / "dashboard.json").read_text("utf-8"))["panels"]
    asked = [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in panel["targets"]]
    named = {name for expression in asked for name in _METRIC.findall(expression)}
    assert len(named) > 20
    assert named - known == set()


def test_every_alert_has_its_heading_in_the_runbook() -> None:
    rules = msgspec.yaml.decode((OPERATIONS / "alerts.yml").read_bytes())["groups"][0]["rules"]
    headings = re.findall(r"^## (\w+)$", (OPERATIONS / "runbook.md").read_text("utf-8"), re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules]
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"docs/operations/runbook.md#{rule['alert'].lower()}"
