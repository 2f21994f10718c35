"""What `pillarbox dns` prints, put into a real name server, and found again by --check."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from pillarbox.app.house import House
from pillarbox.app.internet import Internet
from pillarbox.config.checks import Bind
from pillarbox.net.certs import DemoCa
from support import names
from support.names import Zone, free_port
from support.whole import configuration, memory_store

os.environ["PATH"] = names.PATH

pytestmark = [pytest.mark.needs("nsd", "unbound"), pytest.mark.slow]
HOST = "mail.example.test"


def zone_of(records: list[dict[str, str]]) -> str:
    lines = [f"{one['name']}. {one['type']} {one['value']}" for one in records]
    return "\n".join([*lines, "mail A 127.0.0.1", ""])


def worst(value: dict[str, Any]) -> list[tuple[str, str]]:
    """Harm and record of everything that is not fine, in the order it is said."""
    return [(one["harm"], one["record"]) for one in value["findings"] if one["harm"] != "none"]


async def test_published_as_printed_and_then_damaged(tmp_path: Path) -> None:
    port, resolver = free_port(), free_port()
    ca = DemoCa()
    for name, pem in zip(("c", "k"), ca.issue([HOST, "mta-sts.example.test"]), strict=True):
        (tmp_path / name).write_bytes(pem)
    config = configuration(
        tmp_path / "house",
        server={"hostname": HOST},
        listen={"https": (Bind("127.0.0.1", port),), "imap": (), "imaps": (Bind("127.0.0.1", 0),)},
        tls={"certificate": tmp_path / "c", "key": tmp_path / "k"},
        send={"enabled": True, "resolvers": (f"127.0.0.1:{resolver}",)},
        http={"url": f"https://{HOST}", "mta_sts": "enforce"},
    )
    internet = Internet(https=port, loopback=True, ca=ca.pem)
    async with House(config, opener=memory_store, internet=internet) as house:
        await house.admin.call("domain.add", {"name": "example.test"})
        await house.admin.call("domain.keys", {"name": "example.test"})
        records = (await house.admin.call("dns.records", {"name": "example.test"}))["records"]
        back = Zone("1.0.0 PTR mail.example.test.\n")
        good = zone_of(records)
        ours = [one["record"] for one in (await _keys(house))]
        rsa = next(one for one in ours if "k=rsa" in one)
        damaged = (
            good.replace(f"10 {HOST}.", "10 mail.elsewhere.test.")
            .replace("v=spf1 mx -all", "v=spf1 -all")
            .replace(rsa[:60], rsa[:56] + "AAAA")
            .replace("v=DMARC1; p=none", "v=DMARC1; p=whatever")
            .replace("_submissions._tcp.example.test. SRV 0 1", "_submissions._tcp SRV 0 1 1")
        )
        damaged = re.sub(r"TLSA 3 1 1 [0-9a-f]+", "TLSA 3 1 1 " + "0" * 64, damaged)
        found = []
        for number, (text, signed) in enumerate([(good, True), (damaged, True), (good, False)]):
            folder = tmp_path / f"names{number}"
            folder.mkdir()
            zones = {
                "example.test": Zone(text, signed=signed),
                "127.in-addr.arpa": back if number == 0 else Zone("@ TXT nothing\n"),
            }
            with names.serve(folder, zones, port=resolver):
                found.append(await house.admin.call("dns.check", {"name": "example.test"}))
    right, wrong, unsigned = found
    assert right["ok"]
    assert worst(right) == [("open", "TXT _dmarc.example.test")]  # p=none asks nobody for anything
    assert not wrong["ok"]
    harms = worst(wrong)
    assert harms == sorted(
        harms, key=lambda one: ["lost", "refused", "open", "comfort"].index(one[0])
    )
    assert ("lost", "MX example.test") in harms
    assert ("lost", f"TLSA _25._tcp.{HOST}") in harms
    assert ("refused", "PTR 127.0.0.1") in harms
    assert ("refused", "TXT example.test") in harms
    assert ("refused", "TXT _dmarc.example.test") in harms
    assert sum("_domainkey" in record for harm, record in harms if harm == "refused") == 1
    assert all(one["hint"] for one in wrong["findings"] if one["harm"] != "none")
    assert ("open", f"TLSA _25._tcp.{HOST}") in worst(unsigned)


async def _keys(house: House) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (await house.admin.call("domain.keys", {"name": "example.test"}))[
        "keys"
    ]
    return found
