"""Checks clients, and that each can be held to every level at its provider. No rules, no network access."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from acrux.domain.identifiers import ClientName, LevelName, ProviderName
from acrux.policy import codes
from acrux.policy.check_context import TAGS, CheckContext
from acrux.policy.check_providers import CheckedProvider
from acrux.policy.diagnostics import Related, Span
from acrux.policy.document import Entry, MappingNode
from acrux.policy.model import Client, Defaults
from acrux.policy.reading import Block, Shape, Written, is_empty

CLIENT: Final = Shape("a client", ("provider", "client_id", "tags", "redirect_uris"))
# RFC 6749 appendix A.1 allows visible ASCII and the blank; a set that ends in a log keeps to what can be told apart.
_CLIENT_ID: Final = re.compile(r"[\x20-\x7e]{1,256}")
_REDIRECT_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+")


class _Registrations:
    """What every client claims for itself, to find what two claim."""

    def __init__(self, context: CheckContext, providers: Mapping[str, CheckedProvider]) -> None:
        self.context = context
        self.providers = providers
        self.names = context.sections.maps["clients"]
        self.by_provider: dict[tuple[str, str], Written[str]] = {}

    def claim(self, name: str, provider: str | None, client_id: Written[str]) -> None:
        """Note a client_id that is another client's name, or that this provider has already."""
        findings = self.context.findings
        other = self.names.get(client_id.value)
        if other is not None and client_id.value != name:
            message = f"`{client_id.value}` is another client's name"
            mend = "callers may send either, so nobody could tell which client is meant: rename that client"
            related = [Related(other.key.span, "that client")]
            findings.add(codes.NAME_IS_CLIENT_ID, client_id.span, message, mend=mend, related=related)
        elif provider is not None:
            first = self.by_provider.setdefault((provider, client_id.value), client_id)
            if first is not client_id:
                message = f"the provider `{provider}` has the client_id `{client_id.value}` twice"
                findings.add(
                    codes.DUPLICATE_CLIENT_ID, client_id.span, message, related=[Related(first.span, "first here")]
                )


def check_clients(
    context: CheckContext, providers: Mapping[str, CheckedProvider]
) -> tuple[dict[ClientName, Client], dict[str, Span]]:
    """Read `clients`, by name; and where each of their tags is written first."""
    registrations = _Registrations(context, providers)
    clients: dict[ClientName, Client] = {}
    tag_places: dict[str, Span] = {}
    for name, entry in registrations.names.items():
        client = _client(registrations, name, entry, tag_places)
        if client is not None:
            clients[client.name] = client
    return clients, tag_places


def _client(registrations: _Registrations, name: str, entry: Entry, tag_places: dict[str, Span]) -> Client | None:
    context = registrations.context
    named = context.name(entry.key, "a client")
    node = entry.value
    if is_empty(node):
        node = MappingNode((), entry.key.start, entry.key.end, entry.key.source, {})
    mapping = context.reader.mapping(node, name)
    if mapping is None:
        context.sections.broken.add(TAGS)
        return None
    block = Block(mapping, CLIENT, context.reader)
    said = block.text("provider")
    unsaid = "provider" not in block and not block.misspells("provider")
    provider = _provider_of(registrations, said, entry, unsaid=unsaid)
    client_id = block.text("client_id")
    if client_id is not None and not _CLIENT_ID.fullmatch(client_id.value):
        mend = "visible ASCII characters, 256 at most (RFC 6749 appendix A.1)"
        context.findings.add(
            codes.OUT_OF_BOUNDS, client_id.span, f"`{client_id.value}` can't be a client_id", mend=mend
        )
        client_id = None
    if "client_id" not in block or client_id is not None:
        registrations.claim(name, provider, client_id or Written(name, entry.key))
    tags = _tags(context, block, tag_places)
    uris = _redirect_uris(context, block)
    if provider is None or not named:
        return None
    return Client(
        name=ClientName(name),
        provider=ProviderName(provider),
        client_id=name if client_id is None else client_id.value,
        tags=tags,
        redirect_uris=uris,
    )


def _provider_of(registrations: _Registrations, said: Written[str] | None, entry: Entry, *, unsaid: bool) -> str | None:
    """The name of the client's provider; a client need not name the only one."""
    context, providers = registrations.context, registrations.providers
    if said is None:
        if unsaid and len(providers) == 1:
            name = next(iter(providers))
            _check_enforceable(context, name, providers[name], entry.key.value, entry.key.span)
            return name
        if unsaid and len(providers) > 1:
            place = (
                entry.value.entries[0].key.span
                if isinstance(entry.value, MappingNode) and entry.value.entries
                else entry.key.span
            )
            message = f"the client `{entry.key.value}` does not say its `provider`"
            mend = "there is " + ", ".join(f"`{name}`" for name in sorted(providers))
            context.findings.add(codes.PROVIDER_UNSAID, place, message, mend=mend)
        return None
    if said.value not in providers:
        context.unknown(codes.UNKNOWN_PROVIDER, "providers", said, "provider", providers)
        return None
    _check_enforceable(context, said.value, providers[said.value], entry.key.value, said.span)
    return said.value


def _check_enforceable(context: CheckContext, name: str, provider: CheckedProvider, client: str, place: Span) -> None:
    why = provider.why_unenforceable(context.ladder)
    if why is not None:
        message = f"no level above the lowest can be enforced for `{client}` at `{name}`: {why}"
        related = [Related(provider.key, "the provider")]
        context.findings.add(codes.UNENFORCEABLE_CLIENT, place, message, related=related)


def _tags(context: CheckContext, block: Block, tag_places: dict[str, Span]) -> tuple[str, ...]:
    tags = []
    errors_before = context.findings.error_count
    for tag in block.texts("tags"):
        if context.check_name(tag, "a tag"):
            tag_places.setdefault(tag.value, tag.span)
            tags.append(tag.value)
    if context.findings.error_count > errors_before or block.misspells("tags"):
        # A tag that can't be read may be any: nothing is an unknown tag any more.
        context.sections.broken.add(TAGS)
    return tuple(sorted(set(tags)))


def _redirect_uris(context: CheckContext, block: Block) -> tuple[str, ...]:
    uris = []
    for uri in block.texts("redirect_uris"):
        fault = _redirect_uri_fault(uri.value)
        if fault is None:
            uris.append(uri.value)
        else:
            mend = "an absolute URI without a fragment (RFC 6749 section 3.1.2)"
            context.findings.add(codes.BAD_URL, uri.span, f"the redirect URI {fault}", mend=mend)
    return tuple(uris)


def _redirect_uri_fault(text: str) -> str | None:
    if not _REDIRECT_URI.fullmatch(text):
        return "is not absolute"
    try:
        url = urlsplit(text)
    except ValueError:
        return "is no URL"
    if "#" in text:
        return "has a fragment"
    if url.scheme in {"http", "https"} and not url.hostname:
        return "has no host"
    return None


def check_words(
    context: CheckContext,
    providers: Mapping[str, CheckedProvider],
    clients: Mapping[ClientName, Client],
    defaults: Defaults | None,
) -> None:
    """Every provider that is used must have a word for every level above the lowest."""
    if context.ladder is None or "ladder" in context.sections.broken:
        return
    with_clients = {str(client.provider) for client in clients.values()}
    used = set(with_clients)
    if defaults is not None and defaults.provider is not None:
        used.add(defaults.provider)
    elif len(providers) == 1:
        used.update(providers)
    for name in sorted(used):
        provider = providers[name]
        missing = [level for level in context.ladder.levels[1:] if level not in provider.words]
        # Where no level at all can be enforced, each client says so.
        told = name in with_clients and provider.why_unenforceable(context.ladder) is not None
        if missing and provider.maps_fully and not told:
            _missing_words(context, name, provider, missing)


def _missing_words(context: CheckContext, name: str, provider: CheckedProvider, missing: list[LevelName]) -> None:
    listed = ", ".join(f"`{level}`" for level in missing)
    message = f"the provider `{name}` has no acr for {'the level' if len(missing) == 1 else 'the levels'} {listed}"
    mend = f"add `{missing[0]}: ` and this provider's word for it to `acr`"
    context.findings.add(codes.LEVEL_WITHOUT_ACR, provider.acr_first or provider.first, message, mend=mend)
