"""Deciding again with verified user facts (policy-language.md, "Twice")."""

import pytest
from built_sets import NOON, break_glass, decide, decider, exception, request, rollout, rule

from acrux.domain.facts import Facts

JIRA = 'client.id == "jira"'
ADMINS = f'{JIRA} && "user.groups" in known && "admins" in user.groups'


def again(ready, user, stored=None, client="jira", level="basic", **more):
    return ready.decide_again(user, stored or {}, client, level, NOON, **more)


def test_a_rule_on_groups_is_decided_after_the_login():
    """Before the login the group is not known; with the verified group more is needed, and the retry asks for it."""
    ready = decider([rule("admins", ADMINS, "phr", description="admins")])
    assert decide(ready).level == "basic"
    retry = again(ready, {"user.id": "eve", "user.groups": ("admins",)})
    assert (retry.level, retry.rules, retry.reason) == ("phr", ("admins",), "admins")
    assert retry.authorization_params == {"acr_values": "urn:3", "max_age": "900"}
    assert again(ready, {"user.id": "bob", "user.groups": ()}).level == "basic"


def test_the_level_is_the_higher_of_both():
    """What was decided before the login never falls."""
    ready = decider([rule("admins", ADMINS, "mfa")])
    stored = again(ready, {"user.groups": ()}, level="phr")
    assert (stored.level, stored.rules) == ("phr", ())
    both = again(ready, {"user.groups": ("admins",)}, level="mfa", stored_max_age_seconds=60)
    assert (both.level, both.rules, both.reason, both.max_age_seconds) == ("mfa", ("admins",), "admins", 60)
    longer = again(ready, {"user.groups": ("admins",)}, {"request.max_age": 30}, level="mfa", stored_max_age_seconds=60)
    assert longer.max_age_seconds == 30
    assert again(ready, {"user.groups": ()}, client="nobody").level == "mfa"


def test_a_level_that_this_ladder_lacks_counts_as_its_highest():
    """A node that only has another revision must not let the login in below what was decided."""
    assert again(decider(), {}, level="gone").level == "phr"


def test_only_the_rules_on_users_are_evaluated():
    """Facts for the others are not kept, so the others are not asked again."""
    ready = decider([rule("plain", "network.trusted"), rule("users", 'user.id == "eve"', "phr")])
    assert again(ready, {"user.id": "bob"}).effects == ()


def test_verified_beats_claimed():
    """INVARIANT: a verified fact replaces the caller's word for it, and `known` is made anew."""
    ready = decider([rule("r", f'{JIRA} && "user.id" in known && user.id == "eve"', "phr")])
    kept = {"user.id": "bob", "known": ("client.id", "user.id")}
    assert again(ready, {"user.id": "eve"}, kept).level == "phr"
    assert again(ready, {}, kept | {"user.id": "eve"}).level == "phr"


def test_facts_that_were_known_and_not_kept_stay_known():
    """`known` keeps the names of the first time: a condition that guards with it sees the same."""
    ready = decider([rule("r", '"device.managed" in known && !device.managed && "user.id" in known', "phr")])
    facts = ready.compiled.builder.build(request(device_managed=False), NOON).facts.values
    kept = {name: facts[name] for name in ready.user_facts_read("jira") if name in facts}
    assert again(ready, {"user.id": "eve"}, kept).level == "phr"
    without = ready.compiled.builder.build(request(), NOON).facts.values
    kept = {name: without[name] for name in ready.user_facts_read("jira") if name in without}
    assert again(ready, {"user.id": "eve"}, kept).level == "basic"


def test_the_facts_to_keep_are_those_that_the_rules_on_users_read():
    """In conditions, exceptions, rollouts and break-glass; what the set or the ticket knows anyway is not kept."""
    clause = exception("e", "device.managed")
    ready = decider(
        [
            rule("u", f'{JIRA} && request.time < timestamp("2030-01-01T00:00:00Z")', rollout=rollout(5, "user.id")),
            rule("v", 'client.id == "confluence" && network.trusted', exceptions=(clause,)),
            rule("w", '"wiki" in client.tags && app.id == "m"', exceptions=(exception("f", 'user.id == "x"'),)),
        ],
        break_glass=(break_glass("b", 'network.country == "CH"'),),
    )
    own = {"request.acr_values", "request.max_age", "network.country"}
    assert ready.user_facts_read("jira") == own | {"user.id"}
    assert ready.user_facts_read("confluence") == own | {"user.id", "app.id"}
    assert ready.user_facts_read("intranet") == frozenset()
    assert ready.user_facts_read("nobody") == frozenset()
    assert decider().user_facts_read("jira") == frozenset()


@pytest.mark.parametrize(
    ("condition", "concerned"),
    [
        ('"user.id" in known', True),
        ('"device.managed" in known', False),
        ('known.exists(k, k.startsWith("user."))', True),
        ("size(known) > 3", True),
        ('app.id == "user.id"', False),
    ],
)
def test_asking_known_for_a_user_fact_is_a_rule_on_users(condition, concerned):
    """A condition that may see that the user is known is decided again; `known` of other facts alone is not."""
    assert bool(decider([rule("r", condition)]).user_facts_read("jira")) is concerned


def test_a_retry_never_refuses_for_an_unmapped_value():
    """There is no request to refuse any more: the value is dropped and recorded."""
    ready = decider([rule("admins", ADMINS, "phr")])
    retry = again(ready, {"user.groups": ("admins",)}, {"request.acr_values": ("nobody", "urn:2")})
    assert retry.dropped_acr_values == ("nobody",)
    assert (retry.requested_level, retry.authorization_params["acr_values"]) == ("mfa", "urn:3")


def test_break_glass_lowers_the_second_time_too():
    """It applies to rules on users as to all others."""
    ready = decider([rule("admins", ADMINS, "phr")], break_glass=(break_glass("b", JIRA),))
    assert again(ready, {"user.groups": ("admins",)}).level == "basic"


def test_the_first_decision_with_all_facts_is_the_second():
    """Deciding again with the kept facts comes to what deciding once with everything known would have."""
    ready = decider([rule("admins", f"{ADMINS} && !network.trusted", "phr"), rule("sso", JIRA, "mfa")])
    for ip in ("203.0.113.7", "198.51.100.9"):
        before = ready.compiled.builder.build(request(network_ip=ip), NOON)
        first = ready.decide(before.facts, NOON, client=before.client, provider=before.provider)
        kept = {
            name: before.facts.values[name] for name in ready.user_facts_read("jira") if name in before.facts.values
        }
        second = again(ready, {"user.id": "eve", "user.groups": ("admins",)}, kept, level=first.level)
        values = {**before.facts.values, "user.id": "eve", "user.groups": ("admins",)}
        values["known"] = tuple(sorted({*values["known"], "user.id", "user.groups"}))
        whole = ready.decide(Facts(values), NOON, client=before.client, provider=before.provider)
        assert second.level == whole.level
