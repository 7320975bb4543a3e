"""A user agent over plain httpx: cookies, redirects one by one, and forms filled in by their labels. No script."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Self

import httpx

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

MAX_REDIRECTS = 20


@dataclass(slots=True)
class Page:
    """What the agent shows: the last answer, and, where a redirect was not followed, where it leads."""

    response: httpx.Response
    redirect: httpx.URL | None = None
    title: str = ""
    alert: str = ""
    # By the input's name: its label ("" for hidden ones) and its value.
    labels: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the redirect that was not followed."""
        assert self.redirect is not None, f"{self.response.status_code}: {self.response.text[:500]}"
        return dict(self.redirect.params.items())


class Agent:
    """One person's browser. `stops` are address prefixes that it hands back instead of following."""

    def __init__(self, *stops: str, verify: ssl.SSLContext | bool = True) -> None:
        self.stops = stops
        # The servers close idle connections after 5 s, which is also httpx's own limit: stay clear of that race.
        self.client = httpx.Client(timeout=30, trust_env=False, limits=httpx.Limits(keepalive_expiry=1), verify=verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    def open(self, url: httpx.URL | str, params: dict[str, str] | None = None) -> Page:
        """Opens an address, following redirects up to a page or a stop."""
        return self._follow(self.client.get(url, params=params), self.stops)

    def open_until(self, url: httpx.URL | str, *stops: str) -> Page:
        """The same, with stops of its own: this is how a person gets at an address before the browser follows it."""
        return self._follow(self.client.get(url), stops)

    def submit(self, page: Page, **answers: str) -> Page:
        """Sends the page's form with `answers` put into the inputs whose names they bear."""
        unknown = answers.keys() - page.values.keys() - {"cancel"}
        assert not unknown, f"the page `{page.title}` has no input {unknown}"
        return self._follow(self.client.post(page.response.url, data={**page.values, **answers}), self.stops)

    def _follow(self, response: httpx.Response, stops: tuple[str, ...]) -> Page:
        for _ in range(MAX_REDIRECTS):
            if response.next_request is None:
                return _read(response)
            target = response.next_request.url
            if str(target).startswith(stops):
                return Page(response, redirect=target)
            response = self.client.send(response.next_request)
        raise AssertionError(f"more than {MAX_REDIRECTS} redirects, last to {response.url}")


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.inputs: list[dict[str, str]] = []
        self._into: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "input":
            self.inputs.append(given)
        elif tag == "title" or given.get("role") == "alert":
            self._into = "title" if tag == "title" else "alert"
        elif tag == "label":
            self._into = f"label {given['for']}"

    def handle_data(self, data: str) -> None:
        if self._into:
            self.texts[self._into] = self.texts.get(self._into, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._into = None


def _read(response: httpx.Response) -> Page:
    reader = _FormReader()
    reader.feed(response.text)
    return Page(
        response,
        title=reader.texts.get("title", ""),
        alert=reader.texts.get("alert", ""),
        labels={given["name"]: reader.texts.get(f"label {given.get('id')}", "") for given in reader.inputs},
        values={given["name"]: given.get("value", "") for given in reader.inputs},
    )
