"""How SQLite answers listings: from indexes, without sorting."""

import pytest

from acrux.decisionlog.filters import CHOICES, Filters
from acrux.storage import migrate
from acrux.storage.database import Database
from acrux.storage.records import CALLERS_DECISION, labelled_statement, page_statement


@pytest.fixture
def database(tmp_path):
    """A SQLite database with the schema."""
    opened = Database(f"sqlite:///{tmp_path / 'acrux.db'}")
    migrate.upgrade(opened)
    yield opened
    opened.close()


@pytest.mark.parametrize("parameter", [*CHOICES, "shadow_differs", "from", "to", None])
def test_a_listing_reads_an_index_in_order(database, parameter):
    """No single filter makes the database read the whole table or sort: each listing is read off an index."""
    value = {"verdict": "satisfied", "shadow_differs": "true", "from": "2026-01-01", "to": "2026-01-01"}
    value["kind"] = "decision"
    filters = Filters.parse({} if parameter is None else {parameter: value.get(parameter, "x")})
    _reads_an_index(database, page_statement(filters.conditions(lambda user: (user,)), 50))


@pytest.mark.parametrize("parameter", [*CHOICES, "from", "to", None])
def test_a_listing_of_callers_decisions_reads_an_index_in_order(database, parameter):
    """So is the part of it that callers decided: off the labels, by client too."""
    value = {"verdict": "satisfied", "from": "2026-01-01", "to": "2026-01-01", "kind": "fallback"}
    filters = Filters.parse({} if parameter is None else {parameter: value.get(parameter, "x")})
    _reads_an_index(database, labelled_statement(CALLERS_DECISION, filters.conditions(lambda user: (user,)), 50))


def _reads_an_index(database, statement):
    compiled = str(statement.compile(database._engine, compile_kwargs={"literal_binds": True}))
    plan = database.read(lambda transaction: transaction.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all())
    steps = [row[3] for row in plan]
    assert not [step for step in steps if "TEMP B-TREE" in step], steps
    assert not [step for step in steps if step.startswith("SCAN") and "USING" not in step], steps
