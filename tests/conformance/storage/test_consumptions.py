"""A decision is used up once, on each database, whether the claim stands alone or in a transaction."""

import pytest

from acrux.storage import consumptions, migrate
from acrux.storage.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A database of each kind, with the schema of the migrations."""
    found = (
        f"sqlite:///{tmp_path / 'acrux.db'}" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    )
    with_schema = Database(found)
    migrate.upgrade(with_schema)
    with_schema.close()
    return found


@pytest.mark.parametrize("way", ["write", "write_alone"])
def test_once(url, way):
    """The first claim stands for every node at once; another one finds it; the claimant itself may claim again."""
    first, second = Database(url), Database(url)

    def claim(database, outcome_id, claimant):
        said = {"decision_id": "d-1", "outcome_id": outcome_id, "claimant": claimant, "at_us": 1}
        return getattr(database, way)(lambda transaction: consumptions.claim(transaction, **said))

    assert claim(first, "o-1", b"me")
    assert second.read(lambda transaction: consumptions.find(transaction, "d-1")) == ("o-1", b"me")
    assert not claim(second, "o-2", b"somebody else")
    assert not claim(second, "o-2", None)
    assert claim(second, "o-3", b"me")
    assert first.read(lambda transaction: consumptions.find(transaction, "d-1")) == ("o-3", b"me")
    first.close()
    second.close()
