"""The register of diagnostic codes, one constant each; docs/diagnostics.md is held to it. No check lives here.

ACX01xx files and YAML, ACX02xx CEL expressions, ACX03xx structure, ACX04xx references, ACX05xx meaning, ACX06xx
warnings, ACX07xx tests and invariants. A number is never used again for another mistake.
"""

import re
from dataclasses import dataclass
from typing import Final

from acrux.policy.diagnostics import Diagnostic, Related, Severity, Span

_LONG_MESSAGE: Final = 200
_LONGEST_MESSAGE: Final = 1000
_LONG_WORDS = re.compile(r"`([^`]{80})[^`]{40,}`")


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of mistake.

    Attributes:
        id: `ACX` and four digits.
        severity: what `check` makes of it.
        title: a few words, as in the heading of its section in docs/diagnostics.md.
    """

    id: str
    severity: Severity
    title: str

    def at(self, span: Span, message: str, *, help: str | None = None, related: tuple[Related, ...] = ()) -> Diagnostic:  # noqa: A002 - the word of the design
        """A diagnostic of this kind; of the author's words, where they are very long, the beginning is quoted."""
        return Diagnostic(self.id, self.severity, span, _clipped(message), help and _clipped(help), related)


def _clipped(message: str) -> str:
    """A message of bearable length: a file may have a key of 10 MiB."""
    if len(message) <= _LONG_MESSAGE:
        return message
    message = _LONG_WORDS.sub(r"`\1…`", message)
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"


def _error(code_id: str, title: str) -> Code:
    return Code(code_id, Severity.ERROR, title)


def _warning(code_id: str, title: str) -> Code:
    return Code(code_id, Severity.WARNING, title)


# Files and YAML
NOT_UTF8 = _error("ACX0101", "not UTF-8")
CONTROL_CHARACTER = _error("ACX0102", "control character")
FILE_TOO_LARGE = _error("ACX0103", "file too large")
YML_FILE = _error("ACX0104", "file named .yml")
EMPTY_FILE = _error("ACX0105", "empty file")
ROOT_NOT_MAPPING = _error("ACX0106", "file is not a mapping")
SEVERAL_DOCUMENTS = _error("ACX0107", "several documents")
ANCHOR = _error("ACX0108", "anchor")
ALIAS = _error("ACX0109", "alias")
TAG = _error("ACX0110", "tag")
TAG_EXPRESSION = _error("ACX0111", "expression read as a tag")
DUPLICATE_KEY = _error("ACX0112", "duplicate key")
TEXT_AFTER_QUOTE = _error("ACX0113", "text after a quoted value")
TEXT_AFTER_BRACKET = _error("ACX0114", "text after a closing bracket")
COLON_IN_BRACKETS = _error("ACX0115", "colon inside brackets")
COLON_IN_TEXT = _error("ACX0116", "colon inside unquoted text")
TAB = _error("ACX0117", "tab as indentation")
UNCLOSED_BRACKET = _error("ACX0118", "unclosed bracket")
UNCLOSED_QUOTE = _error("ACX0119", "unclosed quote")
MERGE_KEY = _error("ACX0120", "merge key")
COMPLEX_KEY = _error("ACX0121", "complex key")
INDENTATION = _error("ACX0122", "indentation")
BAD_ESCAPE = _error("ACX0123", "bad escape")
RESERVED_CHARACTER = _error("ACX0124", "reserved character")
TOO_DEEP = _error("ACX0125", "nested too deep")
MISSING_COLON = _error("ACX0126", "missing colon")
SYNTAX = _error("ACX0127", "other YAML syntax")

# CEL expressions
EXPRESSION_SYNTAX = _error("ACX0201", "expression syntax")
EXPRESSION_TYPE = _error("ACX0202", "type error")
UNKNOWN_FACT = _error("ACX0203", "unknown fact")
UNKNOWN_FUNCTION = _error("ACX0204", "unknown function")
HAS_ON_FACT = _error("ACX0205", "has() on a fact")
NOT_A_CONDITION = _error("ACX0206", "not a condition")
UNGUARDED_FACT = _error("ACX0207", "unguarded fact where absence decides")
UNKNOWN_FACT_LITERAL = _error("ACX0208", "unknown fact in a text")
UNKNOWN_ZONE_LITERAL = _error("ACX0209", "unknown zone")
UNKNOWN_TAG_LITERAL = _error("ACX0210", "unknown tag")
UNKNOWN_LEVEL_LITERAL = _error("ACX0211", "unknown level in an expression")

# Structure
UNKNOWN_KEY = _error("ACX0301", "unknown key")
MISSING_KEY = _error("ACX0302", "missing key")
WRONG_KIND = _error("ACX0303", "wrong kind of value")
EMPTY_VALUE = _error("ACX0304", "empty value")
BAD_VERSION = _error("ACX0305", "unknown version")
BAD_BOOLEAN = _error("ACX0306", "not a boolean")
BAD_NUMBER = _error("ACX0307", "not a number")
BAD_DURATION = _error("ACX0308", "not a duration")
BAD_DATE = _error("ACX0309", "not a date")
BAD_TIMESTAMP = _error("ACX0310", "not a timestamp")
BAD_PERCENT = _error("ACX0311", "not a percentage")
BAD_CHOICE = _error("ACX0312", "not one of the choices")
BAD_NAME = _error("ACX0313", "not a name")
RESERVED_NAME = _error("ACX0314", "reserved name")
DUPLICATE_ID = _error("ACX0315", "duplicate id")
REPEATED_SECTION = _error("ACX0316", "said in two places")
BAD_URL = _error("ACX0317", "not a usable URL")
BAD_HOST = _error("ACX0318", "not a host")
BAD_ACR = _error("ACX0319", "not an acr value")
BAD_CIDR = _error("ACX0320", "not a CIDR")
OUT_OF_BOUNDS = _error("ACX0321", "out of bounds")

# References
UNKNOWN_LEVEL = _error("ACX0401", "unknown level")
UNKNOWN_PROVIDER = _error("ACX0402", "unknown provider")
UNKNOWN_PROFILE = _error("ACX0403", "unknown profile")
UNKNOWN_ROLLOUT_FACT = _error("ACX0404", "rollout by an unknown fact")
UNKNOWN_RULE = _error("ACX0405", "unknown rule")
UNKNOWN_ATTRIBUTE = _error("ACX0406", "unknown attribute")

# Meaning
NO_LADDER = _error("ACX0501", "no ladder")
LADDER_MAX_AGE = _error("ACX0502", "max_age grows or goes missing up the ladder")
DUPLICATE_LEVEL = _error("ACX0503", "level twice")
INSTEAD_NOT_BELOW = _error("ACX0504", "exception that lowers nothing")
BACKWARDS_WINDOW = _error("ACX0505", "window that ends before it begins")
BREAK_GLASS_TOO_LONG = _error("ACX0506", "break-glass of more than a day")
CIDR_HOST_BITS = _error("ACX0507", "CIDR with host bits")
AMBIGUOUS_ACR = _error("ACX0508", "acr that stands for two levels")
LEVEL_WITHOUT_ACR = _error("ACX0509", "level that a provider has no word for")
NO_PROVIDER = _error("ACX0510", "no provider")
UNENFORCEABLE_CLIENT = _error("ACX0511", "client that no level can be enforced for")
MAX_AGE_WITHOUT_AUTH_TIME = _error("ACX0512", "max_age that can't be checked")
NAME_IS_CLIENT_ID = _error("ACX0513", "client's name that is another's client_id")
DUPLICATE_CLIENT_ID = _error("ACX0514", "client_id twice at one provider")
UNREGISTERED_UNSAID = _error("ACX0515", "nothing said of unregistered clients")
PROVIDER_UNSAID = _error("ACX0516", "provider not said")
EXPIRED_EXCEPTION = _error("ACX0517", "expired exception")
EVERYTHING_DENIED = _error("ACX0518", "default that refuses everybody")

# Warnings
UNKNOWN_CLIENT = _warning("ACX0601", "unknown client")
UNGUARDED_FACT_WARNING = _warning("ACX0602", "unguarded fact")
NEGATED_CONDITION = _warning("ACX0603", "negation that would read better as an exception")
WIDE_TRUSTED_NETWORK = _warning("ACX0604", "wide trusted network")
CONSTANT_CONDITION = _warning("ACX0605", "constant condition")
DUPLICATE_RULE = _warning("ACX0606", "duplicate rule")
DOMINATED_RULE = _warning("ACX0607", "dominated rule")
EXCEPTION_EXPIRES_SOON = _warning("ACX0608", "exception that expires soon")
REVIEW_OVERDUE = _warning("ACX0609", "network past its review")
UNUSED_NETWORK = _warning("ACX0610", "unused network")
UNUSED_TAG = _warning("ACX0611", "unused tag")
UNUSED_ATTRIBUTE = _warning("ACX0612", "unused attribute")
NO_OWNER = _warning("ACX0613", "no owner or description")
NOT_PORTABLE = _warning("ACX0614", "engines may differ")
MAX_AGE_WITHOUT_EFFECT = _warning("ACX0615", "max_age without effect")
WEAK_ACR = _warning("ACX0616", "acr that proves little")

# Tests and invariants
INVARIANT_CAN_ERROR = _error("ACX0701", "invariant whose condition can error")
INVARIANT_UNBOUNDED = _error("ACX0702", "invariant without a bound")
INVARIANT_CONTRADICTION = _error("ACX0703", "invariant that nothing can keep")
BAD_GIVEN = _error("ACX0704", "fact that no request may have")
NOTHING_EXPECTED = _error("ACX0705", "nothing expected")


def all_codes() -> tuple[Code, ...]:
    """Every code of this module, by number."""
    return tuple(sorted((value for value in globals().values() if isinstance(value, Code)), key=lambda code: code.id))
