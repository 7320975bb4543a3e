"""Checks what shows only when the whole set is known: max_age at providers, rules beside rules, what nothing uses."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from acrux.domain.facts import ATTRIBUTE_PREFIX
from acrux.domain.identifiers import ClientName
from acrux.domain.ladder import AssuranceLadder
from acrux.domain.profiles import AuthTime
from acrux.policy import codes, conditions
from acrux.policy.check_conditions import Vocabulary
from acrux.policy.check_context import CheckContext
from acrux.policy.check_providers import CheckedProvider
from acrux.policy.check_rules import CheckedRule
from acrux.policy.diagnostics import Related, Severity, Span
from acrux.policy.model import Client, Defaults, Network, Rule, RuleMode, Window


@dataclass(frozen=True, slots=True)
class _MaxAgeCheck:
    """Which providers never say when the user logged in, and whose users log in there."""

    context: CheckContext
    providers: Mapping[str, CheckedProvider]
    clients: Mapping[ClientName, Client]
    default: str | None

    def never(self) -> frozenset[str]:
        """The providers in use that never return `auth_time`."""
        used = {str(client.provider) for client in self.clients.values()} | ({self.default} if self.default else set())
        return frozenset(
            name
            for name in used
            if (provider := self.providers[name].value) is not None and provider.profile.auth_time is AuthTime.NEVER
        )

    def note(self, place: Span, name: str) -> None:
        message = f"the provider `{name}` never returns `auth_time`, so this `max_age` can't be checked"
        related = [Related(self.providers[name].auth_time_place, "the provider")]
        self.context.findings.add(codes.MAX_AGE_WITHOUT_AUTH_TIME, place, message, related=related)

    def reached_by(self, rule: Rule, clients_by_tag: Mapping[str, frozenset[str]]) -> Iterator[str]:
        """The providers whose users a rule can concern."""
        registered = frozenset(map(str, self.clients))
        ids = conditions.necessary_clients(rule.when.expression.tree, clients_by_tag, registered)
        for name in registered if ids is None else ids & registered:
            yield str(self.clients[ClientName(name)].provider)
        if self.default is not None and (ids is None or ids - registered):
            yield self.default


def check_max_ages(
    context: CheckContext,
    providers: Mapping[str, CheckedProvider],
    clients: Mapping[ClientName, Client],
    defaults: Defaults | None,
    rules: Iterable[CheckedRule],
) -> None:
    """A `max_age` asks for an `auth_time` that can be looked at; where none ever comes back, every login would fail."""
    default = next(iter(providers)) if len(providers) == 1 else None
    if defaults is not None and defaults.provider is not None:
        default = str(defaults.provider)
    check = _MaxAgeCheck(context, providers, clients, default)
    never = check.never()
    if not never:
        return
    if context.max_age_places:
        check.note(context.max_age_places[0], min(never))
    tagged: dict[str, set[str]] = {}
    for client in clients.values():
        for tag in client.tags:
            tagged.setdefault(tag, set()).add(str(client.name))
    clients_by_tag = {tag: frozenset(names) for tag, names in tagged.items()}
    for checked in rules:
        if checked.max_age is None or checked.rule.mode is RuleMode.OFF:
            continue
        reached = never.intersection(check.reached_by(checked.rule, clients_by_tag))
        if reached:
            check.note(checked.max_age.span, min(reached))


def check_rule_pairs(context: CheckContext, rules: Iterable[CheckedRule], forms: Mapping[str, str]) -> None:
    """Rules with the same condition: the same rule twice, or one that the other makes needless.

    Args:
        context: where to note it.
        rules: every rule of the set.
        forms: from the text of a condition to a text that is the same for conditions that mean the same.
    """
    ladder = context.ladder
    if ladder is None:
        return
    groups: dict[str, list[CheckedRule]] = {}
    for checked in rules:
        if checked.is_whole and checked.rule.mode is not RuleMode.OFF:
            groups.setdefault(forms[checked.rule.when.text], []).append(checked)
    for group in groups.values():
        for index, checked in enumerate(group):
            if len(group) > 1:
                _compare(context, ladder, checked, group, index)


def _compare(
    context: CheckContext, ladder: AssuranceLadder, checked: CheckedRule, group: list[CheckedRule], index: int
) -> None:
    rule = checked.rule
    for place, other in enumerate(group):
        related = [Related(other.id.span, "that rule")]
        if place < index and _substance(rule) == _substance(other.rule):
            message = f"`{rule.id}` says the same as `{other.rule.id}`"
            context.findings.add(
                codes.DUPLICATE_RULE, checked.id.span, message, mend="one of them will do", related=related
            )
            return
        if place != index and _substance(rule) != _substance(other.rule) and _dominates(ladder, other.rule, rule):
            message = f"`{rule.id}` never matters: `{other.rule.id}` has the same condition and requires no less"
            context.findings.add(codes.DOMINATED_RULE, checked.id.span, message, related=related)
            return


def _substance(rule: Rule) -> tuple[object, ...]:
    """What a rule does, its name and its reasons aside."""
    lets_off = tuple((clause.when.text, clause.instead, clause.expires_on) for clause in rule.exceptions)
    return rule.require, rule.max_age_seconds, rule.mode, rule.rollout, rule.active, lets_off


def _dominates(ladder: AssuranceLadder, strong: Rule, weak: Rule) -> bool:
    """Whether a rule always counts, and always for at least as much as another with the same condition."""
    always = (
        strong.mode is RuleMode.ENFORCE
        and strong.active == Window()
        and not strong.exceptions
        and (strong.rollout is None or strong.rollout.percent >= 100)  # noqa: PLR2004 - per cent
    )
    as_fresh = weak.max_age_seconds is None or (
        strong.max_age_seconds is not None and strong.max_age_seconds <= weak.max_age_seconds
    )
    return always and as_fresh and ladder.rank(strong.require) >= ladder.rank(weak.require)


def check_unused(
    context: CheckContext, vocabulary: Vocabulary, networks: Mapping[str, Network], tag_places: Mapping[str, Span]
) -> None:
    """Networks, tags and attributes that no condition asks about."""
    if any(found.severity is Severity.ERROR for found in context.findings.diagnostics):
        return  # what is wrong elsewhere may be what was meant to use them
    maps = context.sections.maps
    for name, network in networks.items():
        seen = network.trusted and "network.trusted" in vocabulary.read
        if not seen and "network.zones" not in vocabulary.opaque and ("network.zones", name) not in vocabulary.used:
            message = f"no condition asks about the network `{name}`"
            context.findings.add(codes.UNUSED_NETWORK, maps["networks"][name].key.span, message)
    for tag, place in tag_places.items():
        if "client.tags" not in vocabulary.opaque and ("client.tags", tag) not in vocabulary.used:
            context.findings.add(codes.UNUSED_TAG, place, f"no condition asks about the tag `{tag}`")
    for name in vocabulary.attributes:
        fact = ATTRIBUTE_PREFIX + name
        if fact not in vocabulary.read and ("known", fact) not in vocabulary.used:
            message = f"no condition asks about the attribute `{name}`"
            context.findings.add(codes.UNUSED_ATTRIBUTE, maps["attributes"][name].key.span, message)
