"""The decision itself: index, evaluate, combine, word. Values in, values out: no clock, no I/O, no lock."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from acrux.cel import Activation
from acrux.domain.decision import Decision
from acrux.domain.facts import Facts, FactValue
from acrux.domain.identifiers import ClientName, LevelName, RuleId
from acrux.domain.ladder import DENY, UnknownLevelError
from acrux.engine.ceiling import Ceiling, Ceilings
from acrux.engine.combine import combine
from acrux.engine.conclude import NO_FLOOR, Concluder, Floor, requested_by
from acrux.engine.evaluate import Circumstances, standing_rules
from acrux.engine.explanation import Explanation, Tracer
from acrux.engine.index import CandidateIndex
from acrux.engine.prepared import PreparedBreakGlass, PreparedRule, facts_read, prepare_break_glass, prepare_rules
from acrux.engine.twice import UserRules, facts_after_login
from acrux.engine.wording import provider_wordings
from acrux.policy.compiled import CompiledPolicy
from acrux.policy.facts import BuiltFacts, default_provider
from acrux.policy.model import Client, Provider


class Decider:
    """A compiled policy set, ready to decide. Immutable in meaning: shared by all requests of a process.

    Attributes:
        compiled: the set.
        rules: every rule that is not `off`, prepared.
    """

    def __init__(self, compiled: CompiledPolicy) -> None:
        """Build the candidate index and all look-ups.

        Args:
            compiled: the set.
        """
        checked = compiled.checked
        clients = tuple(checked.clients.values())
        self.compiled: Final = compiled
        self.rules: Final = prepare_rules(compiled)
        self.index: Final = CandidateIndex(self.rules, clients)
        self._break_glass = prepare_break_glass(compiled)
        self._user_rules = UserRules(self.rules, self._break_glass, clients)
        self._read = facts_read(self.rules, self._break_glass)
        self._ladder = checked.ladder
        self._concluder = Concluder(checked.revision, checked.ladder)
        self._wordings = provider_wordings(checked)
        self._lenient_wordings = provider_wordings(checked, lenient=True)
        self._default_provider = default_provider(checked)
        self._default_rank = self._ladder.rank(checked.defaults.require)
        unregistered = checked.defaults.unregistered_client or checked.defaults.require
        self._unregistered_rank = max(self._default_rank, self._ladder.rank(unregistered))
        self._ceilings = Ceilings(compiled, self.index)
        self._ceilings_made: dict[ClientName, Ceiling] = {}

    def decide(
        self,
        facts: Facts,
        now: datetime,
        *,
        client: Client | None,
        provider: Provider | None,
        floor: Floor = NO_FLOOR,
    ) -> Decision:
        """Decide one login.

        Args:
            facts: all that is known of it; `request.time` is `now`.
            now: the time that windows and expiry dates are held against; aware.
            client: the registration, or None for a client that the set does not know.
            provider: where it logs in, or None.
            floor: what was decided for the same login before: the decision is never below it.

        Raises:
            UnmappedRequestedAcr: the relying party's own request would have to be replaced, and asks for values that
                the provider's map does not know (`unmapped_requested_acr: refuse`).
        """
        candidates = self.index.candidates(facts.values)
        return self.decide_among(candidates, facts, now, client=client, provider=provider, floor=floor)

    def decide_among(
        self,
        candidates: Iterable[PreparedRule],
        facts: Facts,
        now: datetime,
        *,
        client: Client | None,
        provider: Provider | None,
        floor: Floor = NO_FLOOR,
    ) -> Decision:
        """Decide by some of the rules only: `decide` by those that the index yields, a test by all of them.

        Raises:
            UnmappedRequestedAcr: as `decide`.
        """
        values = facts.values
        return self._concluder.conclude(
            standing_rules(candidates, self._circumstances(values, now), self._ladder),
            default_rank=self._unregistered_rank if client is None else self._default_rank,
            wording=None if provider is None else self._wordings[provider.name],
            requested=requested_by(facts),
            values=values,
            now=now,
            floor=floor,
        )

    def floor_of(self, level: str, max_age_seconds: int | None) -> Floor:
        """What a decision of this or another set comes to as a floor; a level that the ladder lacks is its highest."""
        return Floor(self._ladder.deny_rank if level == DENY else self._stored_rank(level), max_age_seconds)

    def level_of(self, floor: Floor) -> LevelName:
        """The level of a floor, for the record; `deny` above the ladder."""
        return self._ladder.level(floor.rank)

    def decide_again(
        self,
        user_facts: Mapping[str, FactValue],
        stored_facts: Mapping[str, FactValue],
        client_name: str,
        stored_level: str,
        now: datetime,
        *,
        stored_max_age_seconds: int | None = None,
    ) -> Decision:
        """Decide again with the `user.*` facts that the provider has verified (policy-language.md, "Twice").

        Only this client's rules on `user.*` are evaluated. The level is the higher of the stored one and the new one;
        rules and reason are those of this evaluation. The parameters are for one more trip: they replace what the
        request had, and a value of it that the map does not know is dropped, whatever `unmapped_requested_acr` says.

        Args:
            user_facts: the verified facts.
            stored_facts: what `user_facts_read` named, as it was when the login began.
            client_name: the client's name in the set, or the id as it was sent.
            stored_level: the level of the first decision; one that this set's ladder lacks counts as its highest rung.
            now: the time of the first decision.
            stored_max_age_seconds: the `max_age` of the first decision; the new one is never longer.
        """
        client = self._client(client_name)
        provider = self._default_provider if client is None else self.compiled.checked.providers[client.provider]
        default_rank = self._unregistered_rank if client is None else self._default_rank
        facts = facts_after_login(user_facts, stored_facts, client_name, client, now)
        candidates = self._user_rules.of(client_name, client)
        standing = standing_rules(candidates, self._circumstances(facts.values, now), self._ladder)
        return self._concluder.conclude(
            standing,
            default_rank=default_rank,
            wording=None if provider is None else self._lenient_wordings[provider.name],
            requested=requested_by(facts),
            values=facts.values,
            now=now,
            floor=Floor(self._stored_rank(stored_level), stored_max_age_seconds),
        )

    def bare_ranks(self, built: BuiltFacts, now: datetime) -> tuple[int, int]:
        """The decided rank with break-glass left out, and the same without what the relying party itself asked for.

        What invariants are held against (policy-language.md, "What a decision is").
        """
        facts = built.facts
        circumstances = self._circumstances(facts.values, now, break_glass=())
        standing = standing_rules(self.index.candidates(facts.values), circumstances, self._ladder)
        requirements = [one.requirement for one in standing]
        default_rank = self._unregistered_rank if built.client is None else self._default_rank
        own = combine(self._ladder, default_rank, requirements).rank
        if built.provider is None:
            return own, own
        requested = requested_by(facts).lowest_rank(self._wordings[built.provider.name].acr_map)
        return own if requested is None else max(own, requested), own

    def matched(self, built: BuiltFacts, now: datetime) -> tuple[tuple[RuleId, ...], tuple[tuple[RuleId, str], ...]]:
        """The rules that match a request, and the exceptions (rule and id) that match and last, applied or not."""
        circumstances = self._circumstances(built.facts.values, now)
        candidates = {rule.rule.id: rule for rule in self.index.candidates(built.facts.values)}
        standing = standing_rules(candidates.values(), circumstances, self._ladder)
        matched = tuple(one.effect.id for one in standing if not one.effect.errored)
        exceptions = tuple(
            (one.effect.id, exception.clause.id)
            for one in standing
            for exception in candidates[one.effect.id].exceptions
            if exception.lasts(now) and exception.when.matches(circumstances.activation) is True
        )
        return matched, exceptions

    def user_facts_read(self, client_name: str) -> frozenset[str]:
        """The facts to keep for `decide_again`; empty where no rule on `user.*` can concern the client."""
        return self._user_rules.facts_read(client_name, self._client(client_name))

    def ceiling(self, client_name: str) -> Ceiling:
        """The most that a client's logins can come to; for a client that the set does not know, too."""
        client = self._client(client_name)
        if client is None:
            # Not remembered: a caller may ask for any number of names.
            provider = self._default_provider
            wording = None if provider is None else self._wordings[provider.name]
            return self._ceilings.of(client_name, None, self._unregistered_rank, wording)
        found = self._ceilings_made.get(client.name)
        if found is None:
            found = self._ceilings.of(client.name, client, self._default_rank, self._wordings[client.provider])
            self._ceilings_made[client.name] = found
        return found

    def explain(self, built: BuiltFacts, now: datetime) -> Explanation:
        """What would be decided, and for each rule of the set why or why not.

        Raises:
            UnmappedRequestedAcr: as `decide`.
        """
        decision = self.decide(built.facts, now, client=built.client, provider=built.provider)
        tracer = Tracer(self.compiled, self._circumstances(built.facts.values, now))
        return Explanation(decision, tracer.rules(self.rules), tracer.break_glass(self._break_glass))

    def _client(self, name: str) -> Client | None:
        return self.compiled.checked.clients.get(ClientName(name))

    def _circumstances(
        self, values: Mapping[str, FactValue], now: datetime, break_glass: Sequence[PreparedBreakGlass] | None = None
    ) -> Circumstances:
        return Circumstances(values, now, self._activate, self._break_glass if break_glass is None else break_glass)

    def _activate(self, values: Mapping[str, FactValue]) -> Activation:
        # What no condition reads need not be converted: half of a decision's time would go there.
        seen = {name: values[name] for name in self._read if name in values}
        return self.compiled.engine.activation(seen, self.compiled.declarations)

    def _stored_rank(self, level: str) -> int:
        try:
            return self._ladder.rank(level)
        except UnknownLevelError:
            return self._ladder.deny_rank - 1


def prepare(compiled: CompiledPolicy) -> Decider:
    """A decider for a compiled set: index, ranks, words and ceilings made ready."""
    return Decider(compiled)
