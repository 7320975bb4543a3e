"""What a caller says of one login, typed and bounded, before anything is looked up. No parsing lives here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from acrux.domain.facts import Json


@dataclass(frozen=True, slots=True)
class DecideRequest:
    """The body of Decide (http-api.md): the shape of `given` in tests and of `--facts` files too.

    None means: not sent. Everything here is unproven: the caller's word.

    Attributes:
        network_country, network_asn: what tests and what-if say in place of a file; Decide does not take them.
    """

    client_id: str
    app_id: str | None = None
    network_ip: str | None = None
    network_country: str | None = None
    network_asn: int | None = None
    user_id: str | None = None
    user_domain: str | None = None
    user_groups: tuple[str, ...] | None = None
    browser_id: str | None = None
    device_managed: bool | None = None
    device_platform: str | None = None
    device_user_agent: str | None = None
    session_level: str | None = None
    session_age_seconds: int | None = None
    acr_values: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    prompt: str = ""
    max_age_seconds: int | None = None
    claims: Mapping[str, Json] | None = None
    attributes: Mapping[str, Json] = field(default_factory=dict)
    nonce_sha256: str | None = None
    correlation_id: str | None = None
