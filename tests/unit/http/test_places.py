"""Country and AS in the API: found out by the service, said in a what-if, recorded, shown by `/readyz`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from geoip_files import BUILT_AT, write_countries
from http_bed import NOW, POLICY, Bed

from acrux.wiring.geography import Atlas, GeoipFailure, GeoipState
from acrux.wiring.geoip import GeoipFact, open_table
from acrux.wiring.metrics import Metrics

ABROAD = b"""  - id: abroad
    description: Not from here.
    owner: soc@example.com
    when: client.id == "intranet" && (!("network.country" in known) || network.country != "DE")
    require: mfa
"""
SET = {"policy.yaml": POLICY["policy.yaml"] + ABROAD}
AT_HOME, ABROAD_IP = "198.51.100.9", "2001:db8::1"


@pytest.fixture
def placed(bed: Bed, tmp_path: Path) -> Bed:
    """An application with a file of countries."""
    atlas = Atlas([open_table(write_countries(tmp_path / "c.mmdb"), GeoipFact.COUNTRY)])
    atlas.states = {GeoipFact.COUNTRY: GeoipState("/copy", "GeoLite2-Country", BUILT_AT, NOW)}
    bed.replace(geography=atlas)
    bed.load(SET, atlas)
    return bed


async def test_decide_finds_out_the_country(placed):
    """The address alone decides; the record keeps the country; nobody can send one."""
    async with placed.client() as client:
        made = {
            ip: (await client.post("/v1/decisions", json={"client": "intranet", "network": {"ip": ip}})).json()
            for ip in (AT_HOME, ABROAD_IP, "nonsense")
        }
        forged = {"client": "intranet", "network": {"ip": ABROAD_IP, "country": "DE"}}
        refused = await client.post("/v1/decisions", json=forged)
        placed.ship()
        records = {ip: (await client.get(f"/v1/decisions/{one['decision_id']}")).json() for ip, one in made.items()}
    assert {ip: one["level"] for ip, one in made.items()} == {AT_HOME: "basic", ABROAD_IP: "mfa", "nonsense": "mfa"}
    assert {ip: one["facts"]["network.country"] for ip, one in records.items()} == {
        AT_HOME: "DE",
        ABROAD_IP: "FR",
        "nonsense": "ZZ",
    }
    assert "network.asn" not in records[AT_HOME]["facts"]
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"pointer": "/network/country", "message": "unknown field"}]


async def test_a_report_takes_no_country(placed):
    """What a caller reports after an outage is a Decide request: no country in it."""
    report = {
        "id": "x",
        "client": "intranet",
        "level": "mfa",
        "decided_at": "2026-11-24T08:00:00Z",
        "authorization_params": {},
        "accept": None,
        "reason": "down",
        "facts": {"client": "intranet", "network": {"country": "DE"}},
    }
    async with placed.client() as client:
        answer = await client.post("/v1/fallbacks", json={"decisions": [report]})
    assert answer.status_code == 422


@pytest.mark.parametrize("draft", [False, True])
async def test_what_if(placed, draft):
    """A what-if uses the service's files, for an unsaved set too, unless it says a country itself."""
    policy = {"policy": {name: text.decode() for name, text in SET.items()}} if draft else {}
    levels = {}
    async with placed.client() as client:
        for name, network in {
            "home": {"ip": AT_HOME},
            "abroad": {"ip": ABROAD_IP},
            "said": {"ip": ABROAD_IP, "country": "DE"},
            "wrong": {"country": "de"},
        }.items():
            body = {"facts": {"client": "intranet", "network": network}, **policy}
            answer = await client.post("/v1/explanations", json=body)
            levels[name] = answer.json()["decision"]["level"] if answer.status_code == 200 else answer.json()["errors"]
    message = "expected a country as ISO 3166-1 has it, two capital letters; `ZZ` where it is unknown"
    assert levels == {
        "home": "basic",
        "abroad": "mfa",
        "said": "basic",
        "wrong": [{"pointer": "/facts/network/country", "message": message}],
    }


async def test_readiness_shows_the_files(bed, placed):
    """With a token `/readyz` says which file says what, how old it is, and why a newer one was not taken."""
    async with placed.client("auditor") as client:
        shown = (await client.get("/readyz")).json()["geoip"]
        failure = GeoipFailure(NOW + timedelta(hours=1), "`c.mmdb` is no file")
        placed.services.geography.states = {
            GeoipFact.COUNTRY: GeoipState("/copy", "GeoLite2-Country", BUILT_AT, NOW, failure)
        }
        broken = await client.get("/readyz")
        bed.replace(geography=None)
        async with bed.client("auditor") as plain:
            without = (await plain.get("/readyz")).json()["geoip"]
    assert shown == {
        "country": {
            "type": "GeoLite2-Country",
            "built_at": "2026-11-20T00:00:00.000000Z",
            "loaded_at": "2026-11-24T08:00:00.123456Z",
            "failure": None,
        },
        "asn": None,
    }
    assert broken.status_code == 200
    assert broken.json()["geoip"]["country"]["failure"] == {
        "at": "2026-11-24T09:00:00.123456Z",
        "summary": "`c.mmdb` is no file",
    }
    assert "/copy" not in broken.text
    assert without == {"country": None, "asn": None}


def test_metrics_of_files():
    """Age, brokenness and failed look-ups are shown by fact."""
    metrics = Metrics()
    metrics.set_geoip(
        {
            GeoipFact.COUNTRY: GeoipState("c", "x", BUILT_AT, NOW, GeoipFailure(NOW, "y")),
            GeoipFact.ASN: GeoipState("a", "x", BUILT_AT, NOW),
        }
    )
    metrics.geoip_failed_lookups.update({GeoipFact.ASN: 3})
    metrics.flush()
    lines = metrics.render().decode().splitlines()
    for line in (
        'acrux_geoip_broken{fact="country"} 1.0',
        'acrux_geoip_broken{fact="asn"} 0.0',
        'acrux_geoip_built_timestamp_seconds{fact="asn"} 1.7951328e+09',
        'acrux_geoip_failed_lookups_total{fact="asn"} 3.0',
    ):
        assert line in lines
