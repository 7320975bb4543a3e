"""Whose address a login through the redirect adapter has: what a header says never lowers what is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from geoip_files import write_countries
from rp_bed import CAFE, MFA, OFFICE, Login, RpBed, target

from acrux.wiring.geography import Atlas
from acrux.wiring.geoip import GeoipFact, open_table

PROXY, OTHER_PROXY = "203.0.113.1", "203.0.113.2"
"""Proxies that stand in the trusted network, as they often do."""


@pytest.mark.parametrize(
    ("peer", "lines", "address"),
    [
        (PROXY, [CAFE], CAFE),
        (PROXY, [OFFICE], OFFICE),
        (PROXY, [f"{OFFICE}, {CAFE}"], CAFE),
        (PROXY, [OFFICE, CAFE], CAFE),
        (PROXY, [OFFICE, f"{CAFE}, {OTHER_PROXY}"], CAFE),
        (PROXY, [f"{CAFE}, {OFFICE}"], OFFICE),
        (f"::ffff:{PROXY}", [f"{OFFICE}, ::ffff:{CAFE}"], CAFE),
        (f"64:ff9b::{PROXY}", [f"{OFFICE}, 64:ff9b::{CAFE}"], CAFE),
        (PROXY, [f"{OFFICE}, [2001:DB8::1]:443"], "2001:db8::1"),
        (PROXY, [f"{OFFICE}, 2002:cb00:7109::1"], "2002:cb00:7109::1"),
        # Nobody says whose login it is: a browser can have some proxies drop the header.
        (PROXY, [], ""),
        (PROXY, [""], ""),
        (PROXY, [OTHER_PROXY], ""),
        (PROXY, [f"{OFFICE},"], ""),
        (PROXY, [f"{OFFICE}, unknown"], ""),
        (PROXY, [f"{OFFICE}, _hidden"], ""),
        (PROXY, [f"{OFFICE}, 0xcb.0x0.0x71.0x9"], ""),
        (PROXY, [f"{OFFICE}, 203.0.113.009"], ""),
        (CAFE, [OFFICE], CAFE),
        ("2001:db8::1", [OFFICE], "2001:db8::1"),
        ("fe80::1%eth0", [OFFICE], "fe80::1"),
    ],
)
async def test_the_address_and_what_it_comes_to(tmp_path: Path, peer: str, lines: list[str], address: str) -> None:
    """Only an address in the office that a trusted proxy vouches for is let off; the record has the address."""
    rp = RpBed(tmp_path, trusted_proxies=(f"{PROXY}/32", f"{OTHER_PROXY}/32"))
    atlas = Atlas([open_table(write_countries(tmp_path / "c.mmdb"), GeoipFact.COUNTRY)])
    rp.replace(geography=atlas)
    rp.load(rp.files, atlas)
    async with rp.browser(peer) as browser:
        headers = [("x-forwarded-for", line) for line in lines] + [
            ("forwarded", f"for={OFFICE}"),
            ("x-real-ip", OFFICE),
        ]
        answer = await browser.get(f"/rp/jira/authorize?{Login().query()}", headers=headers)
    asked = target(answer)[1].get("acr_values")
    assert asked == (None if address == OFFICE else MFA)
    (record,) = rp.records("decision")
    facts = record["facts"]
    zones = {OFFICE: ["office"], "": ["unknown"]}.get(address, [])
    assert (facts["network.ip"], facts["network.zones"]) == (address, zones)
    assert facts["network.country"] == {CAFE: "DE", OFFICE: "CH", "2001:db8::1": "FR"}.get(address, "ZZ")
    assert "browser.id" not in facts
    rp.close()
