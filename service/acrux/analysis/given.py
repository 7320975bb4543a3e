"""A request in the JSON shape of `given` and `--facts` (http-api.md, "Decide"). Parsing is the policy room's."""

from acrux.domain.facts import Json
from acrux.domain.request import DecideRequest


def given_to_json(request: DecideRequest) -> dict[str, Json]:
    """The request with only what it says, as a test's `given` would be written."""
    sections: dict[str, dict[str, Json]] = {
        "app": {"id": request.app_id},
        "network": {"ip": request.network_ip, "country": request.network_country, "asn": request.network_asn},
        "user": {"id": request.user_id, "domain": request.user_domain, "groups": _listed(request.user_groups)},
        "device": {
            "managed": request.device_managed,
            "platform": request.device_platform,
            "user_agent": request.device_user_agent,
        },
        "browser": {"id": request.browser_id},
        "session": {"level": request.session_level, "age_seconds": request.session_age_seconds},
        "request": {
            "acr_values": _listed(request.acr_values or None),
            "scopes": _listed(request.scopes or None),
            "prompt": request.prompt or None,
            "max_age": request.max_age_seconds,
            "claims": None if request.claims is None else dict(request.claims),
        },
        "attributes": dict(request.attributes),
    }
    written: dict[str, Json] = {"client": request.client_id}
    for name, section in sections.items():
        said: dict[str, Json] = {key: value for key, value in section.items() if value is not None}
        if said:
            written[name] = said
    return written


def _listed(values: tuple[str, ...] | None) -> list[Json] | None:
    return None if values is None else list(values)
