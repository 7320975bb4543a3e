"""One mistake, one diagnostic, at its characters: `«` and `»` mark them in each text."""

# ruff: noqa: E501 - one set a line, so that a mark stands where the mistake is

from datetime import UTC, datetime

import pytest

from acrux.policy.load import check_files

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEAD = "version: acrux/v1\n"
LADDER = "ladder: [basic, mfa]\n"
CORP = "providers: {corp: {issuer: https://login.example.com, acr: {mfa: gold}}}\n"
BASE = HEAD + LADDER + CORP


def rule(when='client.id == "jira"', more=""):
    return BASE + f"rules:\n  - {{id: r, owner: a, description: d, require: mfa, when: {when}{more}}}\n"


def provider(more):
    return HEAD + LADDER + f"providers:\n  corp: {{{more}}}\n"


def issuer(text):
    return provider(f"issuer: {text}, acr: {{mfa: gold}}")


def given(text):
    return (
        BASE
        + f"attributes: {{score: {{type: double}}}}\ntests:\n  - {{name: t, given: {text}, expect: {{level: mfa}}}}\n"
    )


CASES = {
    "ladder-is-text": ("ACX0303", HEAD + "ladder: «basic»\n" + CORP),
    "ladder-of-lists": ("ACX0303", HEAD + "ladder: [basic, mfa, «[x]»]\n" + CORP),
    "ladder-without-level": ("ACX0302", HEAD + "ladder: [basic, mfa, {«max_age»: 1h}]\n" + CORP),
    "no-ladder": ("ACX0501", "«version»: acrux/v1\n" + CORP),
    "no-version": ("ACX0302", f"«ladder»: [basic, mfa]\n{CORP}"),
    "version-misspelt": ("ACX0301", f"«versoin»: acrux/v1\n{LADDER}{CORP}"),
    "version-empty": ("ACX0304", f"version:«»\n{LADDER}{CORP}"),
    "section-misspelt": ("ACX0301", BASE + "«netwroks»: {}\nrules: [{id: r, owner: a, description: d, when: '\"x\" in network.zones', require: mfa}]\n"),
    "section-is-a-list": ("ACX0303", BASE + "clients: «[jira]»\nrules: [{id: r, owner: a, description: d, when: 'client.id == \"jira\"', require: mfa}]\n"),
    "rules-are-a-mapping": ("ACX0303", BASE + "rules: «{r: {}}»\ntests: [{name: t, given: {client: a}, expect: {rules: [r]}}]\n"),
    "provider-is-text": ("ACX0303", HEAD + LADDER + "providers: {corp: «https://login.example.com»}\n"),
    "acr-is-text": ("ACX0303", provider("issuer: https://login.example.com, acr: «gold»")),
    "acr-is-empty": ("ACX0304", provider("issuer: https://login.example.com, acr: {mfa: «[]»}")),
    "acr-is-a-mapping": ("ACX0303", provider("issuer: https://login.example.com, acr: {mfa: «{a: b}»}")),
    "acr-for-deny": ("ACX0401", provider("issuer: https://login.example.com, acr: {mfa: gold, «deny»: x}")),
    "issuer-port": ("ACX0317", issuer("«https://login.example.com:port»")),
    "issuer-bracket": ("ACX0317", issuer("'«https://[::1»'")),
    "issuer-blank": ("ACX0317", issuer("'«https://login example.com»'")),
    "issuer-scheme": ("ACX0317", issuer("«ftp://login.example.com»")),
    "issuer-fragment": ("ACX0317", issuer("'«https://login.example.com/#»'")),
    "claim-with-blank": ("ACX0321", issuer("https://login.example.com, accept_claim: «the acr»")),
    "client-id-beyond-ascii": ("ACX0321", BASE + "defaults: {unregistered_client: mfa}\nclients: {jira: {client_id: «jïra»}}\n"),
    "client-is-text": ("ACX0303", BASE + "defaults: {unregistered_client: mfa}\nclients: {jira: «corp»}\n"),
    "tag-with-blank": ("ACX0313", BASE + "defaults: {unregistered_client: mfa}\nclients: {jira: {tags: [«a b»]}}\n"),
    "redirect-uri-bracket": ("ACX0317", BASE + "defaults: {unregistered_client: mfa}\nclients: {jira: {redirect_uris: ['«https://[x/»']}}\n"),
    "provider-not-named": (
        "ACX0516",
        HEAD + LADDER + "providers: {corp: {issuer: https://a.example.com, acr: {mfa: gold}}, two: {issuer: https://b.example.com, acr: {mfa: gold}}}\n"
        "defaults: {unregistered_client: mfa, provider: two}\nclients: {«jira»: {}}\n",
    ),
    "lowest-acr-only": (
        "ACX0511",
        HEAD + LADDER + "providers: {corp: {issuer: https://a.example.com, acr: {basic: b}}}\n"
        "defaults: {unregistered_client: mfa}\nclients: {«jira»: {}}\n",
    ),
    "used-by-default-only": ("ACX0509", provider("«issuer»: https://login.example.com")),
    "ladder-max-age-without-auth-time": (
        "ACX0512",
        HEAD + "ladder: [basic, {level: mfa, max_age: «1h»}]\nproviders: {corp: {issuer: https://a.example.com, auth_time: never, acr: {mfa: x}}}\n",
    ),
    "rule-max-age-by-tag": (
        "ACX0512",
        HEAD + LADDER + "providers: {corp: {issuer: https://a.example.com, auth_time: never, acr: {mfa: x}}}\n"
        "defaults: {unregistered_client: mfa}\nclients: {jira: {tags: [a]}, wiki: {tags: [a]}}\n"
        "rules: [{id: r, owner: a, description: d, when: '\"a\" in client.tags', require: mfa, max_age: «1h»}]\n",
    ),
    "cidr-nonsense": ("ACX0320", BASE + "networks: {office: {cidrs: [«office»]}}\n"),
    "cidr-nat64": ("ACX0320", BASE + "networks: {office: {cidrs: ['«64:ff9b::/96»']}}\n"),
    "cidr-netmask": ("ACX0320", BASE + "networks: {office: {cidrs: [«203.0.113.0/255.255.255.0»]}}\n"),
    "attribute-is-text": ("ACX0303", BASE + "attributes: {score: «double»}\nrules: [{id: r, owner: a, description: d, when: '\"attr.score\" in known && attr.score > 1.0', require: mfa}]\n"),
    "attribute-too-large": ("ACX0307", BASE + "attributes: {a: {type: int, default: «9223372036854775808»}}\n"),
    "attribute-infinite": ("ACX0307", BASE + "attributes: {a: {type: double, default: «1e999»}}\n"),
    "attribute-default-blank": ("ACX0304", BASE + "attributes: {a: {type: bool, default: «''»}}\n"),
    "defaults-provider": ("ACX0402", BASE + "defaults: {provider: «crop»}\n"),
    "percent-empty": ("ACX0304", rule(more=", rollout: {percent: «''», by: browser.id, absent: in}")),
    "rollout-by-attribute": ("ACX0404", rule(more=", rollout: {percent: 1, by: «attr.cohort», absent: in}")),
    "window-empty": ("ACX0304", rule(more=", active: «{}»")),
    "mode-empty": ("ACX0304", rule(more=", mode: «''»")),
    "max-age-is-a-list": ("ACX0303", rule(more=", max_age: «[1h]»")),
    "exception-without-owner": ("ACX0302", rule(more=', except: [{«id»: e, when: app.id == "x", ticket: T, expires: 2030-01-01}]')),
    "exception-condition": ("ACX0203", rule(more=', except: [{id: e, when: «app.idd» == "x", owner: a, ticket: T, expires: 2030-01-01}]')),
    "description-too-long": ("ACX0321", rule().replace("description: d", "description: «" + "d" * 4097 + "»")),
    "break-glass-without-window": ("ACX0302", BASE + "break_glass: [{«id»: b, when: 'true', instead: basic, owner: a, ticket: T}]\n"),
    "break-glass-is-text": ("ACX0303", BASE + "break_glass: [«b»]\n"),
    "invariant-is-text": ("ACX0303", BASE + "invariants: [«b»]\n"),
    "invariant-condition": ("ACX0203", BASE + 'invariants: [{id: i, for: «client.idd» == "x", never_below: mfa}]\n'),
    "tests-are-text": ("ACX0303", BASE + "tests: [«t»]\n"),
    "given-is-text": ("ACX0303", given("«jira»")),
    "given-misspelt": ("ACX0301", BASE + "tests: [{name: t, «givn»: {client: jira}, expect: {level: mfa}}]\n"),
    "expect-misspelt": ("ACX0301", BASE + "tests: [{name: t, given: {client: jira}, «expct»: {level: mfa}}]\n"),
    "given-empty": ("ACX0704", given("«{}»")),
    "given-client-without-id": ("ACX0704", given("{«client»: {}}")),
    "given-client-is-a-list": ("ACX0303", given("{client: «[jira]»}")),
    "given-client-id-is-a-list": ("ACX0303", given("{client: {id: «[jira]»}}")),
    "given-part-is-text": ("ACX0303", given("{client: jira, network: «203.0.113.9»}")),
    "given-attributes-are-text": ("ACX0303", given("{client: jira, attributes: «x»}")),
    "given-attribute-unknown": ("ACX0406", given("{client: jira, attributes: {«scor»: 1}}")),
    "given-nonce": ("ACX0704", given("{client: jira, nonce_sha256: «abc»}")),
    "given-groups": ("ACX0704", given("{client: jira, user: {groups: [" + ", ".join(["x"] * 200) + ", «y»]}}").replace("[x", "«[x", 1).replace("«y»]", "y]»")),
    "given-claims": ("ACX0704", given("{client: jira, request: {claims: «{a: " + "[" * 8 + "1" + "]" * 8 + "}»}}")),
    "expect-level": ("ACX0401", given("{client: jira}").replace("level: mfa}", "level: «mfaa»}")),
    "expect-max-age": ("ACX0308", given("{client: jira}").replace("level: mfa}", "max_age: «1 h»}")),
}  # fmt: skip


def unmarked(text):
    """The text without its marks, and where they were."""
    start = text.index("«")
    end = text.index("»") - 1
    return text.replace("«", "").replace("»", ""), (start, end)


@pytest.mark.parametrize("name", CASES)
def test_one_mistake_is_one_diagnostic_at_its_characters(name):
    """A set with one mistake gets one error, of that code, under exactly those characters."""
    code, marked = CASES[name]
    text, place = unmarked(marked)
    checked = check_files({"set.yaml": text.encode()}, now=NOW)
    errors = [
        (found.code, (found.span.start, found.span.end)) for found in checked.diagnostics if found.severity == "error"
    ]
    assert errors == [(code, place)]
    assert checked.policy is None


RIGHT = {
    "loopback issuers": issuer("http://127.0.0.1:8080/realm"),
    "localhost": issuer("http://op.localhost:8080"),
    "a native redirect": BASE + "defaults: {unregistered_client: deny}\nclients: {app: {redirect_uris: ['com.example.app:/cb', 'http://127.0.0.1/cb']}}\n",
    "a wide IPv6 range": BASE + "networks: {all: {cidrs: ['::/0', '0.0.0.0/0', '2001:db8::/96']}}\n",
    "percent with a point": rule(more=", rollout: {percent: 0.5, by: client.id, absent: in}"),
    "all of it": rule(more=", rollout: {percent: 100, by: network.ip, absent: out}, active: {until: 2026-01-01T00:00:00Z}"),
    "a whole day of break-glass": BASE + "break_glass: [{id: b, when: 'true', instead: basic, owner: a, ticket: T, active: {from: 2026-01-01T00:00:00Z, until: 2026-01-02T00:00:00Z}}]\n",
    "bounds on both sides": BASE + "invariants: [{id: i, for: 'true', never_below: basic, never_above: deny}]\n",
    "a group that expects": BASE + "tests: [{name: g, expect: {level: mfa}, cases: [{given: {client: a}}, {given: {client: b}}]}]\n",
    "one level": HEAD + "ladder: [basic]\nproviders: {corp: {issuer: https://login.example.com}}\nclients: {jira: }\ndefaults: {unregistered_client: basic}\n",
    "max_age where auth_time is known": (
        HEAD + LADDER + "providers:\n  corp: {issuer: https://a.example.com, acr: {mfa: x}}\n  never: {issuer: https://b.example.com, auth_time: never, acr: {mfa: x}}\n"
        "defaults: {unregistered_client: mfa, provider: corp}\nclients: {jira: {provider: corp, tags: [a]}, wiki: {provider: never}}\n"
        "rules:\n  - {id: r, when: '\"a\" in client.tags', require: mfa, max_age: 1h}\n"
        '  - {id: off, when: client.id == "wiki", require: mfa, max_age: 1h, mode: off}\n'
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_left_alone(name):
    """No error is made of what the language allows."""
    checked = check_files({"set.yaml": RIGHT[name].encode()}, now=NOW)
    assert [found.message for found in checked.diagnostics if found.severity == "error"] == []
    assert checked.policy is not None
