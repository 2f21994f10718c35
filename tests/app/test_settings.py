"""Every key of the configuration reaches a room, and SIGHUP changes what it says it changes."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from pillarbox.app.doors import KINDS
from pillarbox.app.internet import dns_options
from pillarbox.app.reload import LIVE, changed, merged
from pillarbox.app.sending import send_options, smarthost
from pillarbox.app.settings import connection_options, password_options, settings
from pillarbox.base.errors import Misuse
from pillarbox.config.load import parse
from pillarbox.config.schema import SECTIONS, Config, Listen
from pillarbox.model.transaction import Role
from pillarbox.net.dnsclient import Server
from pillarbox.outbound.options import Level, Login, Relay
from pillarbox.policy.inbound.options import Obey, OnFail
from pillarbox.wire.smtp.options import BareNewline
from support.tree import PACKAGE

CLOSED = "[listen]\nsmtps = []\nimaps = []\npop3s = []\n"


def keys() -> list[str]:
    return [
        f"{name}.{field.name}"
        for name, section in SECTIONS.items()
        for field in dataclasses.fields(section)
    ]


@pytest.mark.parametrize("key", [key for key in keys() if not key.startswith("listen.")])
def test_every_key_is_read(key: str) -> None:
    text = "".join(path.read_text() for path in sorted((PACKAGE / "app").glob("*.py")))
    assert re.search(rf"\.{key.partition('.')[2]}\b", text), f"nothing in app reads {key}"


def test_every_door_can_be_configured() -> None:
    assert set(KINDS) == {field.name for field in dataclasses.fields(Listen)}


def test_values_arrive_where_they_are_meant() -> None:
    config = parse(
        CLOSED
        + """
[server]
hostname = "mail.example.org"
postmaster = "ann@example.org"
[mail]
max_message_size = "10M"
max_recipients = 200
max_hops = 30
detail_separator = "-"
detail_to_mailbox = false
bare_newline = "normalise"
queue_expire = "2d"
queue_warn = "1h"
[send]
enabled = false
resolvers = ["127.0.0.1:5353"]
smarthost = "relay.example:2525"
smarthost_tls = "implicit"
sources = ["192.0.2.9"]
ipv6 = false
dane = false
mta_sts = false
concurrency = 7
per_destination = 2
pace = "3s"
[imap]
mask = ["UIDONLY", "imaps:COMPRESS=DEFLATE"]
mask_clients = ["Some Program: QRESYNC NOTIFY"]
contexts = 3
message_limit = 2000
save_limit = 1500
literal_minus = true
jmap_url = "https://mail.example.org/jmap"
contact = "mailto:ann@example.org"
progress = "2s"
[checks]
trusted = ["192.0.2.0/24"]
dmarc = "junk"
spf_fail = "accept"
sealers = ["fwd.example"]
lists = ["Bücher.example"]
deadline = "3s"
questions = 40
[limits]
smtp_timeout = "1m"
imap_timeout = "31m"
pop3_timeout = "11m"
login_timeout = "30s"
write_timeout = "7s"
pop3_login_delay = "5s"
[auth]
failures = 3
lockout = "1h"
argon2_memory = 1024
argon2_time = 3
scram_iterations = 5000
cleartext_on_loopback = false
"""
    )
    made = settings(config)
    inbound = made.inbound
    assert inbound is not None
    assert inbound.trusts("192.0.2.77")
    assert not inbound.trusts("127.0.0.1")
    assert (inbound.dmarc, inbound.spf_fail) == (Obey.JUNK, OnFail.ACCEPT)
    assert (inbound.sealers, inbound.lists) == ({"fwd.example"}, {"xn--bcher-kva.example"})
    assert (inbound.deadline, inbound.questions, inbound.server) == (3, 40, "mail.example.org")
    assert made.route.postmaster == "ann@example.org"
    assert made.route.detail_separator == made.send_as.detail_separator == "-"
    assert not made.accept.detail_to_mailbox
    assert made.accept.max_hops == 30
    assert made.runner.policy.expire == 2 * 86400
    assert made.runner.policy.warn == 3600
    assert (made.runner.concurrency, made.runner.per_destination, made.runner.pace) == (7, 2, 3)
    assert not made.route.remote
    leaving = send_options(config)
    assert leaving.relays == {
        "*": Relay("relay.example", 2525, implicit_tls=True, level=Level.VERIFIED)
    }
    assert leaving.sources == {"*": ("192.0.2.9",)}
    assert (leaving.ipv6, leaving.dane, leaving.mta_sts) == (False,) * 3
    assert dns_options(config).servers == (Server("127.0.0.1", 5353),)
    assert not made.login.cleartext_on_loopback
    assert (made.lockout.pair_failures, made.lockout.pair_seconds) == (3, 3600)
    roles = {door: options.engine.role for door, options in made.smtp.items()}
    assert roles == {
        "smtp": Role.MX,
        "submission": Role.SUBMISSION,
        "smtps": Role.SUBMISSION,
        "lmtp": Role.LMTP,
    }
    assert made.smtp["smtp"].engine.newline is BareNewline.NORMALISE
    for options in made.smtp.values():
        assert options.engine.hostname == "mail.example.org"
        assert options.engine.max_size == 10 << 20
        assert options.engine.max_recipients == 200
        assert (options.timeout, options.login_timeout) == (60, 30)
    clear, tls = made.imap["imap"], made.imap["imaps"]
    assert (clear.masked, tls.masked) == ({"UIDONLY"}, {"UIDONLY", "COMPRESS=DEFLATE"})
    assert clear.client_masks == (("Some Program", {"QRESYNC", "NOTIFY"}),)
    assert (clear.contexts, clear.message_limit, clear.save_limit) == (3, 2000, 1500)
    assert clear.engine.literal_minus
    assert (clear.jmap_url, clear.contact) == (
        "https://mail.example.org/jmap",
        "mailto:ann@example.org",
    )
    assert clear.progress == 2
    assert made.imap["imap"].engine.append == 10 << 20
    assert (made.imap["imaps"].timeout, made.imap["imaps"].login_timeout) == (31 * 60, 30)
    assert (made.pop3.timeout, made.pop3.login_timeout, made.pop3.login_delay) == (660, 30, 5)
    assert made.pop3.hostname == "mail.example.org"
    costs = password_options(config)
    assert (costs.memory, costs.passes, costs.scram_iterations) == (1024, 3, 5000)
    for door, silence in (("imaps", 31 * 60), ("pop3", 660), ("smtps", 60), ("lmtp", 60)):
        options_ = connection_options(config, door)
        assert (options_.timeout, options_.write_timeout) == (silence, 7)


@pytest.mark.parametrize(
    "text",
    [
        'smarthost = "relay.example"',
        'sources = ["here"]',
        'resolvers = ["dns.example"]',
        'smarthost = "r:25"\nsmarthost_user = "ann"',
        'smarthost = "r:25"\nsmarthost_user = "ann"\nsmarthost_password = "/nowhere/at/all"',
    ],
)
def test_what_cannot_be_sent_by_is_said(text: str) -> None:
    config = parse(CLOSED + f"[send]\n{text}\n")
    with pytest.raises(Misuse):
        (send_options(config), dns_options(config))


def test_exceptions_among_ways_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("sesame\n")
    text = f"""
[send]
smarthost = "r:25"
[[send.routes]]
to = ["Inner.Example"]
relay = "lmtp://10.0.0.1"
[[send.routes]]
to = ["near.example"]
relay = "direct"
[[send.routes]]
from = ["Ann@Example.org", "example.net"]
relay = "smtps://out.example"
user = "ann"
password = "{secret}"
[[send.routes]]
from = ["example.net"]
sources = ["192.0.2.7", "2001:db8::7"]
"""
    options = send_options(parse(CLOSED + text))
    out = Relay("out.example", 465, False, True, Level.VERIFIED, Login("ann", "sesame"))
    assert options.relays["inner.example"] == Relay("10.0.0.1", 24, lmtp=True)
    assert options.relays["near.example"] is None
    assert options.sender_relays == {"ann@example.org": out, "example.net": out}
    assert options.sources == {"example.net": ("192.0.2.7", "2001:db8::7")}


@pytest.mark.parametrize(
    "table",
    [
        'relay = "x"', 'to = ["a"]\nfrom = ["b"]\nrelay = "x"', 'to = ["a"]', 'too = ["a"]',
        'to = ["a"]\nsources = ["192.0.2.1"]', 'from = ["a"]\nsources = ["x"]',
    ],
)  # fmt: skip
def test_exceptions_that_say_nothing(table: str) -> None:
    with pytest.raises(Misuse, match=r"send\.routes must be"):
        parse(CLOSED + f"[send]\n[[send.routes]]\n{table}\n")


def test_a_smarthost_with_a_password(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("pencil\n")
    text = f'smarthost = "r:25"\nsmarthost_user = "ann"\nsmarthost_password = "{secret}"\n'
    relay = smarthost(parse(CLOSED + "[send]\n" + text))
    assert relay is not None
    assert relay.login == Login("ann", "pencil")
    assert smarthost(parse(CLOSED)) is None


def test_mx_refuses_bare_newlines_unless_told() -> None:
    made = settings(parse(CLOSED))
    assert made.smtp["smtp"].engine.newline is BareNewline.REFUSE
    assert made.smtp["submission"].engine.newline is BareNewline.NORMALISE


def test_only_what_may_change_changes() -> None:
    assert set(keys()) >= LIVE
    old = parse(CLOSED + '[limits]\nconnections = 5\n[server]\nhostname = "a.example"\n')
    new = parse(CLOSED + '[limits]\nconnections = 9\n[server]\nhostname = "b.example"\n')
    assert changed(old, new) == ["server.hostname", "limits.connections"]
    config, waiting = merged(old, new)
    assert config.limits.connections == 9
    assert config.server.hostname == "a.example"
    assert waiting == ["server.hostname"]
    assert merged(old, old) == (old, [])


def test_a_first_certificate_waits_for_a_restart() -> None:
    old = parse(CLOSED)
    new = parse('[tls]\ncertificate = "/c.pem"\nkey = "/k.pem"\n' + CLOSED)
    config, waiting = merged(old, new)
    assert config == old
    assert "tls.certificate" in waiting
    later = parse('[tls]\ncertificate = "/d.pem"\nkey = "/k.pem"\n' + CLOSED)
    config, waiting = merged(new, later)
    assert config.tls.certificate == Path("/d.pem")
    assert not waiting


def test_the_operations_paper_names_what_a_reload_changes() -> None:
    paper = (PACKAGE.parents[1] / "docs" / "operations.md").read_text("utf-8")
    missing = [key for key in LIVE if not key.startswith("tls.") and f"`{key}`" not in paper]
    assert not missing


def test_the_default_configuration_has_options() -> None:
    assert settings(Config()).smtp["smtp"].engine.hostname == "localhost"
