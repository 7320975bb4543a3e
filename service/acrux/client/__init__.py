"""What a relying party installs to ask Acrux: httpx and the standard library, nothing of the service.

from acrux.client import AcruxClient

acrux = AcruxClient("https://acrux.example.com", token="acrux_...", client="jira")
decision = acrux.decide(ip="198.51.100.9", nonce=nonce)      # before the redirect
verdict = acrux.outcome(decision, id_token=id_token)         # after the callback
if not verdict.admit: ...
"""

from acrux.client.asynchronous import AsyncAcruxClient
from acrux.client.errors import AcruxError, RequestRefusedError, UnavailableError, UnexpectedAnswerError
from acrux.client.facts import LoginFacts
from acrux.client.synchronous import AcruxClient
from acrux.client.values import Accept, Ceiling, Decision, Verdict, VerdictName

__all__ = [
    "Accept",
    "AcruxClient",
    "AcruxError",
    "AsyncAcruxClient",
    "Ceiling",
    "Decision",
    "LoginFacts",
    "RequestRefusedError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "Verdict",
    "VerdictName",
]
