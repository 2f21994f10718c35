"""Signing keys and what to publish, as an operator asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.base.errors import Misuse
from support.whole import whole_house


async def test_keys_are_made_once_and_taken_over(tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann") as house:
        call = house.admin.call
        first = (await call("domain.keys", {"name": "example.test"}))["keys"]
        assert {one["algorithm"] for one in first} == {"rsa-sha256", "ed25519-sha256"}
        assert all(one["signs"] for one in first)
        assert (await call("domain.keys", {"name": "Example.TEST"}))["keys"] == first
        assert len(list((tmp_path / "data" / "dkim").rglob("*.pem"))) == 2
        with pytest.raises(Misuse, match="no domain"):
            await call("domain.keys", {"name": "other.test"})
        found = (await call("dns.records", {"name": "example.test"}))["records"]
        published = {(one["name"], one["type"]): one["value"] for one in found}
        assert published["example.test", "MX"].endswith(f" {house.config.server.hostname}.")
        for one in first:
            value = published[one["name"], "TXT"]
            assert value.replace('" "', "").strip('"') == one["record"]
            assert max(map(len, value.split('"'))) <= 255
        assert ("_dmarc.example.test", "TXT") in published
        assert ("_imaps._tcp.example.test", "SRV") in published
