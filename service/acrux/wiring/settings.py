"""The settings of one node, as `acrux serve` gives them. Values only; flags and files are the command line's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rate:
    """A quota: so many a second in the long run, and so many at once (`burst`, at least one)."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class AdapterQuotas:
    """The limits of the redirect adapter's endpoints in each worker; None: no limit of that kind.

    Attributes:
        sign_ins_by_address, sign_ins_by_client: of authorization requests, and of discovery documents by themselves.
        tokens_by_address, tokens_by_client: of token requests.
        places: how many requests of each kind are worked on at once.
    """

    # People behind one address come in bursts; a relying party's server asks for all of its users.
    sign_ins_by_address: Rate | None = Rate(20, 100)
    sign_ins_by_client: Rate | None = Rate(100, 400)
    tokens_by_address: Rate | None = Rate(50, 200)
    tokens_by_client: Rate | None = Rate(100, 400)
    places: int = 64


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How one node serves (http-api.md, "Serving"; each is a flag, an `ACRUX_*` setting and a line of the TOML file).

    Attributes:
        policies: the policy directory.
        state: what is local to the node: spool, last good policy, cached tokens, the service key by default.
        database_url: `sqlite:///path` or `postgresql://...`.
        host, port: where to listen; port 0 picks a free one.
        workers: how many worker processes serve.
        durability: what a 200 promises (decision-log.md).
        on_log_failure: what callers may do when a record can't be made durable.
        service_key_file: the service's key; nodes of one service share it.
        cel_engine: the engine that decides.
        watch: reload on edits in place too, for development.
        migrate: whether to migrate the database at start; without, an old schema is refused.
        metrics_public: whether `/metrics` answers without a token.
        decision_ttl_seconds: how long a decision may be used.
        trusted_proxies: networks of the proxies whose word on the user's address counts, for the redirect adapter.
        proxy_header: the one header that they write.
        public_url: where browsers and relying parties reach this service; None: as each request says.
        help_desk: a sentence for the pages that users see.
        quotas: the redirect adapter's limits.
        geoip_country, geoip_asn: MaxMind-format files that say where addresses are; without one its fact is absent.
        show_token: print the first operator token, since a person is looking.
    """

    policies: Path
    state: Path
    database_url: str
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    durability: Literal["spool", "database"] = "spool"
    on_log_failure: Literal["refuse", "ceiling"] = "refuse"
    service_key_file: Path = Path(".acrux/service-key")
    cel_engine: str = "google"
    watch: bool = False
    migrate: bool = True
    metrics_public: bool = False
    decision_ttl_seconds: int = 600
    trusted_proxies: tuple[str, ...] = ()
    proxy_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    public_url: str | None = None
    help_desk: str = ""
    quotas: AdapterQuotas = field(default_factory=AdapterQuotas)
    geoip_country: Path | None = None
    geoip_asn: Path | None = None
    show_token: bool = False
