"""A request becomes facts: what the set knows of the client, the network and the attributes is added. No evaluation."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from acrux.domain.facts import ATTRIBUTE_PREFIX, UNKNOWN_ZONE, Facts, FactType, FactValue, Json, fact_from_json
from acrux.domain.request import DecideRequest
from acrux.policy.addresses import ZoneMap, Zones, normalise_address, parse_address
from acrux.policy.model import CheckedPolicy, Client, Provider
from acrux.policy.request import FieldError, RequestInvalid
from acrux.policy.times import parse_timestamp

_UNKNOWN: Final = Zones((UNKNOWN_ZONE,), trusted=False)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where an address is.

    Attributes:
        country: ISO 3166-1 alpha-2; `ZZ` if the file does not know; None, which leaves the fact absent, if there is no
            file that says countries, or it could not be read.
        asn: the number of the autonomous system; 0 and None likewise.
    """

    country: str | None
    asn: int | None


class Geography(Protocol):
    """Where addresses are: files on this machine, in memory; it never waits and never raises."""

    def whereabouts_of(self, ip: str) -> Whereabouts:
        """The place of a normalised address; no file knows the place of `""`."""
        ...


@dataclass(frozen=True, slots=True)
class BuiltFacts:
    """The facts of one request, and what was looked up for them.

    Attributes:
        facts: what rules see.
        client: the registration, or None for a client that the set does not know.
        provider: where the client logs in; for an unregistered one the provider of `defaults`, or the only one.
        ignored_attributes: how many attributes were sent that the set does not declare, and levels of a session that
            its ladder does not have.
    """

    facts: Facts
    client: Client | None
    provider: Provider | None
    ignored_attributes: int = 0


class FactBuilder:
    """Builds facts for one policy set; made once a set, used by every decision. Holds no state between requests."""

    def __init__(self, policy: CheckedPolicy, geography: Geography | None = None) -> None:
        """Prepare every look-up.

        Args:
            policy: the set.
            geography: where addresses are; without it `network.country` and `network.asn` stay absent.
        """
        self._geography = geography
        self._levels = frozenset(policy.ladder.levels)
        self._zones = ZoneMap(
            {network.name: network.cidrs for network in policy.networks.values()},
            frozenset(network.name for network in policy.networks.values() if network.trusted),
        )
        self._clients: dict[str, tuple[Client, Provider]] = {}
        self._ambiguous: set[str] = set()
        for client in policy.clients.values():
            self._register(client, policy.providers[client.provider])
        self._default_provider = default_provider(policy)
        self._attribute_types = {name: attribute.type for name, attribute in policy.attributes.items()}
        self._attribute_defaults: dict[str, FactValue] = {
            ATTRIBUTE_PREFIX + name: attribute.default
            for name, attribute in policy.attributes.items()
            if attribute.default is not None
        }

    def _register(self, client: Client, provider: Provider) -> None:
        if client.client_id != client.name:
            if client.client_id in self._clients:
                self._ambiguous.add(client.client_id)
            self._clients[client.client_id] = (client, provider)
        self._clients[client.name] = (client, provider)

    def build(self, request: DecideRequest, now: datetime) -> BuiltFacts:
        """The facts of a request at a time.

        Args:
            request: what the caller says.
            now: `request.time`; aware.

        Raises:
            RequestInvalid: a `client_id` that two providers know; an attribute that is not of its declared type.
        """
        client, provider = self._client_of(request.client_id)
        values: dict[str, FactValue] = {
            "client.id": request.client_id if client is None else client.name,
            "client.tags": () if client is None else client.tags,
            "client.registered": client is not None,
            "app.id": request.app_id or "",
            "request.time": now if now.tzinfo is UTC else now.astimezone(UTC),
            "request.acr_values": request.acr_values,
            "request.scopes": request.scopes,
            "request.prompt": request.prompt,
        }
        self._add_network(values, request)
        _add_present(values, request)
        ignored = self._add_attributes(values, request)
        if request.session_level is not None and request.session_level not in self._levels:
            # A session may be older than the ladder. To this one it has no level: absent, which lowers nothing.
            del values["session.level"]
            ignored += 1
        values["known"] = tuple(sorted(values))
        return BuiltFacts(Facts(values, request.claims), client, provider, ignored)

    def zones_of(self, ip: str) -> Zones:
        """The zones of an address as a caller sends it; `unknown` for what is no address."""
        address = parse_address(ip)
        return _UNKNOWN if address is None else self._zones.zones_of(address)

    def _client_of(self, sent: str) -> tuple[Client | None, Provider | None]:
        if sent in self._ambiguous:
            fault = f"two providers know a client `{sent}`: send the client's name in the policy set"
            raise RequestInvalid([FieldError("/client/id", fault)])
        return self._clients.get(sent) or (None, self._default_provider)

    def _add_network(self, values: dict[str, FactValue], request: DecideRequest) -> None:
        known = None if request.network_ip is None else normalise_address(request.network_ip)
        if known is None:
            text, zones = "", _UNKNOWN
        else:
            address, text = known
            zones = self._zones.zones_of(address)
        values["network.ip"], values["network.zones"], values["network.trusted"] = text, zones.names, zones.trusted
        country, asn = request.network_country, request.network_asn
        if self._geography is not None:
            place = self._geography.whereabouts_of(text)
            country = place.country if country is None else country
            asn = place.asn if asn is None else asn
        if country is not None:
            values["network.country"] = country
        if asn is not None:
            values["network.asn"] = asn

    def _add_attributes(self, values: dict[str, FactValue], request: DecideRequest) -> int:
        values.update(self._attribute_defaults)
        ignored = 0
        faults = []
        for name, sent in request.attributes.items():
            kind = self._attribute_types.get(name)
            if kind is None:
                ignored += 1
                continue
            try:
                values[ATTRIBUTE_PREFIX + name] = attribute_value(sent, kind)
            except ValueError as wrong:
                pointer = "/attributes/" + name.replace("~", "~0").replace("/", "~1")
                faults.append(FieldError(pointer, str(wrong)))
        if faults:
            raise RequestInvalid(faults)
        return ignored


def default_provider(policy: CheckedPolicy) -> Provider | None:
    """Where a client logs in that names no provider: the one of `defaults`, else the only one, else None."""
    if policy.defaults.provider is not None:
        return policy.providers[policy.defaults.provider]
    return next(iter(policy.providers.values())) if len(policy.providers) == 1 else None


def attribute_value(sent: Json, kind: FactType) -> FactValue:
    """An attribute as the set declares it; an integer will do for a double.

    Raises:
        ValueError: it is of another type; the message says which was expected.
    """
    if kind is FactType.TIMESTAMP and isinstance(sent, str):
        at = parse_timestamp(sent)
        if at is None:
            raise ValueError("expected an RFC 3339 timestamp with its zone")
        return at
    try:
        value = fact_from_json(sent, kind)
    except ValueError:
        raise ValueError(f"expected {_WORDS[kind]}, as the policy set declares it") from None
    if kind is FactType.INT and isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("an integer beyond 64 bits")
    return value


_WORDS: Final = {
    FactType.STRING: "a string",
    FactType.BOOL: "true or false",
    FactType.INT: "an integer",
    FactType.DOUBLE: "a number",
    FactType.TIMESTAMP: "an RFC 3339 timestamp",
    FactType.DURATION: "whole seconds",
    FactType.STRING_LIST: "a list of strings",
}


def _add_present(values: dict[str, FactValue], request: DecideRequest) -> None:
    """Add what the caller sent of the facts that may be absent; an absent fact has no entry."""
    if request.user_id is not None:
        values["user.id"] = request.user_id
    if request.user_domain is not None:
        values["user.domain"] = request.user_domain
    if request.user_groups is not None:
        values["user.groups"] = request.user_groups
    if request.browser_id is not None:
        values["browser.id"] = request.browser_id
    if request.device_managed is not None:
        values["device.managed"] = request.device_managed
    if request.device_platform is not None:
        values["device.platform"] = request.device_platform
    if request.device_user_agent is not None:
        values["device.user_agent"] = request.device_user_agent
    if request.session_level is not None:
        values["session.level"] = request.session_level
    if request.session_age_seconds is not None:
        values["session.age"] = timedelta(seconds=request.session_age_seconds)
    if request.max_age_seconds is not None:
        values["request.max_age"] = request.max_age_seconds
