"""From level to request and back: a provider's words, what a relying party asked for, one form to ask in. No policy."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from acrux.domain.decision import Accept
from acrux.domain.facts import Json
from acrux.domain.identifiers import LevelName
from acrux.domain.ladder import AssuranceLadder
from acrux.domain.profiles import AskForm, ProviderProfile

_CLAIMS_MEMBERS: Final = ("id_token", "userinfo")
_ACR_CLAIMS: Final = ("acr", "acrs")


class UnmappedRequestedAcr(ValueError):  # noqa: N818 - named after the policy's key
    """A request must be replaced, and asks for values that the provider's map does not know.

    Attributes:
        values: those values, in their order.
    """

    def __init__(self, values: tuple[str, ...]) -> None:
        super().__init__("unmapped requested acr: " + ", ".join(f"`{value}`" for value in values))
        self.values = values


@dataclass(frozen=True, slots=True)
class AcrMap:
    """A provider's words on a ladder, prepared for look-ups in both directions.

    Attributes:
        profile: how to ask and what comes back.
        words: this provider's words by rank, the first of which is asked for; empty where it has none.
        ranks: the rank that each word stands for.
        refuse_unmapped: whether a request that would have to be replaced is refused for an unknown value.
    """

    profile: ProviderProfile
    words: tuple[tuple[str, ...], ...]
    ranks: Mapping[str, int]
    refuse_unmapped: bool

    @classmethod
    def of(
        cls,
        ladder: AssuranceLadder,
        profile: ProviderProfile,
        acr: Mapping[LevelName, tuple[str, ...]],
        *,
        refuse_unmapped: bool,
    ) -> "AcrMap":
        """Arrange a provider's map along a ladder."""
        words = tuple(acr.get(level, ()) for level in ladder.levels)
        ranks = {word: rank for rank, own in enumerate(words) for word in own}
        return cls(profile, words, ranks, refuse_unmapped)

    def can_ask(self, rank: int) -> bool:
        """Whether the provider has a word for a rank; the lowest needs none, and `deny` is never asked for."""
        return rank == 0 or rank >= len(self.words) or bool(self.words[rank])


@dataclass(frozen=True, slots=True)
class Requested:
    """What the relying party's own request asks for (policy-language.md, "What a decision is").

    Attributes:
        values: the acr values in their order, from `acr_values`, then from `claims`, each once.
        in_acr_values: whether the request has an `acr_values` parameter.
        claims: its `claims` parameter, or None.
    """

    values: tuple[str, ...] = ()
    in_acr_values: bool = False
    claims: Mapping[str, Json] | None = None

    def lowest_rank(self, acr_map: AcrMap) -> int | None:
        """The lowest rank among the values that the map knows, or None: several values are alternatives."""
        return min((acr_map.ranks[value] for value in self.values if value in acr_map.ranks), default=None)


NOTHING_REQUESTED: Final = Requested()


@dataclass(frozen=True, slots=True)
class Asked:
    """What to ask the provider for.

    Attributes:
        values: the words that are asked for, in order; empty at the lowest level and for `deny`.
        params: what to merge into the authorization request; an empty value stands for "omit it" (RFC 6749, 3.1).
        dropped: values of the request that were left out because the map does not know them.
    """

    values: tuple[str, ...]
    params: Mapping[str, str]
    dropped: tuple[str, ...] = ()


def read_requested(acr_values: Iterable[str], claims: Mapping[str, Json] | None) -> Requested:
    """What a relying party asks for, from its `acr_values` and its `claims` (OpenID Connect Core 3.1.2.1, 5.5.1.1)."""
    # `acr_values` is a space-separated list: a value with a space in it is several, whoever split it before.
    plain = tuple(word for value in acr_values for word in value.split())
    named = () if claims is None else _values_in_claims(claims)
    return Requested(tuple(dict.fromkeys((*plain, *named))), bool(plain), claims)


def ask(acr_map: AcrMap, rank: int, max_age_seconds: int | None, requested: Requested = NOTHING_REQUESTED) -> Asked:
    """The parameters for a level, in the one form that the provider's profile names.

    Args:
        acr_map: the provider's words.
        rank: the decided level's rank; above the ladder it is `deny`.
        max_age_seconds: the decided `max_age`, or None.
        requested: the relying party's own request.

    Raises:
        UnmappedRequestedAcr: the request would have to be replaced, has values that the map does not know, and the
            provider says `unmapped_requested_acr: refuse`.
    """
    if rank == 0 or rank >= len(acr_map.words):
        return Asked((), {})
    unmapped = tuple(value for value in requested.values if value not in acr_map.ranks)
    beside: tuple[str, ...] = ()
    if acr_map.profile.merges_requested:
        # A value with a space would be read as several, and one of them could be a lower level's word.
        beside = tuple(value for value in unmapped if len(value.split()) == 1)
        unmapped = tuple(value for value in unmapped if value not in beside)
    if unmapped and acr_map.refuse_unmapped:
        raise UnmappedRequestedAcr(unmapped)
    values = (_kept(acr_map, rank, requested) or acr_map.words[rank][:1]) + beside
    if acr_map.profile.ask is AskForm.ACRS:
        values = values[:1]  # Entra ID takes one context
    params = _emit(acr_map.profile.ask, values, requested)
    if max_age_seconds is not None:
        params["max_age"] = str(max_age_seconds)
    return Asked(values, params, unmapped)


def _kept(acr_map: AcrMap, rank: int, requested: Requested) -> tuple[str, ...]:
    """What the request itself asks for, at or above a rank, in words that can be asked for."""
    ranks = [(value, acr_map.ranks[value]) for value in requested.values if acr_map.ranks.get(value, -1) >= rank]
    if acr_map.profile.asks_first_word_only:
        return tuple(dict.fromkeys(acr_map.words[own][0] for _, own in ranks))
    return tuple(value for value, _ in ranks)


def asked_values(params: Mapping[str, str]) -> tuple[str, ...]:
    """The values that some authorization parameters ask for, in whatever form; the inverse of what `ask` emits."""
    plain = params.get("acr_values") or params.get("amr_values")
    if plain:
        return tuple(plain.split())
    claims = params.get("claims")
    return _values_in_claims(json.loads(claims)) if claims else ()


def accept(acr_map: AcrMap, rank: int, max_age_seconds: int | None) -> Accept | None:
    """What to accept on the way back: the words of a level and of every higher one; None for `deny`."""
    if rank >= len(acr_map.words):
        return None
    if rank == 0:
        return Accept(acr_map.profile.accept_claim, (), None)
    values = tuple(word for own in acr_map.words[rank:] for word in own)
    return Accept(acr_map.profile.accept_claim, tuple(dict.fromkeys(values)), max_age_seconds)


def _values_in_claims(claims: Mapping[str, Json]) -> tuple[str, ...]:
    return tuple(
        value for _, requests in _members(claims) for name in _ACR_CLAIMS for value in _values_of(requests.get(name))
    )


def _members(claims: Mapping[str, Json]) -> Iterator[tuple[str, dict[str, Json]]]:
    for member in _CLAIMS_MEMBERS:
        requests = claims.get(member)
        if isinstance(requests, dict):
            yield member, requests


def _values_of(claim_request: Json) -> tuple[str, ...]:
    """The values that one member of `claims` asks for: `value`, then `values` (OpenID Connect Core 5.5.1)."""
    if not isinstance(claim_request, dict):
        return ()
    several = claim_request.get("values")
    listed: list[Json] = several if isinstance(several, list) else []
    return tuple(value for value in (claim_request.get("value"), *listed) if isinstance(value, str))


def _emit(form: AskForm, values: tuple[str, ...], requested: Requested) -> dict[str, str]:
    match form:
        case AskForm.ACR_VALUES | AskForm.AMR_VALUES:
            params = {form.value: " ".join(values)}
            if requested.claims is not None and _values_in_claims(requested.claims):
                rest = _without_acr(requested.claims)
                params["claims"] = _canonical(rest) if rest else ""
        case AskForm.CLAIMS:
            essential: Json = {"essential": True, "values": list(values)}
            params = {"claims": _canonical(_with_claim(requested.claims, "acr", essential))}
        case AskForm.ACRS:
            essential = {"essential": True, "value": values[0]}
            params = {"claims": _canonical(_with_claim(requested.claims, "acrs", essential))}
    if requested.in_acr_values and form is not AskForm.ACR_VALUES:
        params["acr_values"] = ""  # one form only: providers disagree on what two mean
    return params


def _without_acr(claims: Mapping[str, Json]) -> dict[str, Json]:
    """The claims without a level in them. An `acr` that names no value only asks to have the claim, and stays."""
    rest = dict(claims)
    for member, requests in _members(claims):
        left = {
            name: request for name, request in requests.items() if name not in _ACR_CLAIMS or not _values_of(request)
        }
        if left == requests:
            continue
        if left:
            rest[member] = left
        else:
            del rest[member]
    return rest


def _with_claim(claims: Mapping[str, Json] | None, name: str, request: Json) -> dict[str, Json]:
    merged = _without_acr(claims or {})
    id_token = merged.get("id_token")
    merged["id_token"] = {**(id_token if isinstance(id_token, dict) else {}), name: request}
    return merged


def _canonical(claims: Mapping[str, Json]) -> str:
    return json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
