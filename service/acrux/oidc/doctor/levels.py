"""Whether a provider can be asked for the policy's levels, and whether what comes back can be judged. Pure; no I/O.

`acr_values_supported`, `claims_supported` and the like are linted with and never trusted: they are optional, often
stale, and nothing that is decided or judged reads them.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from acrux.domain.facts import Json
from acrux.domain.profile_notes import NOTES
from acrux.domain.profiles import AskForm, AuthTime
from acrux.oidc.doctor.examining import Examined
from acrux.oidc.doctor.findings import Finding, Grade, listed, shown
from acrux.policy.model import CheckedPolicy, Provider

_PROVE: Final = "only what comes back proves a level: every relying party needs an adapter or the token guard"


def level_findings(examined: Examined, policy: CheckedPolicy) -> tuple[Finding, ...]:
    """What can be said of the levels of a policy set at a provider whose document could be had."""
    provider, document = examined.provider, examined.document or {}
    found = [
        *_words(provider, policy),
        *_acr_values(provider, policy, document),
        *_claims_parameter(provider, document),
        _accept_claim(provider, document),
        _auth_time(provider, policy, document),
        _ignoring(provider),
        _floor(provider),
    ]
    return tuple(found)


def _words(provider: Provider, policy: CheckedPolicy) -> Iterator[Finding]:
    profile, levels = provider.profile, policy.ladder.levels[1:]
    if not profile.acts:
        yield Finding("acts", Grade.ERROR, f"the profile `{profile.name}` can't act on what is asked (`acts: false`)")
    without = [level for level in levels if not provider.acr.get(level)]
    if without:
        mend = "add the provider's word to `acr` in the policy set"
        yield Finding("acr-map", Grade.ERROR, f"no word for {shown(without)}: it can't be asked for here", mend)
    for level in levels:
        for word in provider.acr.get(level, ()):
            if word in profile.weak:
                message = f"`{word}` stands for the level `{level}`, and {profile.weak[word]}"
                mend = f"usual words: {shown(profile.levels)}" if profile.levels else ""
                yield Finding("weak-word", Grade.WARNING, message, mend)


def _acr_values(provider: Provider, policy: CheckedPolicy, document: Mapping[str, Json]) -> Iterator[Finding]:
    if provider.profile.ask not in {AskForm.ACR_VALUES, AskForm.CLAIMS}:
        return
    said = listed(document, "acr_values_supported")
    if said is None:
        message = "it does not list `acr_values_supported`; that is optional, and would prove nothing"
        yield Finding("acr-values", Grade.OK, message)
        return
    levels = policy.ladder.levels[1:]
    asked = {provider.acr[level][0]: level for level in levels if provider.acr.get(level)}
    unknown = [word for word in asked if word not in said]
    for word in unknown:
        message = f"`{word}`, which is asked for at the level `{asked[word]}`, is not among its `acr_values_supported`"
        yield Finding(
            "acr-values", Grade.WARNING, message, f"it lists {shown(said)}: see that the word is spelled right"
        )
    if asked and not unknown:
        yield Finding("acr-values", Grade.OK, f"it lists every word that is asked for: {shown(asked)}")


def _claims_parameter(provider: Provider, document: Mapping[str, Json]) -> Iterator[Finding]:
    form, said = provider.profile.ask, document.get("claims_parameter_supported")
    if form not in {AskForm.CLAIMS, AskForm.ACRS}:
        return
    what = "an essential `acr`" if form is AskForm.CLAIMS else "an essential `acrs`"
    if said is True:
        yield Finding("claims-parameter", Grade.OK, f"it takes the `claims` parameter, which {what} is asked for in")
    elif said is None and form is AskForm.ACRS:
        message = (
            f"it does not say that it takes the `claims` parameter, which {what} is asked for in; Entra ID never does"
        )
        yield Finding("claims-parameter", Grade.OK, message)
    else:
        # Left out it means false (Discovery 3).
        message = f"it does not take the `claims` parameter, which {what} is asked for in"
        mend = "say `ask: acr_values` for this provider, or switch the parameter on there"
        yield Finding("claims-parameter", Grade.ERROR, message, mend)


def _accept_claim(provider: Provider, document: Mapping[str, Json]) -> Finding:
    claim, needs = provider.profile.accept_claim, NOTES[provider.profile.name].needs
    said = listed(document, "claims_supported")
    mend = f"without `{claim}` in the ID token every login above the lowest level is `missing`. What it takes: "
    mend += " ".join(needs)
    if said is None:
        return Finding("claim", Grade.WARNING, f"it does not say whether `{claim}` comes back", mend)
    if claim not in said:
        return Finding(
            "claim", Grade.WARNING, f"`{claim}`, which levels are judged by, is not among its `claims_supported`", mend
        )
    return Finding("claim", Grade.OK, f"it can return `{claim}`, which levels are judged by")


def wants_max_age(policy: CheckedPolicy) -> bool:
    """Whether a policy set can say how old a login may be."""
    rungs = any(rung.max_age_seconds is not None for rung in policy.ladder.rungs)
    return rungs or any(rule.max_age_seconds is not None for rule in policy.rules)


def _auth_time(provider: Provider, policy: CheckedPolicy, document: Mapping[str, Json]) -> Finding:
    if not wants_max_age(policy):
        return Finding("auth-time", Grade.OK, "no `max_age` in the policy set, so nothing depends on `auth_time`")
    if provider.profile.auth_time is AuthTime.NEVER:
        message = "it never returns `auth_time`, so no `max_age` can be judged: such logins are `stale`"
        mend = "take `max_age` out, or say `auth_time: on_max_age` if this provider does return it"
        return Finding("auth-time", Grade.ERROR, message, mend)
    when = "always" if provider.profile.auth_time is AuthTime.ALWAYS else "where `max_age` is asked for"
    said = listed(document, "claims_supported")
    if "auth_time" in (said or ()):
        return Finding("auth-time", Grade.OK, f"it returns `auth_time` {when}: how old a login is can be judged")
    but = "it does not say so" if said is None else "is not among its `claims_supported`"
    message = f"`auth_time` should come back {when}, and {but}"
    mend = "look at an ID token: without it every login at a level with a `max_age` is `stale`"
    return Finding("auth-time", Grade.WARNING, message, mend)


def _ignoring(provider: Provider) -> Finding:
    profile = provider.profile
    if profile.ignores_unknown:
        what = "it silently ignores a level that it does not know, or that a user took out of the address"
    else:
        what = "a level that it can't reach is an error there, one that a user took out of the address is not"
    mend = f"where a user can't reach the level, {NOTES[profile.name].unmet}"
    return Finding(
        "unmet", Grade.OK, f"{what}: {_PROVE}", mend + (f": {shown(profile.errors)}" if profile.errors else "")
    )


def _floor(provider: Provider) -> Finding:
    floor = NOTES[provider.profile.name].floor
    if not floor:
        return Finding("floor", Grade.OK, f"no floor is known for the profile `{provider.profile.name}`")
    message = "it has a floor, the least that it demands of a client by itself: the second lock beside Acrux"
    return Finding("floor", Grade.OK, message, floor)
