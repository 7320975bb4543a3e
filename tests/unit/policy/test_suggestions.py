"""Did-you-mean."""

import pytest

from acrux.policy.suggestions import closest


@pytest.mark.parametrize(
    ("word", "candidates", "expected"),
    [
        ("client.tag", ["client.id", "client.tags", "app.id"], "client.tags"),
        ("mfaa", ["basic", "mfa"], "mfa"),
        ("phishing-resistent", ["basic", "mfa", "phishing-resistant"], "phishing-resistant"),
        ("MFA", ["basic", "mfa", "nfa"], "mfa"),
        ("requires", ["require", "rollout"], "require"),
        ("wehn", ["when", "id"], "when"),
        ("mfa", ["phr", "otp"], None),
        ("x", [], None),
        ("", ["a"], None),
        ("password", ["mfa", "basic"], None),
    ],
)
def test_closest(word, candidates, expected):
    """A slip of the fingers has a suggestion; another word has none."""
    assert closest(word, candidates) == expected


def test_order_does_not_matter():
    """The same names in another order, or named twice, give the same suggestion."""
    names = ["abcd1", "abcd2", "abcd3"]
    assert closest("abcd", names) == closest("abcd", reversed(names)) == closest("abcd", names * 3)


def test_many_candidates():
    """Among ten thousand names the close one is found, by comparing only those that share an end with the word."""
    names = [f"client-{number:05}" for number in range(10_000)]
    assert closest("client-04242x", names) == "client-04242"
    assert closest("payrolls-uk1", [*names, "payroll-uk-1"]) == "payroll-uk-1"
