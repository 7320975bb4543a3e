"""From a file to a level, on both engines: known, unknown, absent and damaged are four things."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from geoip_files import damaged, put, write_countries, write_systems

from acrux.analysis.loading import load_policy
from acrux.cel import ENGINE_NAMES
from acrux.domain.decision import Decision
from acrux.domain.facts import Facts, fact_from_json, fact_to_json
from acrux.engine import Decider
from acrux.policy.facts import Geography
from acrux.policy.request import supposed_from_json
from acrux.wiring.geography import Atlas
from acrux.wiring.geoip import GeoipFact, open_table

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
ABROAD = '(!("network.country" in known) || network.country != "DE")'
SET = f"""
version: acrux/v1
ladder: [basic, mfa]
providers: {{corp: {{issuer: https://login.example.com, acr: {{mfa: gold}}}}}}
clients: {{bare: {{}}, open: {{}}, closed: {{}}, allowed: {{}}, hosted: {{}}, sure: {{}}, person: {{}}}}
defaults: {{unregistered_client: basic}}
rules:
  - {{id: bare, when: client.id == "bare" && network.country != "DE", require: mfa}}
  - id: open
    when: client.id == "open" && "network.country" in known && network.country != "DE"
    require: mfa
  - {{id: closed, when: 'client.id == "closed" && {ABROAD}', require: mfa}}
  - id: allowed
    when: client.id == "allowed"
    require: mfa
    except:
      - {{id: home, when: network.country == "DE", instead: basic, owner: a, ticket: T-1, expires: 2030-01-01}}
  - {{id: hosted, when: client.id == "hosted" && network.asn == 64500, require: mfa}}
  - id: sure
    when: client.id == "sure" && "network.country" in known && network.country == "ZZ"
    require: deny
  - {{id: person, when: 'client.id == "person" && "user.id" in known && user.id == "eve" && {ABROAD}', require: mfa}}
"""


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def engine(request) -> str:
    return request.param


def decider_of(engine: str, geography: Geography | None) -> Decider:
    return load_policy({"set.yaml": SET.encode()}, engine, run_checks=False, geography=geography).decider


def decide(decider: Decider, client: str, ip: str | None) -> tuple[Decision, Facts]:
    network = {} if ip is None else {"network": {"ip": ip}}
    built = decider.compiled.builder.build(supposed_from_json({"client": client, **network}), NOW)
    return decider.decide(built.facts, NOW, client=built.client, provider=built.provider), built.facts


@pytest.fixture(params=["known", "elsewhere", "unknown", "no address", "damaged", "no file"])
def place(request, tmp_path: Path) -> tuple[str, Geography | None, str | None]:
    """What is known of an address, a geography in which it is so, and the address."""
    countries, systems = write_countries(tmp_path / "c"), write_systems(tmp_path / "a")
    if request.param == "damaged":
        put(countries, damaged(countries.read_bytes()))
        put(systems, damaged_system(systems.read_bytes()))
    atlas = Atlas([open_table(countries, GeoipFact.COUNTRY), open_table(systems, GeoipFact.ASN)])
    home = "198.51.100.9"
    addresses = {"elsewhere": "2001:db8::1", "unknown": "192.0.2.1", "no address": None}
    return request.param, None if request.param == "no file" else atlas, addresses.get(request.param, home)


def damaged_system(content: bytes) -> bytes:
    """A file in which a name can't be read, so that no record that has it can."""
    place = content.index(b"network 64500")
    return content[:place] + b"\xff" + content[place + 1 :]


LEVELS = {
    "known": {
        "bare": "basic",
        "open": "basic",
        "closed": "basic",
        "allowed": "basic",
        "hosted": "mfa",
        "sure": "basic",
    },
    "elsewhere": {"bare": "mfa", "open": "mfa", "closed": "mfa", "allowed": "mfa", "hosted": "basic", "sure": "basic"},
    "unknown": {"bare": "mfa", "open": "mfa", "closed": "mfa", "allowed": "mfa", "hosted": "basic", "sure": "deny"},
    "no address": {"bare": "mfa", "open": "mfa", "closed": "mfa", "allowed": "mfa", "hosted": "basic", "sure": "deny"},
    # Absent: what is not guarded errs, and requires what it would if it matched; what is guarded does not match.
    "damaged": {"bare": "mfa", "open": "basic", "closed": "mfa", "allowed": "mfa", "hosted": "mfa", "sure": "basic"},
    "no file": {"bare": "mfa", "open": "basic", "closed": "mfa", "allowed": "mfa", "hosted": "mfa", "sure": "basic"},
}


def test_what_each_form_of_rule_comes_to(engine, place) -> None:
    """A rule's form says what it does where the place is unknown or absent, and the engines agree on it."""
    state, geography, ip = place
    decider = decider_of(engine, geography)
    decisions = {client: decide(decider, client, ip) for client in LEVELS[state]}
    assert {client: decision.level for client, (decision, _) in decisions.items()} == LEVELS[state]
    is_there = state not in {"damaged", "no file"}
    for decision, facts in decisions.values():
        assert ("network.country" in facts.values) is is_there
        assert ("network.asn" in facts.values) is is_there
        errored = {effect.id for effect in decision.effects if effect.errored}
        assert is_there or decision.client not in {"bare", "hosted"} or errored == {decision.client}


def test_recorded_facts_need_no_file(engine, place) -> None:
    """What the record keeps decides the same again without any file: as JSON, and by another node."""
    _, geography, ip = place
    with_files, without = decider_of(engine, geography), decider_of(engine, None)
    for client in LEVELS["known"]:
        decision, facts = decide(with_files, client, ip)
        kept = json.loads(json.dumps({name: fact_to_json(value) for name, value in facts.values.items()}))
        declared = without.compiled.declarations
        again = Facts({name: fact_from_json(value, declared[name]) for name, value in kept.items()})
        checked = without.compiled.checked
        replayed = without.decide(
            again, NOW, client=checked.clients.get(client), provider=next(iter(checked.providers.values()))
        )
        assert (replayed.level, replayed.rules) == (decision.level, decision.rules)


def test_the_second_decision_uses_the_first_one_s_place(engine, place) -> None:
    """After the login the rules on users see the country of the time of the redirect, with or without a file then."""
    state, geography, ip = place
    decider = decider_of(engine, geography)
    decision, facts = decide(decider, "person", ip)
    assert decision.level == "basic"
    read = decider.user_facts_read("person")
    assert "network.country" in read
    stored = {name: facts.values[name] for name in read if name in facts.values}
    again = decider_of(engine, None).decide_again({"user.id": "eve"}, stored, "person", decision.level, NOW)
    assert again.level == ("basic" if state == "known" else "mfa")
