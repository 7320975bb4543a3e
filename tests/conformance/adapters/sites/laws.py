"""What the laws of adapters say of an answer: refused, admitted, or sent to the provider once more."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import httpx

    from sites.party import Party

ISSUER = "https://login.example.com"


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


def refused(party: Party, response: httpx.Response, cause: str, *, status: int = 403) -> None:
    assert (response.status_code, cause in response.text) == (status, True), (response.status_code, response.text)
    assert "<h1>Not signed in</h1>" in response.text
    assert "no-store" in response.headers["cache-control"]
    assert not party.is_signed_in()


def admitted(party: Party, response: httpx.Response) -> None:
    assert response.status_code in {200, 302, 307}, response.text
    assert not response.headers.get("location", "").startswith(ISSUER)
    assert party.is_signed_in()


def sent_again(party: Party, response: httpx.Response) -> str:
    assert response.status_code == 302, response.text
    assert response.headers["location"].startswith(f"{ISSUER}/authorize?")
    assert not party.is_signed_in()
    return response.headers["location"]
