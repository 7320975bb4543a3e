"""Checks CEL conditions in their place: types, names, literals, absence. Shapes of rules are not known here."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from acrux.cel import Problem, ProblemKind
from acrux.domain.facts import ATTRIBUTE_PREFIX, UNKNOWN_ZONE, FactType
from acrux.policy import codes, conditions
from acrux.policy.check_context import TAGS, CheckContext
from acrux.policy.codes import Code
from acrux.policy.conditions import Literal
from acrux.policy.document import Scalar
from acrux.policy.expressions import Analysis, Analyst
from acrux.policy.model import Attribute, Client, Condition
from acrux.policy.reading import did_you_mean, inner_place
from acrux.policy.suggestions import closest

_CODES: Final = {
    ProblemKind.SYNTAX: codes.EXPRESSION_SYNTAX,
    ProblemKind.UNKNOWN_NAME: codes.UNKNOWN_FACT,
    ProblemKind.TYPE: codes.EXPRESSION_TYPE,
    ProblemKind.FUNCTION: codes.UNKNOWN_FUNCTION,
    ProblemKind.HAS: codes.HAS_ON_FACT,
    ProblemKind.LIMIT: codes.OUT_OF_BOUNDS,
    ProblemKind.PORTABILITY: codes.NOT_PORTABLE,
}


@dataclass(slots=True)
class Vocabulary:
    """The names that conditions may use, and which of them were used.

    Attributes:
        clients: the clients that could be read, by name.
        client_keys: the name of every client, those with mistakes too.
        tags: every tag of any client.
        networks: the name of every network.
        attributes: the attributes that could be read.
        attribute_keys: the name of every attribute.
        used: every fact and literal that are compared, for the warnings about what nothing reads.
        read: every fact that is read.
        opaque: the facts that some condition reads without a literal, so that any name may be meant.
    """

    clients: Mapping[str, Client]
    client_keys: frozenset[str]
    tags: frozenset[str]
    networks: frozenset[str]
    attributes: Mapping[str, Attribute]
    attribute_keys: frozenset[str]
    used: set[tuple[str, str]] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)


_MOST_COMPARISONS: Final = 100_000


class ConditionChecker:
    """Checks expressions against one vocabulary; equal texts are type-checked once."""

    def __init__(self, context: CheckContext, vocabulary: Vocabulary) -> None:
        self._context = context
        self._vocabulary = vocabulary
        self._analyst = Analyst(vocabulary.attributes)
        self.declarations = self._analyst.declarations
        self._comparisons_left = _MOST_COMPARISONS
        self._names_by_client_id: Mapping[str, str] | None = None

    def check(self, scalar: Scalar | None, *, warn_constant: bool = True) -> Condition | None:
        """The condition that an expression is, or None where it is none; what is wrong is noted."""
        if scalar is None:
            return None
        found = self._analyst.analyse(scalar.value)
        if isinstance(found, tuple):
            for problem in found:
                self._note_problem(scalar, problem)
            return None
        if found.condition.expression.result_type != "bool":
            mend = "a condition is true or false; compare the value with something"
            message = f"this is of type `{found.condition.expression.result_type}`, not a condition"
            self._context.findings.add(codes.NOT_A_CONDITION, inner_place(scalar), message, mend=mend)
            return None
        self._remember(found)
        for literal in found.literals:
            self._check_literal(scalar, literal)
        for problem in found.portability:
            self._note_problem(scalar, problem)
        if warn_constant and found.constant is not None:
            word = "true" if found.constant else "false"
            message = f"this condition is always {word}"
            self._context.findings.add(codes.CONSTANT_CONDITION, inner_place(scalar), message)
        return found.condition

    def note_unguarded(self, scalar: Scalar, *, strictly: str | None) -> None:
        """Note each fact that may be absent and is read without a guard.

        Args:
            scalar: an expression that `check` has passed.
            strictly: why that is an error here; None where it is a warning.
        """
        found = self._analyst.analyse(scalar.value)
        if isinstance(found, tuple):
            return
        # A guard that is misspelt is one mistake: the fact that it means to guard is not unguarded as well.
        asked = [literal.value for literal in found.literals if literal.fact == "known"]
        meant = {closest(name, self.declarations) for name in asked if name not in self.declarations}
        for place in found.unguarded:
            if place.name in meant:
                continue
            code = codes.UNGUARDED_FACT_WARNING if strictly is None else codes.UNGUARDED_FACT
            message = f"`{place.name}` may be absent" + ("" if strictly is None else f", and {strictly}")
            mend = f'ask first: `"{place.name}" in known && ...`'
            self._context.findings.add(code, scalar.part(place.start, place.end), message, mend=mend)

    def note_may_error(self, scalar: Scalar, condition: Condition) -> None:
        """Note every place where the condition of an invariant can be an error."""
        for place in conditions.may_error(condition.expression.tree, self._analyst.may_be_absent):
            if place.name in self._analyst.may_be_absent:
                message = f"`{place.name}` may be absent, and the condition of an invariant must never err"
                mend = f'ask first: `"{place.name}" in known && ...`'
            else:
                message = f"`{place.name}` can fail, and the condition of an invariant must never err"
                mend = None
            self._context.findings.add(
                codes.INVARIANT_CAN_ERROR, scalar.part(place.start, place.end), message, mend=mend
            )

    def note_negations(self, scalar: Scalar) -> None:
        """Note each part that says where a rule does not apply; an exception would also say who let it off."""
        found = self._analyst.analyse(scalar.value)
        for place in () if isinstance(found, tuple) else found.negations:
            message = f"this negation on `{place.name}` would read better as an exception"
            mend = "an exception carries an owner, a ticket and an end: put it under `except`"
            self._context.findings.add(codes.NEGATED_CONDITION, scalar.part(place.start, place.end), message, mend=mend)

    def forms(self) -> dict[str, str]:
        """From each expression's text to a text that is the same for conditions that mean the same."""
        return self._analyst.forms()

    def note_read(self, fact: str) -> None:
        """Remember that a fact is read outside an expression."""
        self._vocabulary.read.add(fact)

    def _remember(self, found: Analysis) -> None:
        read = found.condition.reads
        self._vocabulary.read |= read
        self._vocabulary.used |= {(literal.fact, literal.value) for literal in found.literals}
        self._vocabulary.opaque |= read - {literal.fact for literal in found.literals}

    def _note_problem(self, scalar: Scalar, problem: Problem) -> None:
        mend, message = problem.help, problem.message
        if problem.kind is ProblemKind.UNKNOWN_NAME and problem.name is not None:
            attribute = problem.name.removeprefix(ATTRIBUTE_PREFIX)
            is_attribute = attribute != problem.name
            if is_attribute and (
                attribute in self._vocabulary.attribute_keys or self._context.may_exist("attributes", attribute)
            ):
                return
            message = f"unknown fact `{problem.name}`"
            mend = did_you_mean(problem.name, self.declarations) or (
                f"declare it: `attributes: {{{attribute}: {{type: ...}}}}`" if is_attribute else mend
            )
        span = scalar.part(problem.start, problem.end)
        self._context.findings.add(_CODES[problem.kind], span, message, mend=mend)

    def _check_literal(self, scalar: Scalar, literal: Literal) -> None:
        rule = _LITERAL_RULES.get(literal.fact)
        if rule is None:
            return
        code, section, noun, known_of = rule
        known = known_of(self._context, self._vocabulary, self.declarations)
        name = literal.value.removeprefix(ATTRIBUTE_PREFIX) if literal.fact == "known" else literal.value
        if known is None or literal.value in known or self._context.may_exist(section, name):
            return
        if name != literal.value and name in self._vocabulary.attribute_keys:
            return  # it is declared, and what is wrong with it is noted there
        mend = self._suggest(literal.value, known)
        if literal.fact == "client.id":
            mend = self._name_of_client_id(literal.value) or mend
        span = scalar.part(literal.start, literal.end)
        self._context.findings.add(code, span, f"unknown {noun} `{literal.value}`", mend=mend)

    def _suggest(self, word: str, known: Collection[str]) -> str | None:
        # Comparing one word with 40,000 clients takes a tenth of a second; nobody reads ten thousand suggestions.
        self._comparisons_left -= len(known)
        return did_you_mean(word, known) if self._comparisons_left >= 0 else None

    def _name_of_client_id(self, client_id: str) -> str | None:
        if self._names_by_client_id is None:
            clients = sorted(self._vocabulary.clients.values(), key=lambda client: client.name, reverse=True)
            self._names_by_client_id = {client.client_id: client.name for client in clients}
        name = self._names_by_client_id.get(client_id)
        return None if name is None else f"rules see the client's name: `{name}`"


def _levels(
    context: CheckContext, _vocabulary: Vocabulary, _declarations: Mapping[str, FactType]
) -> frozenset[str] | None:
    return None if context.ladder is None else frozenset(context.ladder.levels)


def _client_names(
    _context: CheckContext, vocabulary: Vocabulary, _declarations: Mapping[str, FactType]
) -> frozenset[str] | None:
    # A set without clients needs none: every client is then known by what it sends.
    return vocabulary.client_keys or None


_LITERAL_RULES: Final[Mapping[str, tuple[Code, str, str, Callable[..., frozenset[str] | None]]]] = {
    "client.id": (codes.UNKNOWN_CLIENT, "clients", "client", _client_names),
    "client.tags": (codes.UNKNOWN_TAG_LITERAL, TAGS, "tag", lambda _, words, __: words.tags),
    "network.zones": (
        codes.UNKNOWN_ZONE_LITERAL,
        "networks",
        "zone",
        lambda _, words, __: words.networks | {UNKNOWN_ZONE},
    ),
    "session.level": (codes.UNKNOWN_LEVEL_LITERAL, "ladder", "level", _levels),
    "known": (codes.UNKNOWN_FACT_LITERAL, "attributes", "fact", lambda _, __, declared: frozenset(declared)),
}
