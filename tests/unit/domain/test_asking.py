"""What a relying party asked for, and how a level is asked for in one form."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.domain.asking import (
    NOTHING_REQUESTED,
    AcrMap,
    Requested,
    UnmappedRequestedAcr,
    accept,
    ask,
    asked_values,
    read_requested,
)
from acrux.domain.ladder import AssuranceLadder, Rung
from acrux.domain.profiles import PROFILES, AskForm

LADDER = AssuranceLadder((Rung("basic"), Rung("mfa", 43200), Rung("phr", 900)))
WORDS = {"mfa": ("urn:2",), "phr": ("urn:3", "phr")}
MFA, PHR, DENY = 1, 2, 3


def acr_map(profile="generic", *, refuse=True, words=WORDS):
    return AcrMap.of(LADDER, PROFILES[profile], words, refuse_unmapped=refuse)


def claims_of(asked):
    return json.loads(asked.params["claims"])


def test_values_are_read_from_acr_values_then_from_claims_each_once():
    """`acr_values` first, then `acr` and `acrs` of `id_token`, then of `userinfo`; `value` before `values`."""
    claims = {
        "userinfo": {"acr": {"value": "e"}, "acrs": {"values": ["f", 7]}},
        "id_token": {"acr": {"essential": True, "value": "b", "values": ["a", "c"]}, "acrs": {"values": ["d"]}},
    }
    assert read_requested(("a", "z y"), claims) == Requested(("a", "z", "y", "b", "c", "d", "e", "f"), True, claims)


@pytest.mark.parametrize(
    "claims",
    [{}, {"id_token": None}, {"id_token": {"acr": None}}, {"id_token": {"acr": {"values": "x"}}}, {"userinfo": [1]}],
)
def test_claims_that_name_no_value_ask_for_nothing(claims):
    """A malformed or empty claim request counts for nothing."""
    assert read_requested((), claims).values == ()


def test_the_lowest_known_value_counts():
    """Several values are alternatives, so the lowest that the map knows counts, and unknown ones count for nothing."""
    known = acr_map()
    assert read_requested(("urn:3", "nobody", "urn:2"), None).lowest_rank(known) == MFA
    assert read_requested(("nobody",), None).lowest_rank(known) is None
    assert NOTHING_REQUESTED.lowest_rank(known) is None


@pytest.mark.parametrize("rank", [0, DENY])
def test_the_lowest_level_and_deny_add_nothing(rank):
    """Neither the lowest level nor `deny` adds a parameter or refuses a request."""
    asked = ask(acr_map(), rank, None, read_requested(("nobody",), {"id_token": {"acr": {"value": "x"}}}))
    assert (asked.values, asked.params, asked.dropped) == ((), {}, ())


def test_acr_values_form():
    """`acr_values` holds the first word of the level, `max_age` its seconds in decimal."""
    assert ask(acr_map(), PHR, 900).params == {"acr_values": "urn:3", "max_age": "900"}


def test_values_at_or_above_the_level_stay_in_their_order():
    """Of the request's own values, those at or above the decided level are what is asked for."""
    requested = read_requested(("phr", "urn:2", "urn:3"), None)
    assert ask(acr_map(), PHR, None, requested).params == {"acr_values": "phr urn:3"}
    assert ask(acr_map(), MFA, None, requested).values == ("phr", "urn:2", "urn:3")
    assert ask(acr_map(), PHR, None, read_requested(("urn:2",), None)).values == ("urn:3",)


def test_acr_values_form_takes_the_level_out_of_claims():
    """One form only: an `acr` that names values leaves `claims`; the rest of `claims` stays."""
    claims = {
        "id_token": {"acr": {"essential": True, "values": ["urn:2"]}, "email": None},
        "userinfo": {"acr": {"value": "urn:2"}},
    }
    asked = ask(acr_map(), MFA, None, read_requested((), claims))
    assert asked.params == {"acr_values": "urn:2", "claims": '{"id_token":{"email":null}}'}


def test_claims_of_nothing_but_the_level_are_omitted():
    """Where nothing is left of `claims` an empty parameter says so (RFC 6749, 3.1)."""
    asked = ask(acr_map(), MFA, None, read_requested((), {"id_token": {"acr": {"value": "urn:2"}}}))
    assert asked.params == {"acr_values": "urn:2", "claims": ""}


def test_claims_without_a_level_are_left_alone():
    """A request for the claim itself, without a value, stays: without it some providers return no acr."""
    asked = ask(acr_map(), MFA, None, read_requested((), {"id_token": {"acr": {"essential": True}}}))
    assert asked.params == {"acr_values": "urn:2"}


def test_essential_claims_form_merges_into_the_callers():
    """The claims form keeps what else the caller asked for, and drops `acr_values`."""
    claims = {"userinfo": {"email": None}, "id_token": {"acr": None, "name": None}}
    asked = ask(acr_map("keycloak"), PHR, 900, read_requested(("urn:2",), claims))
    assert asked.params["acr_values"] == ""
    assert asked.params["max_age"] == "900"
    assert claims_of(asked) == {
        "userinfo": {"email": None},
        "id_token": {"acr": {"essential": True, "values": ["urn:3"]}, "name": None},
    }
    assert ask(acr_map("keycloak"), PHR, None).params == {
        "claims": '{"id_token":{"acr":{"essential":true,"values":["urn:3"]}}}'
    }


def test_a_malformed_id_token_member_is_replaced():
    """Claims whose `id_token` is no object can't be merged into."""
    asked = ask(acr_map("keycloak"), MFA, None, read_requested((), {"id_token": 7}))
    assert claims_of(asked) == {"id_token": {"acr": {"essential": True, "values": ["urn:2"]}}}


def test_entra_form_has_one_value():
    """Entra ID takes one authentication context; the first that stays is asked for."""
    asked = ask(acr_map("entra"), MFA, None, read_requested((), {"id_token": {"acrs": {"values": ["phr", "urn:2"]}}}))
    assert asked.values == ("phr",)
    assert claims_of(asked) == {"id_token": {"acrs": {"essential": True, "value": "phr"}}}


def test_adfs_form():
    """AD FS takes `amr_values`; an `acr_values` of the request is omitted."""
    asked = ask(acr_map("adfs"), MFA, None, read_requested(("urn:2",), None))
    assert asked.params == {"amr_values": "urn:2", "acr_values": ""}


def test_unmapped_values_refuse_or_are_dropped_where_the_request_is_replaced():
    """`unmapped_requested_acr` says which; both name the values."""
    requested = read_requested(("nobody", "urn:2", "knows"), None)
    with pytest.raises(UnmappedRequestedAcr, match="`nobody`, `knows`") as caught:
        ask(acr_map(), MFA, None, requested)
    assert caught.value.values == ("nobody", "knows")
    asked = ask(acr_map(refuse=False), MFA, None, requested)
    assert (asked.values, asked.dropped) == (("urn:2",), ("nobody", "knows"))


def test_merging_providers_keep_unmapped_values_beside():
    """Login.gov's service levels stay beside the level; one with a space, which may hold a lower word, does not."""
    requested = Requested(("urn:service", "x urn:2"), in_acr_values=True)
    with pytest.raises(UnmappedRequestedAcr):
        ask(acr_map("login-gov"), MFA, None, requested)
    asked = ask(acr_map("login-gov", refuse=False), PHR, None, requested)
    assert (asked.params, asked.dropped) == ({"acr_values": "urn:3 urn:service"}, ("x urn:2",))


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_asked_values_reads_what_ask_emits(profile):
    """Whatever the form, the values that were asked for can be read back from the parameters."""
    asked = ask(acr_map(profile), MFA, 60, read_requested(("urn:3",), {"id_token": {"email": None}}))
    assert asked_values(asked.params) == asked.values == ("urn:3",)
    assert asked_values({}) == ()
    assert asked_values({"acr_values": "", "claims": ""}) == ()


def test_an_unlevelled_member_of_claims_stays_beside_one_that_is_taken_out():
    """Only the member that named a level changes."""
    claims = {"userinfo": {"email": None}, "id_token": {"acr": {"value": "urn:2"}}}
    assert claims_of(ask(acr_map(), MFA, None, read_requested((), claims))) == {"userinfo": {"email": None}}


def test_accept_holds_this_level_and_every_higher_one():
    """Words in ladder order, no duplicates; nothing at the lowest level, None for `deny`."""
    found = accept(acr_map(), MFA, 60)
    assert (found.claim, found.values, found.max_age_seconds) == ("acr", ("urn:2", "urn:3", "phr"), 60)
    assert accept(acr_map("entra"), PHR, None).values == ("urn:3", "phr")
    assert accept(acr_map("entra"), 0, 60).values == ()
    assert accept(acr_map(), 0, 60).max_age_seconds is None
    assert accept(acr_map(), DENY, None) is None


def test_can_ask():
    """The lowest level needs no word and `deny` is never asked for; anything between needs one."""
    partial = acr_map(words={"phr": ("x",)})
    assert [partial.can_ask(rank) for rank in (0, MFA, PHR, DENY)] == [True, False, True, True]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["urn:2", "urn:3", "nobody"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["acr", "acrs", "value", "values", "email"]), inner, max_size=3)
    ),
    max_leaves=8,
)
claims_values = st.none() | st.dictionaries(st.sampled_from(["id_token", "userinfo", "x"]), json_values, max_size=3)


@given(
    st.sampled_from(sorted(PROFILES)),
    st.lists(st.sampled_from(["urn:2", "urn:3", "phr", "nobody"]), max_size=3),
    claims_values,
    st.sampled_from([MFA, PHR]),
)
@settings(max_examples=150, deadline=None)
def test_one_form_and_never_a_lower_word(profile, values, claims, rank):
    """After merging, the request asks in one form, and no word below the decided level is left in it."""
    known = acr_map(profile, refuse=False)
    requested = read_requested(values, claims)
    asked = ask(known, rank, None, requested)
    merged = {"acr_values": " ".join(values), "claims": json.dumps(claims or {})} | dict(asked.params)
    after = read_requested(merged["acr_values"].split(), json.loads(merged["claims"] or "{}"))
    told = [*after.values, *merged.get("amr_values", "").split()]
    ranks = [known.ranks[value] for value in told if value in known.ranks]
    assert ranks
    assert min(ranks) >= rank
    if known.profile.ask is not AskForm.ACR_VALUES:
        assert merged["acr_values"] == ""
