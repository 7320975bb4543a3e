"""Queries: an auditor finds every shipped decision, by each filter, in pages that neither repeat nor skip."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from acrux.decisionlog.errors import CursorInvalid, FilterInvalid
from acrux.decisionlog.filters import Filters
from acrux.decisionlog.queries import MAX_LIMIT, Queries
from acrux.decisionlog.recorder import Caller
from acrux.decisionlog.reports import Report, report_entry
from acrux.decisionlog.sealing import Keyring
from acrux.domain.decision import Verdict
from acrux.storage.records import Conditions, Term, page_statement

START = datetime(2026, 11, 24, 8, 0, 0, 123456, tzinfo=UTC)
ITEM_FIELDS = {
    "decision_id", "kind", "outcome", "level", "authorization_params", "accept", "rules", "reason", "requested_level",
    "shadow_level", "policy_revision", "decided_at", "expires_at", "receipt", "client", "app", "facts", "zones",
    "errored_rules", "verdict", "verdict_at", "returned_acr", "correlation_id", "request_id",
}  # fmt: skip


def ids(page):
    return [item["decision_id"] for item in page.items]


def listed(node, **parameters):
    """The ids that a listing finds; `from_` stands for `from`."""
    filters = Filters.parse({name.rstrip("_"): value for name, value in parameters.items()})
    return ids(node.queries.list(filters, open_facts=False, limit=MAX_LIMIT))


def test_an_item_has_the_answer_and_what_was_known(node):
    """An item holds the fields that http-api.md lists, sealed facts only where they may be opened."""
    decision_id, receipt = node.decide(rules=("atlassian-sso", "broken"))
    node.ship()
    [item] = node.queries.list(Filters({}), open_facts=True).items
    assert set(item) == ITEM_FIELDS
    assert item["decision_id"] == decision_id
    assert item["accept"] == {"claim": "acr", "max_age_seconds": 28800, "values": ["urn:example:loa:2"]}
    assert item["decided_at"] == "2026-11-24T08:00:01.123456Z"
    assert item["expires_at"] == "2026-11-24T08:10:01.123456Z"
    assert item["errored_rules"] == ["broken"]
    assert item["zones"] == ["office"]
    assert item["receipt"] == {
        "stream": receipt.stream, "sequence": receipt.sequence, "leaf_hash": receipt.leaf_hash,
    }  # fmt: skip
    assert item["facts"]["user.id"] == "u-1029"
    assert item["facts"]["attr.risk_score"] == 12.5
    assert item["facts"]["session.age"] == 300
    assert item["facts"]["request.time"] == item["decided_at"]
    assert (item["verdict"], item["verdict_at"], item["returned_acr"]) == (None, None, None)
    [closed] = node.queries.list(Filters({}), open_facts=False).items
    assert not {"user.id", "attr.risk_score", "browser.id"} & set(closed["facts"])
    assert closed["facts"]["network.ip"] == "198.51.100.9"


def test_nothing_sensitive_is_stored_in_clear(node, database):
    """User, attributes, browser and subject appear nowhere in the database but sealed."""
    decision_id, _ = node.decide()
    node.judge(decision_id, Verdict.SATISFIED)
    node.ship()
    rows = database.read(lambda transaction: transaction.execute(text("SELECT * FROM records")).all())
    stored = b" ".join(
        bytes(value) if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )
    for secret in (b"u-1029", b"12.5", b"browser-Zk3"):
        assert secret not in stored


def test_facts_sealed_under_another_key_are_left_out(node, database):
    """Without the key that sealed them, sealed facts are missing from an item and nothing else is."""
    node.decide()
    node.ship()
    [item] = Queries(database, Keyring(b"o" * 32)).list(Filters({}), open_facts=True).items
    assert "user.id" not in item["facts"]
    assert item["client"] == "jira"


def test_each_filter_finds_its_decisions(node):
    """Every filter finds those that fit and no other, and with `!` all others."""
    one, _ = node.decide(client="jira", level="mfa", rules=("a", "b"), facts={"zones": ("office", "vpn")})
    two, _ = node.decide(
        client="wiki", level="strong", rules=(), shadow="mfa", revision="sha256:" + "8" * 64,
        facts={"zones": (), "app": "browser", "user": "u-2"},
    )  # fmt: skip
    node.ship()
    fitting = {
        "client": ("jira", one), "level": ("mfa", one), "rule": ("b", one), "zone": ("vpn", one),
        "app": ("browser", two),
        "user": ("u-2", two), "revision": ("sha256:" + "8" * 64, two),
    }  # fmt: skip
    for name, (value, found) in fitting.items():
        assert listed(node, **{name: value}) == [found], name
        assert listed(node, **{name: f"!{value}"}) == [two if found == one else one], name
    assert listed(node, shadow_differs="true") == [two]
    assert listed(node, shadow_differs="false") == [one]
    assert listed(node, rule="a", zone="office", client="jira") == [one]
    assert listed(node, rule="a", zone="!office") == []
    assert listed(node, client="nobody") == []


def reported(node, number, **more):
    """A caller's report of an outage, in the log."""
    said = {
        "decision_id": f"5f1c4a52-0f5b-4c6e-9f0d-00000000000{number}",
        "client": "jira",
        "level": "mfa",
        "decided_at": START + timedelta(seconds=number),
        "authorization_params": {"acr_values": "urn:example:loa:2"},
        "accept": {"claim": "acr", "values": ["urn:example:loa:2"], "max_age_seconds": None},
        "reason": "timed out",
        "policy_revision": None,
        "sent": {"client": "jira"},
        "facts": {"network.zones": ("office",), "network.ip": "203.0.113.9", "user.id": "u-1"},
        "user_id": "u-1",
        "verdict": None,
        "verdict_at": None,
        "returned_acr": None,
        **more,
    }
    now = START + timedelta(hours=1)
    node.writer.append_blocking(report_entry(node.keyring, node.stream, Report(**said), Caller(), now))
    return said["decision_id"]


def test_what_callers_decided_is_listed_too(node):
    """Pages go through both kinds in the order of their times, each filter fits both, and a verdict is the caller's."""
    expected = []
    for number in range(6):
        if number % 2:
            expected.append(node.decide(at=START + timedelta(seconds=number), client="jira", rules=("a",))[0])
        else:
            expected.append(reported(node, number))
    reported(node, 2, sent=None, facts={}, verdict=Verdict.DOWNGRADED, verdict_at=START, returned_acr="x")
    reported(node, 4, client="wiki", sent=None, facts={}, verdict=Verdict.SATISFIED, verdict_at=START)
    node.ship()
    expected.reverse()
    found, cursor = [], None
    while len(found) < len(expected):
        page = node.queries.list(Filters({}), open_facts=True, limit=2, cursor=cursor)
        found += ids(page)
        cursor = page.next_cursor
    assert (found, cursor) == (expected, None)
    made = expected[1::2]
    assert listed(node, kind="fallback") == listed(node, kind="!decision") == made
    assert listed(node, kind="decision") == listed(node, rule="a") == expected[::2]
    assert listed(node, client="jira", zone="office") == expected
    assert listed(node, client="!jira") == listed(node, zone="!office") == []
    assert listed(node, user="u-1") == made
    assert listed(node, verdict="downgraded") == [made[1]]
    assert listed(node, verdict="!none") == [made[1]]
    assert listed(node, verdict="satisfied") == []
    found = node.queries.find(made[1], open_facts=True)
    assert (found.item["verdict"], found.item["facts"]["user.id"], found.revision) == ("downgraded", "u-1", None)


def test_an_id_that_is_somebody_elses(node):
    """What a caller reports under the id of another client's decision neither hides nor adds a verdict to that one."""
    decision_id, _ = node.decide(at=START, client="jira")
    node.judge(decision_id, Verdict.DOWNGRADED)
    for sent, verdict in (({"client": "wiki"}, None), (None, Verdict.SATISFIED)):
        reported(node, 1, decision_id=decision_id, client="wiki", sent=sent, verdict=verdict, verdict_at=START)
        reported(node, 0, decision_id=decision_id, client="wiki", sent=sent, verdict=verdict, verdict_at=START)
    node.ship()
    items = node.queries.list(Filters({}), open_facts=False).items
    told = {(item["client"], item["kind"], item["verdict"]) for item in items}
    assert told == {("jira", "decision", "downgraded"), ("wiki", "fallback", "satisfied")}
    assert node.queries.find(decision_id, open_facts=False).item["verdict"] == "downgraded"


def test_time_is_filtered_from_inclusive_to_exclusive(node):
    """`from` is inclusive and `to` exclusive, to the microsecond."""
    first, _ = node.decide(at=START)
    second, _ = node.decide(at=START + timedelta(microseconds=1))
    node.ship()
    assert listed(node, from_="2026-11-24T08:00:00.123456Z") == [second, first]
    assert listed(node, from_="2026-11-24T09:00:00.123457+01:00") == [second]
    assert listed(node, to="2026-11-24T08:00:00.123457Z") == [first]
    assert listed(node, to="2026-11-24T08:00:00.123456Z") == []
    assert listed(node, from_="2026-11-24", to="2026-11-25") == [second, first]
    assert listed(node, from_="2026-11-25") == []


def test_verdicts_are_joined_and_filtered(node):
    """A verdict filter finds decisions by any of their outcomes; the item shows the one that used the decision up."""
    times = [START + timedelta(seconds=second) for second in range(4)]
    ids_ = [node.decide(at=at)[0] for at in times]
    node.judge(ids_[1], Verdict.SATISFIED, at=times[1])
    node.judge(ids_[1], Verdict.REPLAYED, at=times[1])
    node.judge(ids_[2], Verdict.INVALID, at=times[2], acr=None)
    node.judge(ids_[2], Verdict.MISMATCHED, at=times[2], acr=None)
    node.judge(ids_[3], Verdict.DOWNGRADED, at=times[3], acr="urn:example:loa:1")
    node.ship()
    assert listed(node, verdict="none") == [ids_[0]]
    assert listed(node, verdict="!none") == ids_[:0:-1]
    assert listed(node, verdict="satisfied") == [ids_[1]]
    assert listed(node, verdict="replayed") == [ids_[1]]
    assert listed(node, verdict="invalid") == [ids_[2]]
    assert listed(node, verdict="downgraded", client="jira") == [ids_[3]]
    assert listed(node, verdict="!satisfied") == [ids_[3], ids_[2], ids_[0]]
    shown = {item["decision_id"]: item for item in node.queries.list(Filters({}), open_facts=False).items}
    assert shown[ids_[1]]["verdict"] == "satisfied"
    assert shown[ids_[2]]["verdict"] == "mismatched"
    assert shown[ids_[3]]["returned_acr"] == "urn:example:loa:1"
    assert shown[ids_[3]]["verdict_at"] is not None


def test_a_user_is_found_after_the_key_was_rotated(node, database):
    """Records that were logged under an old service key are found and opened by a keyring that still has it."""
    decision_id, _ = node.decide()
    node.ship()
    rotated = Queries(database, Keyring(b"n" * 32, (b"k" * 32,)))
    page = rotated.list(Filters.parse({"user": "u-1029"}), open_facts=True)
    assert ids(page) == [decision_id]
    assert page.items[0]["facts"]["user.id"] == "u-1029"


def test_a_decision_is_found_with_its_outcomes_before_and_after_shipping(node):
    """A node finds its own decision at once, with outcomes in order; once shipped every node does, and the same."""
    decision_id, receipt = node.decide()
    node.judge(decision_id, Verdict.MISMATCHED)
    node.judge(decision_id, Verdict.SATISFIED)
    here = Queries(node.queries._database, node.queries._keyring, node.spools)
    assert node.queries.find(decision_id, open_facts=True) is None
    before = here.find(decision_id, open_facts=True)
    assert (before.client, before.revision) == ("jira", before.item["policy_revision"])
    assert [outcome["verdict"] for outcome in before.outcomes] == ["mismatched", "satisfied"]
    assert [effect["id"] for effect in before.effects] == ["atlassian-sso"]
    assert before.item["receipt"]["leaf_hash"] == receipt.leaf_hash
    assert orjson.loads(before.body)["content"]["decision_id"] == decision_id
    node.ship()
    assert node.queries.find(decision_id, open_facts=True) == before
    assert here.find(decision_id, open_facts=True) == before


@pytest.mark.parametrize("unknown", ["", "x", "0199F3C2-0000-7000-8000-000000000001", "{}", "\x00", "0" * 32])
def test_what_is_no_decision_s_id_is_not_found(node, unknown):
    """An id that was never given is not found, whatever it is."""
    assert node.queries.find(unknown, open_facts=False) is None


def test_an_outcome_without_its_decision_is_not_a_decision(node):
    """An outcome whose decision another node has not shipped yet does not pass for it."""
    decision_id = "0199f3c2-0000-7000-8000-000000000001"
    node.judge(decision_id, Verdict.SATISFIED)
    node.ship()
    assert node.queries.find(decision_id, open_facts=False) is None


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.integers(1, 9), parameters=st.sampled_from([{}, {"rule": "a"}, {"client": "!wiki"}, {"zone": "office"}])
)
def test_pages_neither_repeat_nor_skip(paged_node, limit, parameters):
    """Going through the pages gives the whole listing, whatever the page size, also where times are equal."""
    filters = Filters.parse(parameters)
    whole = ids(paged_node.queries.list(filters, open_facts=False, limit=MAX_LIMIT))
    collected, cursor = [], None
    while True:
        page = paged_node.queries.list(filters, open_facts=False, limit=limit, cursor=cursor)
        collected += ids(page)
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.items) == limit
    assert collected == whole
    assert [item["decision_id"] for item in paged_node.queries.each(filters, open_facts=False)] == whole


@pytest.fixture
def paged_node(node):
    """A node with decisions, many of them at the same microsecond."""
    for number in range(24):
        node.decide(
            at=START + timedelta(seconds=number // 8), client="wiki" if number % 3 else "jira",
            rules=("a",) if number % 2 else ("a", "b"), facts={"zones": ("office",) if number % 4 else ()},
        )  # fmt: skip
    node.ship()
    return node


def test_a_cursor_is_bound_to_its_listing(paged_node):
    """A cursor that was changed, made up or made for other filters is refused."""
    filters = Filters.parse({"client": "jira"})
    cursor = paged_node.queries.list(filters, open_facts=False, limit=2).next_cursor
    changed = cursor[:20] + ("A" if cursor[20] != "A" else "B") + cursor[21:]
    for other, used in [(Filters({}), cursor), *((filters, bad) for bad in (changed, "x", "", "ä", "!"))]:
        with pytest.raises(CursorInvalid):
            paged_node.queries.list(other, open_facts=False, cursor=used)


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
def test_a_limit_is_from_one_to_the_most(node, limit):
    """A page holds 1 to 500 items."""
    with pytest.raises(FilterInvalid):
        node.queries.list(Filters({}), open_facts=False, limit=limit)


def test_several_values_of_a_label_are_any_of_them(node):
    """A term with several values fits where any does; labels too."""
    one, _ = node.decide(rules=("a",))
    two, _ = node.decide(rules=("b",))
    node.decide(rules=("c",))
    node.ship()
    database = node.queries._database
    statement = page_statement(Conditions((Term("rule", ("a", "b")),)), 10)
    rows = database.read(lambda transaction: transaction.execute(statement).all())
    assert [orjson.loads(row.body)["content"]["decision_id"] for row in rows] == [two, one]
