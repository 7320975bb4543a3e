"""Identifiers as distinct types. No behaviour lives here."""

from typing import NewType

ClientName = NewType("ClientName", str)
"""A relying party's name in the policy set, or the id as it was sent where the set does not know it."""
LevelName = NewType("LevelName", str)
"""A rung of the policy's own ladder, or `deny`."""
RuleId = NewType("RuleId", str)
ProviderName = NewType("ProviderName", str)
Revision = NewType("Revision", str)
"""`sha256:` and 64 hexadecimal digits over the files of a policy set."""
DecisionId = NewType("DecisionId", str)
"""A UUIDv7 in its canonical text form."""
StreamId = NewType("StreamId", str)
"""A UUIDv7: one stream of records per process start."""
