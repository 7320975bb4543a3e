"""From files to a checked policy: merging, revisions, what a good set becomes."""

import gc
import hashlib
import pickle
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.domain.facts import FactType
from acrux.domain.ladder import Rung
from acrux.domain.profiles import AskForm, AuthTime
from acrux.policy.diagnostics import Severity
from acrux.policy.load import check_files, read_directory, revision_of
from acrux.policy.model import Attribute, Client, Defaults, Expectation, Network, Rollout, RuleMode, Window

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICIES = Path(__file__).parents[3] / "policies"
HEAD = "version: acrux/v1\nladder: [basic, mfa]\n"
CORP = "providers: {corp: {issuer: https://login.example.com, acr: {mfa: gold}}}\n"


def codes_of(*texts, now=NOW):
    """The codes of a set whose files are these texts."""
    checked = check_files({f"{number}.yaml": text.encode() for number, text in enumerate(texts)}, now=now)
    return [diagnostic.code for diagnostic in checked.diagnostics]


def policy_of(text, now=NOW):
    """The policy of one good file."""
    checked = check_files({"set.yaml": text.encode()}, now=now)
    assert checked.policy is not None, checked.diagnostics
    return checked.policy


def test_the_smallest_set():
    """A level may be just its name, the only provider need not be named, a client need not be registered."""
    policy = policy_of(
        HEAD + CORP + 'rules:\n  - {id: sso, when: \'client.id in ["jira", "confluence"]\', require: mfa}\n'
    )
    assert policy.ladder.rungs == (Rung("basic"), Rung("mfa"))
    assert policy.defaults == Defaults("basic")
    assert policy.providers["corp"].acr == {"mfa": ("gold",)}
    (rule,) = policy.rules
    assert (rule.id, rule.require, rule.mode, rule.active) == ("sso", "mfa", RuleMode.ENFORCE, Window())
    assert rule.when.reads == {"client.id"}
    assert (rule.place.file, rule.place.line, rule.place.column) == ("set.yaml", 5, 5)


def test_types_come_from_their_places():
    """A scalar is what its place says: a number is text where text belongs, and a level may be called `null`."""
    policy = policy_of(
        "version: acrux/v1\nladder: [null, 2]\n"
        "providers: {1: {issuer: https://login.example.com, acr: {2: [1e3, true, 0x1F]}}}\n"
        "clients: {no: {client_id: 007, tags: [on, 2026-01-01]}}\n"
        "defaults: {unregistered_client: 2}\n"
        "rules: [{id: 12, when: 'true', require: 2, owner: 1.0, description: ~}]\n"
    )
    assert policy.ladder.levels == ("null", "2")
    assert policy.providers["1"].acr == {"2": ("1e3", "true", "0x1F")}
    assert policy.clients == {"no": Client("no", "1", "007", ("2026-01-01", "on"))}
    assert (policy.rules[0].id, policy.rules[0].owner, policy.rules[0].description) == ("12", "1.0", "~")


def test_a_rule_has_what_is_written():
    """Mode, rollout, window, exceptions and max_age arrive as values, times in UTC."""
    (rule,) = policy_of(
        HEAD
        + CORP
        + """rules:
  - id: all
    description: >
      Folded
      text.
    owner: a@example.com
    ticket: T-1
    when: client.id == "jira"
    require: mfa
    max_age: 1h30m
    mode: report
    rollout: {percent: 12.5, by: browser.id, absent: in}
    active: {from: 2026-11-01T01:00:00+01:00}
    except:
      - id: plant
        description: d
        when: app.id == "terminal"
        owner: p@example.com
        ticket: T-2
        expires: 2026-12-31
"""
    ).rules
    assert (rule.description, rule.owner, rule.ticket) == ("Folded text.", "a@example.com", "T-1")
    assert (rule.max_age_seconds, rule.mode) == (5400, RuleMode.REPORT)
    assert rule.rollout == Rollout(12.5, "browser.id", absent_is_in=True)
    assert rule.active == Window(datetime(2026, 11, 1, tzinfo=UTC), None)
    (clause,) = rule.exceptions
    assert (clause.id, clause.instead, clause.owner, clause.ticket) == ("plant", "basic", "p@example.com", "T-2")
    assert (clause.expires_on, clause.description) == (date(2026, 12, 31), "d")


def test_a_provider_has_its_profile_with_the_set_s_own_members():
    """An own profile is a supported one with members of its own; what `ask` brings back follows from it."""
    policy = policy_of(
        """version: acrux/v1
ladder: [basic, mfa]
providers:
  corp:
    issuer: https://login.example.com
    profile: keycloak
    ask: acrs
    auth_time: on_max_age
    subject_claim: oid
    groups_claim: roles
    ignores_unknown: false
    merges_requested: true
    unmapped_requested_acr: drop
    hosts: [Keys.example.com, "127.0.0.1:8080"]
    acr: {mfa: [c1, c1, c2]}
  own: {issuer: "http://localhost:8080/realm", accept_claim: amr, ask: claims, acr: {mfa: x}}
defaults: {provider: own}
"""
    )
    corp, own = policy.providers["corp"], policy.providers["own"]
    assert (corp.profile.name, corp.profile.ask, corp.profile.accept_claim) == ("keycloak", AskForm.ACRS, "acrs")
    assert (corp.profile.auth_time, corp.subject_claim, corp.groups_claim) == (AuthTime.ON_MAX_AGE, "oid", "roles")
    assert (corp.profile.ignores_unknown, corp.profile.merges_requested, corp.refuse_unmapped) == (False, True, False)
    assert corp.hosts == ("keys.example.com", "127.0.0.1:8080")
    assert corp.acr == {"mfa": ("c1", "c2")}
    assert (own.profile.ask, own.profile.accept_claim, own.refuse_unmapped) == (AskForm.CLAIMS, "amr", True)
    assert policy.defaults.provider == "own"


def test_networks_and_attributes_are_typed():
    """CIDRs are normal and said once; defaults have the declared type."""
    policy = policy_of(
        HEAD
        + CORP
        + """networks:
  office: {cidrs: [203.0.113.0/24, 2001:DB8::/32, 203.0.113.0/24], trusted: true, owner: n, review_by: 2027-06-30}
attributes:
  a: {type: bool, default: true, description: d}
  b: {type: int, default: -5}
  c: {type: double, default: 1e3}
  d: {type: string, default: no}
  e: {type: timestamp, default: 2026-01-01T00:00:00Z}
  f: {type: list(string), default: [x, y]}
  g: {type: bool}
"""
    )
    assert policy.networks["office"] == Network(
        "office", ("203.0.113.0/24", "2001:db8::/32"), trusted=True, owner="n", review_by=date(2027, 6, 30)
    )
    assert policy.attributes["a"] == Attribute("a", FactType.BOOL, default=True, description="d")
    defaults = {name: attribute.default for name, attribute in policy.attributes.items()}
    assert defaults == {
        "a": True, "b": -5, "c": 1000.0, "d": "no", "e": datetime(2026, 1, 1, tzinfo=UTC), "f": ("x", "y"), "g": None,
    }  # fmt: skip


def test_cases_are_merged_over_their_group():
    """A case's facts lie over its group's, object by object; it has its own name, or its group's and its number."""
    policy = policy_of(
        HEAD
        + CORP
        + """attributes: {score: {type: double}}
tests:
  - name: alone
    given: {client: jira}
    expect: {level: mfa, rules: [], acr_values: [], outcome: baseline, shadow_level: deny, max_age: 1h, reason: default}
  - name: group
    now: 2026-11-24T09:00:00Z
    given:
      client: jira
      user: {id: eve, groups: [a, b]}
      attributes: {score: 1}
      request: {claims: {id_token: {acr: {essential: true, values: ["1", 1, 1.5, null, x]}}}}
      network: {ip: ""}
    expect: {level: mfa}
    cases:
      - {name: own, given: {client: {id: wiki}, user: {groups: [c]}, session: {level: basic, age_seconds: 5}}}
      - {now: 2026-11-25T09:00:00Z, given: {device: {managed: true}}, expect: {outcome: deny}}
"""
    )
    alone, own, second = policy.tests
    assert (alone.name, alone.now) == ("alone", datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert alone.expect == Expectation("mfa", (), (), "baseline", "deny", 3600, "default")
    assert (own.name, own.now) == ("own", datetime(2026, 11, 24, 9, tzinfo=UTC))
    assert (own.given.client_id, own.given.user_id, own.given.user_groups) == ("wiki", "eve", ("c",))
    assert (own.given.session_level, own.given.session_age_seconds, own.given.network_ip) == ("basic", 5, "")
    assert own.given.attributes == {"score": 1.0}
    assert own.given.claims == {"id_token": {"acr": {"essential": True, "values": ["1", 1, 1.5, None, "x"]}}}
    assert (second.name, second.now) == ("group [2]", datetime(2026, 11, 25, 9, tzinfo=UTC))
    assert second.given.device_managed is True
    assert second.expect == Expectation(level="mfa", outcome="deny")


def test_sections_may_be_empty_or_divided():
    """A file may hold any part of a set, and a section or a client nothing yet."""
    assert (
        codes_of(
            HEAD + "rules:\nclients:\n",
            "version: acrux/v1\n" + CORP + "clients: {jira: , wiki: {}}\n",
            "version: acrux/v1\ndefaults: {unregistered_client: mfa}\n",
            "version: acrux/v1\ndefaults: {require: basic}\n",
        )
        == []
    )


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(5)), st.randoms(use_true_random=False))
def test_the_order_of_files_never_matters(order, random):
    """However a set is divided and whatever its files are called, the same mistakes and the same rules are found."""
    parts = [
        HEAD,
        "version: acrux/v1\n" + CORP,
        "version: acrux/v1\nclients: {jira: {tags: [a]}}\ndefaults: {unregistered_client: mfa}\n",
        "version: acrux/v1\nrules: [{id: one, when: '\"a\" in client.tags', require: mfa}]\n",
        'version: acrux/v1\nrules: [{id: two, when: client.idd == "x", require: mfaa}]\n',
    ]
    files = {f"{place}-{random.randrange(9)}.yaml": parts[number].encode() for place, number in enumerate(order)}
    checked = check_files(files, now=NOW)
    assert sorted((found.code, found.message) for found in checked.diagnostics if found.severity is Severity.ERROR) == [
        ("ACX0203", "unknown fact `client.idd`"),
        ("ACX0401", "unknown level `mfaa`"),
    ]


def test_time_alone_never_stops_a_set_from_loading():
    """Without a time nothing that depends on one is said: so the service loads what `check` refuses."""
    text = (
        HEAD
        + CORP
        + """networks: {old: {cidrs: [203.0.113.0/24], review_by: 2020-01-01}}
rules:
  - id: r
    owner: a
    description: d
    when: '"old" in network.zones'
    require: mfa
    except: [{id: e, when: app.id == "x", owner: a, ticket: T-1, expires: 2020-01-01}]
"""
    )
    assert codes_of(text) == ["ACX0609", "ACX0517"]
    assert codes_of(text, now=None) == []
    assert policy_of(text, now=None).rules[0].exceptions[0].expires_on == date(2020, 1, 1)


def test_a_policy_is_there_exactly_without_errors():
    """Warnings do not cost the policy, one error does."""
    warned = check_files({"a.yaml": (HEAD + CORP + "rules: [{id: r, when: 'true', require: mfa}]\n").encode()}, now=NOW)
    assert warned.policy is not None
    assert warned.diagnostics
    assert warned.error_count == 0
    wrong = check_files({"a.yaml": (HEAD + CORP + "rules: [{id: r, when: 'true'}]\n").encode()}, now=NOW)
    assert wrong.policy is None
    assert wrong.error_count == 1


def test_no_files_is_an_error():
    """An empty directory is no policy set."""
    checked = check_files({}, now=NOW)
    assert [found.message for found in checked.diagnostics] == ["there is no policy file"]
    assert checked.policy is None


def test_too_many_rules(monkeypatch):
    """A set has 100,000 rules at most; the first that is too many is shown."""
    monkeypatch.setattr("acrux.policy.check_rules.MAX_RULES", 2)
    rules = "".join(f'  - {{id: r{number}, when: app.id == "x{number}", require: mfa}}\n' for number in range(3))
    checked = check_files({"a.yaml": (HEAD + CORP + "rules:\n" + rules).encode()}, now=NOW)
    (found,) = checked.diagnostics
    assert (found.code, checked.sources["a.yaml"].position(found.span.start)) == ("ACX0321", (7, 5))


def test_long_expressions_are_refused():
    """An expression has 4 KiB at most, counted in UTF-8."""

    def rule(length):
        return f"rules:\n  - {{id: r, owner: a, description: d, when: 'app.id == \"{'é' * length}\"', require: mfa}}\n"

    overhead = len('app.id == ""')
    assert codes_of(HEAD + CORP + rule((4096 - overhead) // 2)) == []
    assert codes_of(HEAD + CORP + rule((4096 - overhead) // 2 + 1)) == ["ACX0321"]


def test_the_collector_is_as_it_was():
    """Checking suspends the garbage collector, and leaves it as it found it."""
    assert gc.isenabled()
    check_files({}, now=None)
    assert gc.isenabled()
    gc.disable()
    try:
        check_files({}, now=None)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_policy_can_be_handed_to_workers():
    """A checked policy pickles, and comes back equal but for the serialized trees."""
    policy = check_files(read_directory(POLICIES), now=NOW).policy
    assert policy is not None
    again = pickle.loads(pickle.dumps(policy))  # noqa: S301 - our own bytes
    assert again.revision == policy.revision
    assert again.files == policy.files
    assert [rule.id for rule in again.rules] == [rule.id for rule in policy.rules]
    assert again.tests == policy.tests


def test_the_revision_is_what_the_language_says():
    """sha256 over each file in order of its path: length and path, length and content, lengths in 8 bytes."""

    def part(content):
        return len(content).to_bytes(8, "big") + content

    expected = hashlib.sha256(part(b"a/b.yaml") + part(b"x") + part("é.yaml".encode()) + part(b"")).hexdigest()
    assert revision_of({"é.yaml": b"", "a/b.yaml": b"x"}) == f"sha256:{expected}"
    assert revision_of({"a": b"bc"}) != revision_of({"ab": b"c"})


def test_which_files_count(tmp_path):
    """Every *.yaml below the directory, names that begin with `.` or `_` aside; a *.yml is kept, to be an error."""
    for name in (
        "a.yaml",
        "team/b.yaml",
        "c.yml",
        ".hidden.yaml",
        "_draft.yaml",
        ".git/d.yaml",
        "_old/e.yaml",
        "notes.md",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert read_directory(tmp_path) == {"a.yaml": b"a.yaml", "c.yml": b"c.yml", "team/b.yaml": b"team/b.yaml"}


def test_links_are_followed_once(tmp_path):
    """A link to a file or directory is what it points to; a link to a directory around it adds nothing."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.yaml").write_text("x")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/team").symlink_to(tmp_path / "real")
    (tmp_path / "set/one.yaml").symlink_to(tmp_path / "real/a.yaml")
    (tmp_path / "set/loop").symlink_to(tmp_path / "set")
    (tmp_path / "current").symlink_to(tmp_path / "set")
    assert read_directory(tmp_path / "current") == {"one.yaml": b"x", "team/a.yaml": b"x"}


def test_a_directory_that_is_not_there(tmp_path):
    """What can't be read is an error of the machine, not of the set."""
    with pytest.raises(OSError, match="No such file"):
        read_directory(tmp_path / "missing")


@pytest.mark.parametrize("day", ["2026-01-01", "2026-11-23", "2030-06-01"])
def test_the_sample_set_is_clean(day):
    """The set that `make run` serves has no mistake and no warning, whenever it is checked."""
    now = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    assert check_files(read_directory(POLICIES), now=now).diagnostics == ()


def test_the_sample_set_shows_everything():
    """Every section and every key of a rule is shown once in the sample set."""
    policy = check_files(read_directory(POLICIES), now=NOW).policy
    assert policy is not None
    assert all(
        (policy.clients, policy.networks, policy.attributes, policy.break_glass, policy.invariants, policy.tests)
    )
    assert {rule.mode for rule in policy.rules} == set(RuleMode)
    assert any(rule.rollout for rule in policy.rules)
    assert any(rule.exceptions for rule in policy.rules)
    assert any(rule.max_age_seconds for rule in policy.rules)
    assert any(rule.require == "deny" for rule in policy.rules)
    assert any(rule.active != Window() for rule in policy.rules)


@pytest.mark.parametrize("line", range(0, 98, 3))
def test_a_missing_line_never_breaks_the_check(line, tmp_path):
    """Whatever is missing, the check ends with diagnostics, never with an exception."""
    shutil.copytree(POLICIES, tmp_path / "set")
    for path in (tmp_path / "set").glob("*.yaml"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:line] + lines[line + 1 :]))
    checked = check_files(read_directory(tmp_path / "set"), now=NOW)
    assert (checked.policy is None) == (checked.error_count > 0)
