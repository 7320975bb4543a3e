"""Tokens and revisions: what is stored, what works, and that every change is in the log."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy import text

from acrux.decisionlog import tokens
from acrux.decisionlog.records import microseconds
from acrux.decisionlog.revisions import keep_revision, list_revisions, load_revision
from acrux.decisionlog.tokens import TokenInvalid, TokenRole, TokenUnknown
from acrux.storage import tokens as rows

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


def changes(database):
    """What the log says of tokens."""
    statement = text("SELECT body FROM records WHERE kind = 'token_changed' ORDER BY recorded_at_us, stream")
    found = database.read(lambda transaction: transaction.execute(statement).scalars().all())
    return [orjson.loads(body)["content"] for body in found]


def test_a_token_is_stored_as_a_hash_only(database):
    """The text begins with `acrux_`, holds 32 random bytes and is found nowhere in the database."""
    made = tokens.create_token(database, role="operator", name="ops", now=NOW)
    assert made.text.startswith("acrux_")
    assert len(made.text) == len("acrux_") + 43
    [row] = database.read(rows.every)
    assert row.token_hash == tokens.hash_token(made.text)
    assert made.text.encode() not in b" ".join(str(value).encode() for value in row)
    assert tokens.list_tokens(database) == (made.token,)


def test_every_change_is_a_record(database):
    """Making, replacing and ending tokens is logged in the transaction of the change, without their text."""
    made = tokens.create_token(database, role="relying-party", clients=["jira", "wiki", "jira"], name="rp", now=NOW)
    replaced = tokens.rotate_token(database, "rp", overlap_seconds=60, now=NOW + timedelta(seconds=1))
    tokens.revoke_token(database, replaced.token.id, now=NOW + timedelta(seconds=2))
    found = changes(database)
    assert [(change["action"], change["token_id"]) for change in found] == [
        ("created", made.token.id),
        ("created", replaced.token.id),
        ("revoked", made.token.id),
        ("revoked", replaced.token.id),
    ]
    assert found[0]["clients"] == ["jira", "wiki"]
    streams = text("SELECT position, node, closed_at_us FROM streams")
    for position, node, closed_at_us in database.read(lambda transaction: transaction.execute(streams).all()):
        assert (position, node) == (3, "database")
        assert closed_at_us is not None


def test_a_rotated_token_goes_on_for_its_overlap(database):
    """The old token works until the overlap ends, the new one has its role, name, clients and end."""
    end = NOW + timedelta(days=90)
    made = tokens.create_token(database, role="relying-party", clients=["jira"], name="rp", expires_at=end, now=NOW)
    replaced = tokens.rotate_token(database, made.token.id, overlap_seconds=60, now=NOW)
    old, new = tokens.list_tokens(database)
    assert old.works_at(NOW + timedelta(seconds=59))
    assert not old.works_at(NOW + timedelta(seconds=60))
    assert new == replaced.token
    assert (new.role, new.name, new.clients, new.expires_at) == (TokenRole.RELYING_PARTY, "rp", ("jira",), end)
    assert new.works_at(end - timedelta(seconds=1))
    assert not new.works_at(end)


def test_a_revoked_token_is_over(database):
    """A revoked token does not work, and can't be revoked or rotated again."""
    made = tokens.create_token(database, role="auditor", now=NOW)
    ended = tokens.revoke_token(database, made.token.id, now=NOW)
    assert not ended.works_at(NOW)
    assert tokens.list_tokens(database) == (ended,)
    with pytest.raises(TokenUnknown, match="no working token"):
        tokens.revoke_token(database, made.token.id, now=NOW)
    with pytest.raises(TokenUnknown):
        tokens.rotate_token(database, "", now=NOW)


def test_a_name_that_two_have_names_neither(database):
    """Two tokens of one name are told apart by their ids only."""
    for _ in range(2):
        tokens.create_token(database, role="auditor", name="same", now=NOW)
    with pytest.raises(TokenUnknown, match="2 tokens"):
        tokens.revoke_token(database, "same", now=NOW)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"role": "king"}, "unknown role"),
        ({"role": "relying-party"}, "bound to the clients"),
        ({"role": "operator", "clients": ["jira"]}, "only a relying party"),
        ({"role": "operator", "expires_at": NOW}, "past"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(database, wanted, message):
    """Roles are known, clients belong to relying parties, and an end lies ahead."""
    with pytest.raises(TokenInvalid, match=message):
        tokens.create_token(database, now=NOW, **wanted)
    assert database.read(rows.every) == []


def test_an_operator_is_one_that_works(database):
    """`has_operator` counts operators' tokens that have not ended."""
    assert not tokens.has_operator(database)
    tokens.create_token(database, role="auditor")
    made = tokens.create_token(database, role="operator", expires_at=datetime.now(UTC) + timedelta(days=1))
    assert tokens.has_operator(database)
    assert not tokens.has_operator(database, datetime.now(UTC) + timedelta(days=2))
    tokens.revoke_token(database, made.token.id)
    assert not tokens.has_operator(database)


def test_the_last_use_only_moves_forward(database):
    """An earlier use that is reported later does not replace a later one."""
    made = tokens.create_token(database, role="operator", now=NOW)
    for at_us in (microseconds(NOW) + 5, microseconds(NOW) + 3):
        database.write(lambda transaction, at_us=at_us: rows.touch(transaction, {made.token.id: at_us}))
    database.write(lambda transaction: rows.touch(transaction, {}))
    [found] = tokens.list_tokens(database)
    assert found.last_used_at == NOW + timedelta(microseconds=5)
    row = database.read(lambda transaction: rows.find(transaction, made.token.id))
    assert row.client_names == ()
    assert database.read(lambda transaction: rows.find(transaction, "none")) is None


def test_sets_are_kept_by_revision(database):
    """A set's files come back byte for byte; keeping it again changes nothing; the newest is listed first."""
    files = {"a.yaml": b"acrux: 1\n", "sub/b.yaml": "ä\x00".encode()}
    keep_revision(database, "sha256:1", files, NOW)
    keep_revision(database, "sha256:2", {}, NOW + timedelta(seconds=1))
    keep_revision(database, "sha256:1", {"other": b""}, NOW + timedelta(seconds=2))
    assert load_revision(database, "sha256:1") == files
    assert load_revision(database, "sha256:3") is None
    assert [(kept.revision, kept.first_at) for kept in list_revisions(database)] == [
        ("sha256:2", NOW + timedelta(seconds=1)),
        ("sha256:1", NOW),
    ]
