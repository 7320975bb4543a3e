"""Declarations that the tests of this room share."""

import pytest

from acrux.domain.facts import BUILT_IN_FACTS, FactType


@pytest.fixture(scope="session")
def declarations():
    found = {name: fact.type for name, fact in BUILT_IN_FACTS.items()}
    return found | {
        "attr.risk_score": FactType.DOUBLE,
        "attr.n": FactType.INT,
        "attr.when": FactType.TIMESTAMP,
        "attr.ok": FactType.BOOL,
    }
