"""Checks providers and clients: issuers, profiles, words for levels, registrations. No rules, no network access."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from acrux.domain.identifiers import LevelName, ProviderName
from acrux.domain.ladder import AssuranceLadder
from acrux.domain.profiles import PROFILES, AskForm, AuthTime, ProviderProfile
from acrux.policy import codes
from acrux.policy.check_context import CheckContext
from acrux.policy.diagnostics import Related, Span
from acrux.policy.document import Entry, MappingNode, SequenceNode
from acrux.policy.model import Provider
from acrux.policy.reading import Block, Shape, Written, did_you_mean, first_place, inner_place

PROVIDER: Final = Shape(
    "a provider",
    (
        "issuer", "profile", "acr", "unmapped_requested_acr", "hosts", "ask", "accept_claim", "auth_time",
        "subject_claim", "groups_claim", "ignores_unknown", "merges_requested", "acts",
    ),
    ("issuer",),
)  # fmt: skip
# A blank would make two values of one (OpenID Connect Core 3.1.2.1).
_ACR: Final = re.compile(r"[^\x00-\x20\x7f-\xa0]{1,256}")
_CLAIM: Final = re.compile(r"[^\x00-\x20\x7f-\xa0]{1,128}")
_HOST: Final = re.compile(
    r"(?=.{1,253}(?::|$))[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:\d{1,5})?"
)
_PRINTABLE_URL: Final = re.compile(r"[\x21-\x7e]{1,2048}")


class Unmapped(StrEnum):
    """What to do with a requested acr that would be replaced and is not in the map."""

    REFUSE = "refuse"
    DROP = "drop"


@dataclass(slots=True)
class CheckedProvider:
    """A provider as far as it could be read, and where its parts stand.

    Attributes:
        value: None where it could not be read.
        key: its name.
        first: where a missing key is shown.
        acr_first: where a missing level is shown; None if there is no `acr`.
        auth_time_place: where what it says of `auth_time` is written.
        words: the levels that it has a word for.
        maps_fully: whether its map could be read as a whole.
    """

    value: Provider | None
    key: Span
    first: Span
    acr_first: Span | None
    auth_time_place: Span
    words: frozenset[LevelName]
    maps_fully: bool

    def why_unenforceable(self, ladder: AssuranceLadder | None) -> str | None:
        """Why no level above the lowest can be enforced here, or None."""
        if self.value is None or ladder is None or len(ladder.rungs) == 1:
            return None
        if not self.value.profile.acts:
            return f"its profile `{self.value.profile.name}` can't act on what is asked"
        if self.words.isdisjoint(ladder.levels[1:]):
            return "it has no `acr` for any of them"
        return None


def check_providers(context: CheckContext) -> dict[str, CheckedProvider]:
    """Read `providers`, by name."""
    found = {}
    for name, entry in context.sections.maps["providers"].items():
        context.name(entry.key, "a provider")
        node = context.reader.mapping(entry.value, name)
        if node is None:
            place = entry.key.span
            found[name] = CheckedProvider(None, place, place, None, place, frozenset(), maps_fully=False)
        else:
            found[name] = _provider(context, ProviderName(name), entry, Block(node, PROVIDER, context.reader))
    holder = context.sections.holder_of()
    if not found and holder is not None and not context.may_exist("providers", "providers"):
        mend = "say where users log in: `providers: {corp: {issuer: https://login.example.com, acr: {...}}}`"
        context.findings.add(codes.NO_PROVIDER, first_place(holder), "the set has no `providers`", mend=mend)
    return found


def _provider(context: CheckContext, name: ProviderName, entry: Entry, block: Block) -> CheckedProvider:
    issuer = _issuer(context, block)
    profile, profile_place = _profile(context, block, entry.key.span)
    acr = block.node.get("acr")
    words: Mapping[LevelName, tuple[str, ...]] | None = None
    if acr is not None:
        words = _words(context, acr, {} if profile is None else profile.weak)
    elif not block.misspells("acr"):
        words = {}
    unmapped = block.choice("unmapped_requested_acr", Unmapped)
    hosts = _hosts(context, block)
    value = None
    if issuer is not None and profile is not None and words is not None:
        value = Provider(
            name=name,
            issuer=issuer,
            profile=profile,
            acr=words,
            refuse_unmapped=unmapped is None or unmapped.value is Unmapped.REFUSE,
            hosts=hosts,
            subject_claim=profile.subject_claim,
            groups_claim=profile.groups_claim,
        )
    return CheckedProvider(
        value=value,
        key=entry.key.span,
        first=block.first,
        acr_first=first_place(acr.value) if acr is not None and isinstance(acr.value, MappingNode) else None,
        auth_time_place=profile_place,
        words=frozenset(words or ()),
        maps_fully=words is not None,
    )


def _issuer(context: CheckContext, block: Block) -> str | None:
    issuer = block.text("issuer")
    if issuer is None:
        return None
    url = _url(issuer.value)
    fault = None
    if url is None or not url.hostname or url.scheme not in {"https", "http"}:
        fault = "is no URL", "an issuer is an `https` URL, for example `https://login.example.com`"
    elif url.query or url.fragment or "?" in issuer.value or "#" in issuer.value:
        fault = "has a query or a fragment", "an issuer has neither (OpenID Connect Core 2)"
    elif url.username is not None or url.password is not None:
        fault = "holds credentials", "an issuer has none"
    elif url.scheme == "http" and not is_loopback(url.hostname):
        fault = "is not `https`", "`http` is for loopback addresses only"
    if fault is None:
        return issuer.value
    context.findings.add(codes.BAD_URL, issuer.span, f"the issuer {fault[0]}", mend=fault[1])
    return None


def _url(text: str) -> SplitResult | None:
    if not _PRINTABLE_URL.fullmatch(text):
        return None
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return None
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: `localhost` or a loopback address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


# The claim in which each form's level usually comes back, where a set overrides `ask` alone.
_CLAIM_OF_ASK: Final = {AskForm.ACRS: "acrs", AskForm.AMR_VALUES: "amr"}


def _profile(context: CheckContext, block: Block, key: Span) -> tuple[ProviderProfile | None, Span]:
    """The profile with the set's own members, and where what it says of `auth_time` is written."""
    named = block.text("profile")
    place = key if named is None else named.span
    if named is not None and named.value not in PROFILES:
        mend = did_you_mean(named.value, PROFILES) or "there is " + ", ".join(f"`{name}`" for name in PROFILES)
        context.findings.add(codes.UNKNOWN_PROFILE, named.span, f"unknown profile `{named.value}`", mend=mend)
        return None, place
    base = PROFILES["generic" if named is None else named.value]
    own: dict[str, Any] = {}
    ask = block.choice("ask", AskForm)
    if ask is not None:
        own["ask"] = ask.value
        if ask.value is not base.ask and ask.value in _CLAIM_OF_ASK:
            own["accept_claim"] = _CLAIM_OF_ASK[ask.value]
    auth_time = block.choice("auth_time", AuthTime)
    if auth_time is not None:
        own["auth_time"], place = auth_time.value, auth_time.span
    for name in ("accept_claim", "subject_claim", "groups_claim"):
        claim = block.text(name)
        if claim is not None and not _CLAIM.fullmatch(claim.value):
            context.findings.add(codes.OUT_OF_BOUNDS, claim.span, f"`{claim.value}` can't be the name of a claim")
        elif claim is not None:
            own[name] = claim.value
    for name in ("ignores_unknown", "merges_requested", "acts"):
        said = block.boolean(name)
        if said is not None:
            own[name] = said.value
    return (replace(base, **own) if own else base), place


def _words(context: CheckContext, acr: Entry, weak: Mapping[str, str]) -> dict[LevelName, tuple[str, ...]] | None:
    """The map from level to words; None where something in it is wrong. `weak` words are told of with their reason."""
    mapping = context.reader.mapping(acr.value, "acr")
    if mapping is None:
        return None
    words: dict[LevelName, tuple[str, ...]] = {}
    owners: dict[str, tuple[str, Span]] = {}
    whole = True
    for entry in mapping.entries:
        level = context.level(Written(entry.key.value, entry.key))
        values = _acr_values(context, entry)
        for word in values:
            owner, place = owners.setdefault(word.value, (entry.key.value, word.span))
            if owner != entry.key.value:
                message = f"the acr `{word.value}` stands for `{owner}` already"
                mend = "one acr can't tell two levels apart"
                related = [Related(place, f"for `{owner}` here")]
                context.findings.add(codes.AMBIGUOUS_ACR, word.span, message, mend=mend, related=related)
            if word.value in weak and context.ladder is not None and level not in {None, context.ladder.lowest}:
                mend = "see what this provider's words prove in docs/providers"
                message = f"the acr `{word.value}` stands for `{level}`, and {weak[word.value]}"
                context.findings.add(codes.WEAK_ACR, word.span, message, mend=mend)
        whole = whole and level is not None and bool(values)
        if level is not None:
            words[level] = tuple(dict.fromkeys(word.value for word in values))
    return words if whole else None


def _acr_values(context: CheckContext, entry: Entry) -> list[Written[str]]:
    reader, name = context.reader, entry.key.value
    if isinstance(entry.value, SequenceNode):
        if not entry.value.items:
            context.findings.add(
                codes.EMPTY_VALUE, entry.value.span, f"`{name}` has no value", mend="it takes an acr value"
            )
        scalars = [reader.scalar(item, name, "an acr value") for item in entry.value.items]
    else:
        scalars = [reader.scalar(entry.value, name, "an acr value, or a list of them")]
    found = []
    for scalar in scalars:
        if scalar is None:
            continue
        if _ACR.fullmatch(scalar.value):
            found.append(Written(scalar.value, scalar))
        else:
            mend = "no blanks, no control characters, 256 characters at most; several values are a list"
            context.findings.add(
                codes.BAD_ACR, inner_place(scalar), f"`{scalar.value}` can't be an acr value", mend=mend
            )
    return found


def _hosts(context: CheckContext, block: Block) -> tuple[str, ...]:
    hosts = []
    for host in block.texts("hosts"):
        if _HOST.fullmatch(host.value):
            hosts.append(host.value.lower())
        else:
            mend = "a host name, with its port where it has one: `keys.example.com`"
            context.findings.add(codes.BAD_HOST, host.span, f"`{host.value}` is no host", mend=mend)
    return tuple(hosts)
