"""What links, headers and cookies say beside a login: where it ends, and from where it comes, is not theirs."""

import httpx
import pytest
from sites.laws import ISSUER, admitted, query, refused, sent_again

LOA1, LOA2 = "urn:example:loa:1", "urn:example:loa:2"
EVIL = "evil.example.com"
pytestmark = pytest.mark.usefixtures("requests_reach")


@pytest.mark.parametrize(
    "extra",
    [
        {"acr_values": LOA1, "max_age": "9", "claims": "{}", "nonce": "n", "level": "basic", "decision": "x"},
        {"id_token": "a.b.c", "access_token": "at", "acr": LOA2, "auth_params": f"acr_values={LOA1}"},
        {"next": f"https://{EVIL}", "redirect_uri": f"https://{EVIL}", "_redir": ""},
    ],
)
def test_parameters_in_the_callback(party, acrux, extra) -> None:
    """What is put beside the answer changes neither the verdict nor the second trip, nor where the user ends."""
    answer = party.provider.sign_in(party.begin(), acr=LOA1)
    again = sent_again(party, party.back(**extra, **answer))
    assert (query(again)["acr_values"], query(again)["max_age"]) == ([LOA2], ["28800"])
    assert EVIL not in again
    response = party.back(**extra, **party.provider.sign_in(again))
    admitted(party, response)
    assert not response.headers.get("location", "").startswith(f"https://{EVIL}")
    assert acrux.verdicts == ["downgraded", "satisfied"]


@pytest.mark.parametrize("name", ["state", "code"])
@pytest.mark.parametrize("is_first", [False, True])
def test_parameters_twice(party, acrux, name, is_first) -> None:
    """Whichever of two the library takes, the adapter takes the same: a login that belongs to it, or none."""
    answer = party.provider.sign_in(party.begin(), acr=LOA1)
    other = party.provider.sign_in(party.begin(), acr=LOA1)
    twice = [*answer.items(), (name, other[name])] if is_first else [(name, other[name]), *answer.items()]
    response = party.browser.get(party.callback_path, params=httpx.QueryParams(twice))
    assert response.status_code in {302, 403}
    assert not party.is_signed_in()
    assert set(acrux.verdicts) <= {"downgraded", "mismatched"}


TARGETS = [
    f"https://{EVIL}",
    f"http://{EVIL}",
    f"HTTPS://{EVIL}",
    f"//{EVIL}",
    f"///{EVIL}",
    f"////{EVIL}",
    f"/\\{EVIL}",
    f"\\/{EVIL}",
    f"\\\\{EVIL}",
    f"\\/\\/{EVIL}",
    f"/\t/{EVIL}",
    f"/\n/{EVIL}",
    f"/\r/{EVIL}",
    f"\t//{EVIL}",
    f" //{EVIL}",
    f"\x00//{EVIL}",
    f"\x1f//{EVIL}",
    f"\u00a0//{EVIL}",
    f"https:/{EVIL}",
    f"https:{EVIL}",
    f"https:///{EVIL}",
    f"https:\\\\{EVIL}",
    f"https:/\\{EVIL}",
    f"ht\ttps://{EVIL}",
    f"ht\ntps://{EVIL}",
    f"https://jira.example.com@{EVIL}",
    f"https://jira.example.com:443@{EVIL}",
    f"https://jira.example.com%40{EVIL}",
    f"https://{EVIL}#@jira.example.com",
    f"https://{EVIL}?jira.example.com",
    f"https://{EVIL}\\@jira.example.com",
    f"https://{EVIL}/jira.example.com",
    f"https://jira.example.com.{EVIL}",
    f"//jira.example.com@{EVIL}/%2e%2e",
    f"javascript:location='//{EVIL}'",
    f"JaVaScRiPt://{EVIL}/%0aalert(1)",
    f"data:text/html,<script>location='//{EVIL}'</script>",
    f"ftp://{EVIL}",
    f"https://[::ffff:203.0.113.66]/{EVIL}",
    f"//\u3002{EVIL}",
    f"https://\u24d4vil.example.com/{EVIL}",
    f"/%09/{EVIL}",
    f"/%2f{EVIL}",
    f"/.//{EVIL}",
]


def leads_away(location: str) -> bool:
    """Whether a browser at the site would leave it (WHATWG URL: tabs and line ends go, backslashes are slashes)."""
    cleaned = "".join(character for character in location if character not in "\t\n\r").strip(
        "".join(map(chr, range(33)))
    )
    cleaned = cleaned.replace("\\", "/")
    if cleaned.startswith("//"):
        host = cleaned.lstrip("/").split("/")[0]
        return host != "jira.example.com"
    scheme, colon, rest = cleaned.partition(":")
    if not colon or not scheme.isascii() or not scheme.replace("+", "").isalnum():
        return False
    if scheme.lower() not in {"http", "https"}:
        return True
    return rest.lstrip("/").partition("/")[0].partition("?")[0].partition("#")[0] != "jira.example.com"


@pytest.mark.parametrize("is_second_trip", [False, True])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("adapter", ["mozilla_django_oidc", "allauth", "social_core"])
def test_open_redirects(make, provider, target, is_second_trip) -> None:
    """Wherever a link wants to send the user after the login, it is a place of this site, also after a second trip."""
    party = make()
    response = party.start(query={"next": target})
    if response.status_code != 302:
        assert EVIL not in response.headers.get("location", "")
        return
    url = response.headers["location"]
    assert url.startswith(f"{ISSUER}/authorize?")
    if is_second_trip:
        url = sent_again(party, party.back(**provider.sign_in(url, acr=LOA1), next=target))
    response = party.back(**provider.sign_in(url), next=target)
    admitted(party, response)
    assert not leads_away(response.headers["location"]), response.headers["location"]


@pytest.mark.parametrize("target", [f"//{EVIL}", f"https://{EVIL}", "<script>alert(1)</script>"])
def test_pages_lead_nowhere(party, acrux, target) -> None:
    """A page that refuses has no link, no script and nothing of what the user's link said."""
    state = query(party.begin())["state"][0]
    response = party.back(state=state, error=target, error_description=target, error_uri=target, next=target)
    refused(party, response, "help desk")
    assert EVIL not in response.text
    assert "<script" not in response.text
    assert "href" not in response.text
    assert "location" not in response.headers
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("198.51.100.9", "198.51.100.9"),
        ("198.51.100.9:4711", "198.51.100.9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        ("2001:db8::9", "2001:db8::9"),
        ("2001:db8::9%eth0", "2001:db8::9"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("64:ff9b::c633:6409", "198.51.100.9"),
        ("10.6.6.6, 198.51.100.9", "198.51.100.9"),
        ("198.51.100.9, ::ffff:10.0.0.2", "198.51.100.9"),
        ("198.51.100.9, 10.0.0.2:80, [::ffff:10.0.0.3]", "198.51.100.9"),
        ("10.0.0.2, unknown", None),
        ("10.0.0.2, _hidden", None),
        ("198.51.100.9, ", None),
        ("198.51.100.9,evil", None),
        ("[198.51.100.9", None),
        ("[2001:db8::9]evil", None),
        ("198.51.100.9:evil", None),
        ("198.51.100.9%eth0", None),
        ("0x0a000001", None),
        ("010.0.0.1", None),
        ("", None),
    ],
)
def test_addresses_through_proxies(make, acrux, sent, found) -> None:
    """Right to left through trusted proxies, in whatever form; what can't be read is unknown, never the proxy's own."""
    make(peer="10.0.0.1", trusted_proxies=["10.0.0.0/8"]).begin(X_Forwarded_For=sent)
    assert acrux.asked[-1].get("network") == (None if found is None else {"ip": found})


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "X_Real_IP", "True_Client_IP", "CF_Connecting_IP"])
def test_addresses_that_browsers_send(make, acrux, header) -> None:
    """Who is no trusted proxy says nothing of an address, and a trusted one only in the header that it writes."""
    make().begin(**{header: "10.0.0.9"})
    assert acrux.asked[-1]["network"] == {"ip": "203.0.113.7"}
    behind = make(peer="10.0.0.1", trusted_proxies=["10.0.0.0/8"], proxy_header="forwarded")
    behind.begin(**{header: "10.0.0.9" if header != "Forwarded" else 'for=10.0.0.9, for="[2001:db8::9]:1"'})
    assert acrux.asked[-1].get("network") == ({"ip": "2001:db8::9"} if header == "Forwarded" else None)


def test_lines_of_the_proxies_header(make, acrux, adapter) -> None:
    """Every line of the header counts, in their order; a line that the user sent stands before the proxy's."""
    party = make(peer="10.0.0.1", trusted_proxies=["10.0.0.0/8"])
    lines = [("X-Forwarded-For", "10.0.0.9"), ("X-Forwarded-For", "198.51.100.9")]
    if adapter != "starlette":
        lines = [("X-Forwarded-For", "10.0.0.9, 198.51.100.9")]  # WSGI servers join the lines (RFC 3875 4.1.18)
    party.browser.request(party.method, party.login_path, headers=lines)
    assert acrux.asked[-1]["network"] == {"ip": "198.51.100.9"}


@pytest.mark.parametrize("tossed", ["", "admin", "a" * 21, "a" * 65, "a b", '"' + "a" * 24 + '"', "a" * 24 + "\x0b"])
def test_tossed_browser_cookie(make, acrux, tossed) -> None:
    """A cookie that the adapter can't have made is replaced; one without the prefix is none."""
    party = make()
    header = f"__Host-acrux-browser={tossed}; acrux-browser={'b' * 32}"
    party.browser.request(party.method, party.login_path, headers={"Cookie": header.encode()})
    found = acrux.asked[-1]["browser"]["id"]
    assert found not in {tossed, tossed.strip('"'), "b" * 32} or tossed.strip('"') == "a" * 24
    assert len(found) >= 22
