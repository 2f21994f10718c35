"""The configuration file: what is taken, what is refused and how the refusal reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pillarbox.base.errors import Misuse
from pillarbox.config import document
from pillarbox.config.checks import Bind
from pillarbox.config.load import load, parse
from pillarbox.config.schema import SECTIONS

CLOSED = "[listen]\nsmtps = []\nimaps = []\npop3s = []\n"


def test_values_arrive_typed() -> None:
    config = parse(
        CLOSED + 'smtp = "127.0.0.1:2525"\n[mail]\nmax_message_size = "10M"\nretention = "2w"\n'
        '[server]\nhostname = "Mail.Example.ORG"\npostmaster = "Ann@Example.org"\n'
    )
    assert config.listen.smtp == (Bind("127.0.0.1", 2525),)
    assert config.mail.max_message_size == 10 * 1024 * 1024
    assert config.mail.retention == 14 * 86400
    assert config.server.hostname == "mail.example.org"
    assert config.server.postmaster == "ann@example.org"


def test_every_default_passes_its_own_check() -> None:
    for section in SECTIONS.values():
        section()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nhostnam = 'x'\n", ["x.toml:2", "server.hostnam", "did you mean hostname"]),
        ("\n[sever]\na = 1\n", ["x.toml:2", "[sever]", "did you mean server"]),
        ("[mail]\n\nmax_message_size = 'big'\n", ["x.toml:3", "mail.max_message_size", "50M"]),
        ("[mail]\nmax_recipients = 5\n", ["x.toml:2", "from 100 to 100000"]),
        ("[mail]\nmax_recipients = true\n", ["x.toml:2", "whole number"]),
        ("[listen]\nsmtp = 'mail:25'\n", ["x.toml:2", "listen.smtp", "0.0.0.0:25"]),
        ("[listen]\nsmtp = '127.0.0.1:99999'\n", ["x.toml:2", "listen.smtp"]),
        ("mail.retention = 'soon'\n", ["x.toml:1", "mail.retention", "30d"]),
        ("[tls]\ncertificate = '/c.pem'\n", ["x.toml:2", "go together"]),
        ("[listen]\nimap = []\n", ["need a certificate"]),
        ("[mail]\nsend_as = ['ann=x@y.test']\n", ["x.toml:2", "account=address", "ann=x@y.test"]),
        ("[mail]\nsend_as = ['ann@y.test=@']\n", ["x.toml:2", "account=address"]),
        ("[server\n", ["not valid TOML", "line 1"]),
        ("[log]\nlevel = 'loud'\n", ["x.toml:2", '"debug"']),
        ("[imap]\nmask = ['UIDONLI']\n", ["x.toml:2", "imap.mask", "not 'UIDONLI'"]),
        ("[imap]\nmask = ['IMAP4rev1']\n", ["imap.mask", "can be masked"]),
        ("[imap]\nmask = ['pop3:IDLE']\n", ["imap.mask", "not 'pop3:IDLE'"]),
        ("[imap]\nmask_clients = ['UIDONLY']\n", ["imap.mask_clients", "Outlook: UIDONLY"]),
        ("[imap]\nmessage_limit = 5\n", ["imap.message_limit", "from 1000 on"]),
        ("[imap]\njmap_url = 'http://x/'\n", ["imap.jmap_url", "https:"]),
        ("[server]\nhostname = '-bad-'\n", ["x.toml:2", "mail.example.org"]),
    ],
)
def test_mistakes_name_key_and_line(text: str, words: list[str]) -> None:
    with pytest.raises(Misuse) as caught:
        parse(text, "x.toml")
    for word in words:
        assert word in str(caught.value)


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(Misuse) as caught:
        parse("[mail]\nmax_hops = 1\n[log]\nlevel = 2\n")
    assert len(str(caught.value).splitlines()) == 2


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(Misuse) as caught:
        load(tmp_path / "none.toml")
    assert "pillarbox init" in caught.value.hint


def test_starter_file_loads_and_keeps_what_was_chosen() -> None:
    chosen = {
        ("server", "hostname"): "mail.example.org",
        ("listen", "imaps"): [],
        ("listen", "smtps"): [],
        ("listen", "pop3s"): [],
    }
    config = parse(document.starter(chosen))
    assert config.server.hostname == "mail.example.org"
    assert config.listen.imaps == ()


def test_reference_page_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "config.md"
    assert page.read_text("utf-8") == document.markdown(), "run: make docs"


def test_every_key_is_documented() -> None:
    for name, section in SECTIONS.items():
        for field in dataclasses.fields(section):
            assert len(field.metadata["doc"]) > 10, f"{name}.{field.name}"
