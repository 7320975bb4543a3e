"""`acrux doctor`'s room: what a provider says of itself, against the policy set. Nothing is decided or judged."""

from acrux.oidc.doctor.enforcement import ClientOutlook, LevelOutlook, Way, client_outlook
from acrux.oidc.doctor.examining import Examined, examine
from acrux.oidc.doctor.findings import Finding, Grade
from acrux.oidc.doctor.levels import level_findings
from acrux.oidc.doctor.protocol import protocol_findings
from acrux.policy.model import CheckedPolicy

__all__ = [
    "ClientOutlook",
    "Examined",
    "Finding",
    "Grade",
    "LevelOutlook",
    "Way",
    "client_outlook",
    "examine",
    "findings",
]


def findings(examined: Examined, policy: CheckedPolicy) -> tuple[Finding, ...]:
    """Everything that can be said of a provider from outside, in the order in which a login meets it."""
    if examined.document is None:
        return protocol_findings(examined, several_providers=len(policy.providers) > 1)
    several = len(policy.providers) > 1
    return (*protocol_findings(examined, several_providers=several), *level_findings(examined, policy))
