"""What will and what won't be enforced for one client, level by level: by adapters, and by the token guard. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from acrux.domain.asking import AcrMap, accept, ask
from acrux.domain.facts import Json
from acrux.domain.identifiers import LevelName
from acrux.domain.profile_notes import NOTES
from acrux.domain.profiles import AuthTime
from acrux.oidc.doctor.examining import Examined
from acrux.oidc.doctor.findings import listed, shown
from acrux.oidc.doctor.protocol import DEFAULT_GRANTS, endpoint_fault, request_lock, usable_keys
from acrux.oidc.guard_limits import CANNOT, GUARD_SECRETS, NEEDS_AT_APPLICATION, NEEDS_AT_PROVIDER
from acrux.oidc.keys import ALGORITHMS
from acrux.policy.model import CheckedPolicy, Client


@dataclass(frozen=True, slots=True)
class Way:
    """Whether a level is enforced in one way, and why not."""

    enforced: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LevelOutlook:
    """One level for one client.

    Attributes:
        asked: the parameters that Acrux adds.
        claim: what it is judged by.
        accepted: the words that count.
        max_age_seconds: how old the login may be, by the ladder; rules may say less.
        adapters: through an adapter, or the REST API.
        guard: through the redirect adapter and the token guard.
        cautions: what an accepted word proves less than the level may mean.
    """

    level: LevelName
    asked: Mapping[str, str]
    claim: str
    accepted: tuple[str, ...]
    max_age_seconds: int | None
    adapters: Way
    guard: Way
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientOutlook:
    """What holds for one client.

    Attributes:
        lowest: the level that asks for nothing.
        levels: those above it, lowest first.
        guarded: whether it is registered for the guard at all: it has `redirect_uris`.
        guard_needs_application, guard_needs_provider, guard_cannot: what the guard's page says.
        guard_here: what is particular to this provider, and what to switch off there.
    """

    client: Client
    lowest: LevelName
    levels: tuple[LevelOutlook, ...]
    guarded: bool
    guard_needs_application: tuple[str, ...]
    guard_needs_provider: tuple[str, ...]
    guard_here: tuple[str, ...]
    guard_cannot: tuple[str, ...]


def client_outlook(examined: Examined, policy: CheckedPolicy, client: Client) -> ClientOutlook:
    """What will and what won't be enforced for a client of the examined provider."""
    provider = examined.provider
    acr_map = AcrMap.of(policy.ladder, provider.profile, provider.acr, refuse_unmapped=False)
    always = _always(examined)
    guard = (*always, *_guard(examined, client))
    levels = []
    for rank in range(1, len(policy.ladder.rungs)):
        level, max_age_seconds = policy.ladder.level(rank), policy.ladder.max_age_seconds(rank)
        own = _at_level(acr_map, rank, max_age_seconds)
        wanted = accept(acr_map, rank, max_age_seconds)
        accepted, weak = () if wanted is None else wanted.values, provider.profile.weak
        levels.append(
            LevelOutlook(
                level=level,
                asked=ask(acr_map, rank, max_age_seconds).params if acr_map.can_ask(rank) else {},
                claim=provider.profile.accept_claim,
                accepted=accepted,
                max_age_seconds=max_age_seconds,
                adapters=_way(*own, *always),
                guard=_way(*own, *guard),
                cautions=tuple(f"`{word}` is accepted, and {weak[word]}" for word in accepted if word in weak),
            )
        )
    return ClientOutlook(
        client=client,
        lowest=policy.ladder.lowest,
        levels=tuple(levels),
        guarded=bool(client.redirect_uris),
        guard_needs_application=NEEDS_AT_APPLICATION,
        guard_needs_provider=NEEDS_AT_PROVIDER,
        guard_here=_here(examined),
        guard_cannot=CANNOT,
    )


def _way(*reasons: str) -> Way:
    return Way(not reasons, reasons)


def _at_level(acr_map: AcrMap, rank: int, max_age_seconds: int | None) -> tuple[str, ...]:
    reasons = []
    if not acr_map.profile.acts:
        reasons.append(f"the profile `{acr_map.profile.name}` can't act on what is asked")
    if not acr_map.can_ask(rank):
        reasons.append("the provider has no word for it")
    if max_age_seconds is not None and acr_map.profile.auth_time is AuthTime.NEVER:
        reasons.append("the provider never returns `auth_time`, so the `max_age` can't be judged")
    return tuple(reasons)


def _always(examined: Examined) -> tuple[str, ...]:
    """What stands in the way of every level, however the client is connected."""
    document = examined.document
    if document is None:
        return ("the provider's discovery document can't be had, so no ID token can be verified",)
    reasons = []
    if document.get("issuer") != examined.provider.issuer:
        reasons.append("the discovery document names another issuer, so no ID token is taken")
    lock = request_lock(document)
    if lock is not None:
        reasons.append(f"`{lock}`: what Acrux adds in the browser's address is ignored")
    said = listed(document, "id_token_signing_alg_values_supported")
    counts = usable_keys(examined)
    if said is not None and not set(said) & set(ALGORITHMS):
        reasons.append("ID tokens have no asymmetric signature")
    elif not (set(counts) if said is None else set(counts) & set(said)):
        reasons.append("no key of the provider can verify its ID tokens")
    return tuple(reasons)


def _guard(examined: Examined, client: Client) -> tuple[str, ...]:
    """What stands in the way of the token guard alone."""
    document = examined.document
    reasons = []
    if not client.redirect_uris:
        reasons.append("the client has no `redirect_uris` in the policy set, so the redirect adapter does not serve it")
    if document is None:
        return tuple(reasons)
    for name in ("authorization_endpoint", "token_endpoint"):
        fault = endpoint_fault(examined.provider, document, name)
        if fault is not None:
            reasons.append(f"`{name}`: {fault}")
    methods = listed(document, "token_endpoint_auth_methods_supported")
    if methods is not None and not set(methods) & set(GUARD_SECRETS):
        reasons.append(
            f"applications authenticate with {shown(methods) or 'nothing'} there, which can't pass through the guard"
        )
    types, grants = listed(document, "response_types_supported"), listed(document, "grant_types_supported")
    if types is not None and "code" not in types:
        reasons.append("the provider does not offer the response type `code`")
    if grants is not None and "authorization_code" not in grants:
        reasons.append("the provider does not offer the grant type `authorization_code`")
    return tuple(reasons)


def _here(examined: Examined) -> tuple[str, ...]:
    """What is particular to this provider: its profile's notes, and what it offers that must be off for the client."""
    document: Mapping[str, Json] = examined.document or {}
    notes = NOTES[examined.provider.profile.name].guard
    if examined.document is None:
        return notes
    found = []
    grants = listed(document, "grant_types_supported")
    off = [grant for grant in grants or DEFAULT_GRANTS if grant not in {"authorization_code", "refresh_token"}]
    if off:
        found.append(f"The provider offers the grants {shown(off)}: they must be off for this client.")
    types = [kind for kind in listed(document, "response_types_supported") or () if kind not in {"code", "none"}]
    if types:
        found.append(f"The provider offers the response types {shown(types)}: they must be off for this client.")
    if "S256" not in (listed(document, "code_challenge_methods_supported") or ()):
        found.append("The provider does not say that it takes PKCE with `S256`: the application must send a `nonce`.")
    return (*notes, *found)
