"""Each mistake in a policy file's YAML has its code, at the characters that are wrong, whichever parser reads it."""

import re

import pytest
import yaml

from acrux.policy import codes
from acrux.policy.codes import Code
from acrux.policy.diagnostics import Diagnostic
from acrux.policy.nodes import MappingNode
from acrux.policy.source import SourceFile
from acrux.policy.yaml_reader import event_parser, read_nodes

RULE = """\
version: acrux/v1
ladder: [basic, mfa]
rules:
  - id: first
    when: client.id == "jira"
    require: mfa
  - id: second
    owner: iam@example.com
    {}
    require: mfa
  - id: third
    when: 'client.id == "x"'
    require: mfa
tests: [{{name: it's, given: {{client: jira}}}}]
"""

# The characters that a diagnostic covers stand between ⟦ and ⟧; one line is put into RULE.
IN_A_RULE: list[tuple[str, Code]] = [
    ('when: ⟦!("office" in network.zones)⟧', codes.TAG_EXPRESSION),
    ('when: ⟦!(a) && b == "c"⟧ # why', codes.TAG_EXPRESSION),
    ("when: ⟦!isIP(app.id)⟧", codes.TAG_EXPRESSION),
    ("when: ⟦!device.managed⟧", codes.TAG_EXPRESSION),
    ('"when": ⟦!("a" in b)⟧', codes.TAG_EXPRESSION),
    ("when: >\n      ok\n    for: ⟦!(a)⟧", codes.TAG_EXPRESSION),
    ("except: [{when: ⟦!(a)⟧, id: x}]", codes.TAG_EXPRESSION),
    ("ticket: ⟦!str⟧ x", codes.TAG),
    ("ticket: ⟦!!str⟧ x", codes.TAG),
    ("ticket: ⟦!⟧ x", codes.TAG),
    ("ticket: ⟦!a!b⟧ x", codes.TAG),
    ("except: ⟦!set⟧ {a: b}", codes.TAG),
    ("ticket: ⟦&a⟧ x", codes.ANCHOR),
    ("except: ⟦&a⟧ [a]", codes.ANCHOR),
    ("⟦&a⟧ ticket: x", codes.ANCHOR),
    ("when: ⟦&& b⟧", codes.ANCHOR),
    ("ticket: ⟦*a⟧", codes.ALIAS),
    ("when: ⟦** b⟧", codes.ALIAS),
    ("⟦<<⟧: *a", codes.MERGE_KEY),
    ("⟦<<⟧: {a: b}", codes.MERGE_KEY),
    ("⟦owner⟧: x", codes.DUPLICATE_KEY),
    ("'⟦owner⟧': x".replace("'⟦", "⟦'").replace("⟧'", "'⟧"), codes.DUPLICATE_KEY),
    ("except: [{a: b, c: d, ⟦a⟧: e}]", codes.DUPLICATE_KEY),
    ('when: "a" ⟦in client.tags⟧', codes.TEXT_AFTER_QUOTE),
    ('when: "a" ⟦in client.tags⟧ # why', codes.TEXT_AFTER_QUOTE),
    ('when: "a" ⟦== client.id ? true : false⟧', codes.TEXT_AFTER_QUOTE),
    ('when: "a" ⟦== "b"⟧', codes.TEXT_AFTER_QUOTE),
    ('when: "a" ⟦in ["b", client.id] && c⟧', codes.TEXT_AFTER_QUOTE),
    ('when: "client.id == "⟦jira""⟧', codes.TEXT_AFTER_QUOTE),
    ("description: 'it'⟦s late'⟧", codes.TEXT_AFTER_QUOTE),
    ("when: 'a' ⟦in client.tags⟧", codes.TEXT_AFTER_QUOTE),
    ('except: [{id: x, when: "a" ⟦in client.tags⟧, ticket: y}]', codes.TEXT_AFTER_QUOTE),
    ('except:\n      - id: x\n        when: "a" ⟦in client.tags⟧\n        ticket: y', codes.TEXT_AFTER_QUOTE),
    ('except: [{id: x, when: "a" ⟦in client.tags⟧}]', codes.TEXT_AFTER_QUOTE),
    ('cidrs: ["a" ⟦x⟧, b }', codes.TEXT_AFTER_QUOTE),
    ("when: [1, 2]⟦.exists(x, x > 1)⟧", codes.TEXT_AFTER_BRACKET),
    ("when: {}⟦.size() == 0⟧", codes.TEXT_AFTER_BRACKET),
    ("except: [[1] ⟦x⟧, 2]", codes.TEXT_AFTER_BRACKET),
    ("given: {ip: ⟦::1⟧}", codes.COLON_IN_BRACKETS),
    ("given: {ip: ⟦::⟧}", codes.COLON_IN_BRACKETS),
    ("given: {ip: ⟦2001:db8::⟧, x: y}", codes.COLON_IN_BRACKETS),
    ("given: {ip: ⟦2001:db8::⟧}", codes.COLON_IN_BRACKETS),
    ("cidrs: [10.0.0.0/8, ⟦::1/128⟧]", codes.COLON_IN_BRACKETS),
    ("cidrs: [10.0.0.0/8, ⟦fe80::⟧]", codes.COLON_IN_BRACKETS),
    ("cidrs: [⟦a: b⟧]", codes.COLON_IN_BRACKETS),
    ("cidrs: [⟦a ? b : c⟧]", codes.COLON_IN_BRACKETS),
    ("given: {⟦client:jira⟧}", codes.COLON_IN_BRACKETS),
    ("given: {⟦client:jira⟧, x: y}", codes.COLON_IN_BRACKETS),
    ("when: a ? b ⟦:⟧ c", codes.COLON_IN_TEXT),
    ("description: Note⟦:⟧ never", codes.COLON_IN_TEXT),
    ("given: {when: a ? b ⟦:⟧ c}", codes.COLON_IN_TEXT),
    ("given: {description: a b⟦:⟧ c, x: y}", codes.COLON_IN_TEXT),
    ("when: a\n      ? b ⟦:⟧ c", codes.COLON_IN_TEXT),
    ("when:\n⟦\t\t⟧a: b", codes.TAB),
    ("given:\n      a: b\n⟦\t⟧  c: d", codes.TAB),
    ("when: |\n⟦\t⟧a", codes.TAB),
    ("cidrs: ⟦[⟧10.0.0.0/8, 192.0.2.0/24", codes.UNCLOSED_BRACKET),
    ("cidrs: ⟦[⟧", codes.UNCLOSED_BRACKET),
    ("cidrs: ⟦[⟧a,", codes.UNCLOSED_BRACKET),
    ("given: ⟦{⟧client: jira", codes.UNCLOSED_BRACKET),
    ("given: ⟦{⟧client: jira, network: {ip: 192.0.2.1}", codes.UNCLOSED_BRACKET),
    ("given: {client: jira, network: ⟦{⟧ip: [192.0.2.1]", codes.UNCLOSED_BRACKET),
    ("given: {client: jira, tags: ⟦[⟧a, b}", codes.UNCLOSED_BRACKET),
    ("cidrs: ⟦[⟧a, b}", codes.UNCLOSED_BRACKET),
    ("cidrs: ⟦[⟧\n      a,\n      b", codes.UNCLOSED_BRACKET),
    ('cidrs: ⟦[⟧"a, b]", c', codes.UNCLOSED_BRACKET),
    ("cidrs: ⟦[⟧'it''s', \"\\\"\" # ]", codes.UNCLOSED_BRACKET),
    ("description: ⟦'⟧a b c", codes.UNCLOSED_QUOTE),
    ('description: ⟦"⟧a b c', codes.UNCLOSED_QUOTE),
    ('when: ⟦\'⟧"a" in client.tags', codes.UNCLOSED_QUOTE),
    ('when: "matches ⟦\\d⟧+', codes.BAD_ESCAPE),
    ('description: "a ⟦\\d⟧ b"', codes.BAD_ESCAPE),
    ('description: "a \\" \\\\ \\n \\x41 ⟦\\ud83d⟧\\ude00"', codes.BAD_ESCAPE),
    ('description: "⟦\\xg⟧"'.replace("g⟧", "⟧g"), codes.BAD_ESCAPE),
    ('description: "\n      ⟦\\q⟧"', codes.BAD_ESCAPE),
    ("⟦[⟧a]: b".replace("⟦[⟧a]", "⟦[a]⟧"), codes.COMPLEX_KEY),
    ("⟦{a: b}⟧: c", codes.COMPLEX_KEY),
    ("⟦?⟧ a\n    : b", codes.COMPLEX_KEY),
    ("given: {⟦?⟧ a : b}", codes.COMPLEX_KEY),
    ("given: {⟦:⟧ b}", codes.SYNTAX),
    ("  ⟦ticket⟧: x", codes.INDENTATION),
    ("given:\n        a: b\n      ⟦c: d⟧", codes.INDENTATION),
    ("given: - a".replace("- a", "⟦-⟧ a"), codes.INDENTATION),
    ("given:\n      - a\n      ⟦b: c⟧", codes.INDENTATION),
    ("when: |\n        a\n      ⟦&& b⟧".replace("&& b", "b"), codes.INDENTATION),
    ("owner2: ⟦@⟧ops", codes.RESERVED_CHARACTER),
    ("owner2: ⟦`⟧ops`", codes.RESERVED_CHARACTER),
    ("owner2: ⟦%⟧ops", codes.RESERVED_CHARACTER),
    ("given: " + "[" * 61 + "⟦[⟧" + "]" * 62, codes.TOO_DEEP),
    ('⟦"ticket" "x"⟧', codes.MISSING_COLON),
    ("⟦ticket⟧", codes.MISSING_COLON),
    ("⟦ticket:SEC-1⟧", codes.MISSING_COLON),
    ("⟦ticket:SEC-1⟧ # x", codes.MISSING_COLON),
    ("cidrs: [a,⟦,⟧ b]", codes.SYNTAX),
    ("cidrs: [a]⟦]⟧", codes.SYNTAX),
    ("cidrs: ⟦}⟧", codes.SYNTAX),
    ('cidrs: ["a" ⟦"⟧b"]', codes.SYNTAX),
    ("cidrs: [[a] ⟦[⟧b]]", codes.SYNTAX),
    ('except: [{id: x, when: client.id in ⟦[⟧"jira"], ticket: y}]', codes.SYNTAX),
    ("given: {a: b⟦{⟧c}}", codes.SYNTAX),
    ("when: > ⟦a⟧", codes.SYNTAX),
    ("when: |⟦0⟧\n      a", codes.SYNTAX),
]

# The scanner of PyYAML's own parser refuses these at their `?`, with another code.
PYTHON_READS_OTHERWISE = {RULE.format(line) for line in ("cidrs: [⟦a ? b : c⟧]", "given: {when: a ? b ⟦:⟧ c}")}

# Whole files.
WHOLE: list[tuple[str, Code]] = [
    ("a: 1\n⟦---⟧\nb: 2\n", codes.SEVERAL_DOCUMENTS),
    ("a: 1\n⟦---⟧\n", codes.SEVERAL_DOCUMENTS),
    ("a: 1\n...\n⟦b: 2⟧\n", codes.SEVERAL_DOCUMENTS),
    ("⟦%YAML 1.2⟧\n---\na: 1\n", codes.SYNTAX),
    ("# c\n⟦%TAG ! x⟧\n---\na: 1\n", codes.SYNTAX),
    ("⟦%YAML 1.1⟧\na: 1\n", codes.SYNTAX),
    ("⟦%YAML 3.0⟧\n---\na: 1\n", codes.SYNTAX),
    ("⟦:⟧ b\n", codes.SYNTAX),
    ("⟦{⟧a: 1\n", codes.UNCLOSED_BRACKET),
    ("⟦{⟧\n  'a': {b: 1},\n  'c': 2\n", codes.UNCLOSED_BRACKET),
    ("a: ⟦'⟧b\n---\nc: d\n", codes.UNCLOSED_QUOTE),
    ('a: ⟦"⟧b', codes.UNCLOSED_QUOTE),
    ('a:\r\n  - b\r\n  - "c" ⟦d⟧\r\n', codes.TEXT_AFTER_QUOTE),
    ("⟦&x⟧\na: b\n", codes.ANCHOR),
    ("⟦!x⟧\na: b\n", codes.TAG),
    ("⟦*x⟧\n", codes.ALIAS),
    ("a: b\n ⟦c⟧: d\n", codes.INDENTATION),
    ("- a\n⟦b: 1⟧\n", codes.INDENTATION),
    ("⟦\t⟧a: 1\n", codes.TAB),
]


def marked(text: str) -> tuple[str, str]:
    """A text without its marks, and what stood between them."""
    before, found, _after = re.split("[⟦⟧]", text)
    assert found or before
    return text.replace("⟦", "").replace("⟧", ""), found


def diagnose(text: str, parser: object = event_parser) -> tuple[object, list[Diagnostic]]:
    return read_nodes(SourceFile("a.yaml", text), parser)


EVERY = [(RULE.format(line), code, line) for line, code in IN_A_RULE] + [(text, code, text) for text, code in WHOLE]


@pytest.mark.parametrize(
    ("text", "code", "parser"),
    [
        pytest.param(text, code, parser, id=f"{name}-{label}")
        for text, code, name in EVERY
        for label, parser in (("libyaml", event_parser), ("python", yaml.SafeLoader))
        if label == "libyaml" or text not in PYTHON_READS_OTHERWISE
    ],
)
def test_mistake_has_one_diagnostic_at_its_characters(text, code, parser):
    """One mistake is one diagnostic, with its code, at exactly the characters that are wrong."""
    clean, expected = marked(text)
    _root, found = diagnose(clean, parser)
    assert [(each.code, clean[each.span.start : each.span.end], each.span.start) for each in found] == [
        (code.id, expected, text.index("⟦"))
    ]


@pytest.mark.parametrize(
    "text",
    [
        "# why ? \n# is it?\na: b\n",
        "a: b ? c\n'x?': y\nd: ? \ne: f\n".replace("d: ? \n", "d: g ? h\n"),
        "a: [b] # who ? \nc: d\n",
        "a: b#c\nd: e&f*g!h\ni: -j\nk: ?l\nm: 'n' # o\n",
        "a: 2001:db8::1\nb: [2001:db8::1, 10.0.0.0/8]\nc: ::1\n",
        "a: {b: 'x', \"c\":d}\ne: [f,\n  g\n]\nh: {\n  i: j,\n}\n",
        "a: it's\nb: [it's, that's]\n",
        "a: 'b\n  c: d'\n",
    ],
)
def test_what_looks_like_a_mistake_and_is_none(text):
    """Question marks, colons, quotes and the like where YAML takes them as text are no mistakes."""
    root, found = diagnose(text)
    assert isinstance(root, MappingNode)
    assert found == []


def test_two_merge_keys():
    """Two merge keys are two diagnostics, not a duplicate key besides."""
    _root, found = diagnose("<<: {a: b}\n<<: {c: d}\n")
    assert [each.code for each in found] == [codes.MERGE_KEY.id] * 2


def test_error_without_a_place():
    """An error that the parser gives no place for stands where the reading had come to."""

    class Broken:
        def __init__(self, text):
            self.events = yaml.CSafeLoader(text) if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader(text)

        def get_event(self):
            event = self.events.get_event()
            if isinstance(event, yaml.MappingEndEvent):
                raise yaml.YAMLError("Something.\nmore")
            return event

    root, [found] = diagnose("a: bc", Broken)
    assert root is None
    assert (found.code, found.span.start, found.message) == ("ACX0127", 5, "this is no YAML: something")


def test_rule_template_is_right():
    """The text that the mistakes are put into has none of its own."""
    root, found = diagnose(RULE.format("ticket: x"))
    assert isinstance(root, MappingNode)
    assert found == []
