"""What logins are bound by, on each database."""

import threading

import pytest

from acrux.storage import bindings, migrate
from acrux.storage.bindings import BindingRow, BoundMeanwhile
from acrux.storage.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """A database of each kind, with the schema of the migrations."""
    url = f"sqlite:///{tmp_path / 'acrux.db'}"
    opened = Database(url if request.param == "sqlite" else request.getfixturevalue("postgresql_url"))
    migrate.upgrade(opened)
    yield opened
    opened.close()


def row(kind="nonce", digest=b"\x00n", decision="d-1", client="jira", expires_at_us=100):
    """A bound value."""
    return BindingRow(client, kind, digest, decision, f"ticket of {decision}", kind == "challenge", expires_at_us)


def bind(database, *rows, seen=None, now_us=10):
    """Binds in one transaction."""
    database.write(lambda transaction: bindings.bind(transaction, rows, seen or {}, now_us=now_us))


def find(database, client="jira", now_us=10, **keys):
    """Looks up by kind."""
    return database.read(lambda transaction: bindings.find(transaction, client, keys, now_us=now_us))


def test_the_schema_is_the_models(database):
    """The migrations make what the tables say."""
    assert migrate.differences(database) == []


def test_a_bound_value_is_found(database):
    """By client, kind and hash, all three; not after its end."""
    bind(database, row(), row("challenge", b"c"))
    assert find(database, nonce=b"\x00n", challenge=b"c") == {"nonce": row(), "challenge": row("challenge", b"c")}
    assert find(database, nonce=b"\x00n", challenge=b"x") == {"nonce": row()}
    assert find(database, challenge=b"\x00n") == {}
    assert find(database, "wiki", nonce=b"\x00n") == {}
    assert find(database, nonce=b"\x00n", now_us=100) == {}
    assert find(database) == {}


def test_a_value_is_bound_once(database):
    """Unique for client, kind and hash; who has not seen what is bound changes nothing, not even the other value."""
    bind(database, row())
    with pytest.raises(BoundMeanwhile):
        bind(database, row("challenge", b"c", "d-2"), row(decision="d-2"))
    assert find(database, nonce=b"\x00n", challenge=b"c") == {"nonce": row()}
    bind(database, row(client="wiki", decision="d-3"))
    assert find(database, "wiki", nonce=b"\x00n")["nonce"].decision_id == "d-3"


def test_a_value_that_was_seen_is_bound_anew(database):
    """Only as long as it is what was seen."""
    bind(database, row())
    seen = find(database, nonce=b"\x00n")
    bind(database, row(decision="d-2", expires_at_us=200), seen=seen)
    assert find(database, nonce=b"\x00n") == {"nonce": row(decision="d-2", expires_at_us=200)}
    with pytest.raises(BoundMeanwhile):
        bind(database, row(decision="d-3"), seen=seen)


def test_what_has_expired_is_as_good_as_absent(database):
    """It may be bound anew, and is deleted in time."""
    bind(database, row(expires_at_us=5))
    bind(database, row(decision="d-2"), row("challenge", b"c", "d-2", expires_at_us=300))
    assert find(database, nonce=b"\x00n")["nonce"].decision_id == "d-2"
    assert database.write(lambda transaction: bindings.delete_expired(transaction, before_us=101)) == 1
    assert find(database, nonce=b"\x00n", challenge=b"c").keys() == {"challenge"}


def test_a_value_is_put(database):
    """Whatever was there: a refresh token is known by its last use."""
    for put in (row("refresh", b"r", "d-1"), row("refresh", b"r", "d-2")):
        database.write(lambda transaction, put=put: bindings.put(transaction, put))
    assert find(database, refresh=b"r") == {"refresh": row("refresh", b"r", "d-2")}


def test_an_end_is_only_brought_forward(database):
    """What was replaced ends soon; what ends sooner stays as it is, and so does all else."""
    for put in (row("refresh", b"old"), row("refresh", b"older", expires_at_us=30), row("refresh", b"new")):
        database.write(lambda transaction, put=put: bindings.put(transaction, put))
    for digest in (b"old", b"older"):
        database.write(
            lambda transaction, digest=digest: bindings.end_by(transaction, "jira", "refresh", digest, at_us=50)
        )
    ends = [find(database, refresh=digest)["refresh"].expires_at_us for digest in (b"old", b"older", b"new")]
    assert ends == [50, 30, 100]


def test_two_nodes_at_the_same_moment(database):
    """Of two that bind the same values at once, one succeeds and the other is told; there are no deadlocks."""
    errors, barrier = [], threading.Barrier(4)

    def one(number):
        barrier.wait()
        try:
            bind(database, row(decision=f"d-{number}"), row("challenge", b"c", f"d-{number}"))
        except BoundMeanwhile:
            errors.append(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 3
    found = find(database, nonce=b"\x00n", challenge=b"c")
    assert found["nonce"].decision_id == found["challenge"].decision_id


def test_back_and_forth(database):
    """The migration can be taken back and made again."""
    migrate.downgrade(database, "0001")
    migrate.upgrade(database)
    bind(database, row())
    assert find(database, nonce=b"\x00n") == {"nonce": row()}
