"""Rollout buckets (policy-language.md, "What a decision is", 1). No evaluation, no randomness: a bucket is a hash."""

import hashlib
import json
from typing import Final

from acrux.domain.facts import FactValue, fact_to_json
from acrux.domain.identifiers import RuleId

BUCKETS: Final = 100


def bucket_of(rule_id: RuleId, value: FactValue) -> int:
    r"""The bucket, 0 to 99, of a fact's value for a rule: 8 bytes, big-endian, of sha256, modulo 100.

    The hash is over `<rule id>\n<value>`. A string stands as it is, every other value as its compact JSON (`true`,
    `7`, `["a","b"]`), timestamps and durations as the log writes them: RFC 3339 text and whole seconds.
    """
    plain = fact_to_json(value)
    text = plain if isinstance(plain, str) else json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(f"{rule_id}\n{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS
