"""The three servers of other authors, each configured to be a plain neighbour.

Each takes mail for its own domains into a maildir, sends mail for example.test to us with TLS, and
turns ``back@`` of its domain round to ann@example.test.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.boxed import Box, boxed

HOME = "example.test"
OURS = "mail.example.test"


@dataclass(frozen=True)
class Place:
    """Where everyone is. ``port`` is of all servers; ours is ``home``; ``names`` a resolver's IP
    address (port 53)."""

    port: int
    home: int
    names: str
    ca: bytes
    certificate: bytes
    key: bytes
    """Of every neighbour."""

    def etc(self) -> dict[str, str | bytes]:
        return {
            "resolv.conf": f"nameserver {self.names}\noptions trust-ad edns0\n",
            "peer/ca.pem": self.ca,
            "peer/cert.pem": self.certificate,
            "peer/key.pem": self.key,
            "ssl/cert.pem": self.ca,
            "ssl/certs/ca-certificates.crt": self.ca,
        }


_MAIN = """\
compatibility_level = 3.6
maillog_file = /dev/stdout
myhostname = mx.postfix.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = all
inet_protocols = ipv4
message_size_limit = 60000000
mailbox_size_limit = 0
smtpd_recipient_limit = 2000
smtpd_tls_security_level = may
smtpd_tls_cert_file = /etc/peer/cert.pem
smtpd_tls_key_file = /etc/peer/key.pem
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
smtputf8_enable = yes
virtual_mailbox_domains = regexp:{{ {{/^example\\.test$$/ DUNNO}}, {{/./ yes}} }}
virtual_mailbox_base = /srv
virtual_mailbox_maps = static:all/
virtual_mailbox_limit = 0
virtual_uid_maps = static:{keeper}
virtual_gid_maps = static:{keeper}
virtual_alias_maps = inline:{{ {{ back@postfix.test = ann@example.test }} }}
transport_maps = inline:{{ {{ example.test = smtp:[mail.example.test]:{home} }} }}
smtp_dns_support_level = dnssec
smtp_tls_security_level = {level}
smtp_tls_CAfile = /etc/peer/ca.pem
smtp_tls_loglevel = 1
smtp_host_lookup = dns
queue_run_delay = 5s
minimal_backoff_time = 5s
"""
_MASTER = """\
{address}:{port} inet n - n - - smtpd
{narrow}:{port} inet n - n - - smtpd
  -o smtpd_discard_ehlo_keywords=8bitmime,smtputf8,chunking,dsn,size,pipelining
{plain}:{port} inet n - n - - smtpd
  -o smtpd_tls_security_level=none
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@contextlib.contextmanager
def postfix(
    directory: Path, place: Place, address: str, narrow: str, plain: str, *, level: str = "dane"
) -> Iterator[Box]:
    """At ``address``; at ``narrow`` without most extensions, at ``plain`` without TLS.

    ``level``: what TLS it wants with us (smtp_tls_security_level).
    """
    words = {
        "address": address,
        "narrow": narrow,
        "plain": plain,
        "port": place.port,
        "home": place.home,
        "keeper": 7104,
        "level": level,
    }
    files = {
        **place.etc(),
        "postfix/main.cf": _MAIN.format_map(words),
        "postfix/master.cf": _MASTER.format_map(words),
    }
    command = (
        "mkdir -p /var/lib/postfix /var/spool/postfix; chown postfix /var/lib/postfix;"
        " exec postfix start-fg"
    )
    with boxed("postfix", directory, files, command, (address, place.port)) as box:
        yield box


_EXIM = """\
primary_hostname = mx.exim.test
local_interfaces = {address}
daemon_smtp_ports = {port}
log_file_path = /srv/%s.log
spool_directory = /var/spool/exim4
exim_user = Debian-exim
exim_group = Debian-exim
never_users = root
tls_advertise_hosts = *
tls_certificate = /srv/exim-cert.pem
tls_privatekey = /srv/exim-key.pem
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
pipelining_advertise_hosts = *
message_size_limit = 60M
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
recipients_max = 2000
remote_max_parallel = 5
queue_run_max = 2
dns_dnssec_ok = 1
log_selector = +tls_peerdn +tls_sni +tls_certificate_verified +smtp_protocol_error +dnssec
begin acl
rcpt:
  deny local_parts = nobody
       message = There is nobody, has never been
  accept
begin routers
back:
  driver = redirect
  local_parts = back
  domains = exim.test
  data = ann@example.test
home:
  driver = manualroute
  domains = example.test
  transport = out
  route_list = example.test mail.example.test bydns
  dnssec_request_domains = *
  self = send
kept:
  driver = accept
  transport = keep
begin transports
out:
  driver = smtp
  port = {home}
  hosts_require_tls = *
  {dane} = *
  dnssec_request_domains = *
  tls_verify_certificates = /etc/peer/ca.pem
  hosts_try_chunking = *
keep:
  driver = appendfile
  maildir_format
  directory = /srv/all
  create_directory
  user = keeper
  group = keeper
  mode = 0666
  delivery_date_add
  envelope_to_add
  return_path_add
begin retry
* * F,1h,5s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{us}}}}{{eq{{$auth3}}{{sesame}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_in_cipher}}
"""


@contextlib.contextmanager
def exim(directory: Path, place: Place, address: str, *, dane: bool = True) -> Iterator[Box]:
    """``dane``: insist on it when sending to us, else try it."""
    words = {
        "address": address,
        "port": place.port,
        "home": place.home,
        "dane": "hosts_require_dane" if dane else "hosts_try_dane",
    }
    files = {**place.etc(), "exim4/exim4.conf": _EXIM.format_map(words)}
    command = (
        "mkdir -p /var/spool/exim4/db /var/spool/exim4/input /var/spool/exim4/msglog;"
        " chown -R Debian-exim:Debian-exim /var/spool/exim4;"
        " cp /etc/peer/cert.pem /srv/exim-cert.pem; cp /etc/peer/key.pem /srv/exim-key.pem;"
        " chmod 644 /srv/exim-*.pem; exec exim4 -bdf -q5s"
    )
    with boxed("exim4-daemon-light", directory, files, command, (address, place.port)) as box:
        yield box


_SMTPD = """\
pki mx.smtpd.test cert "/run/cert.pem"
pki mx.smtpd.test key "/run/key.pem"
listen on {address} port {port} tls pki mx.smtpd.test hostname mx.smtpd.test
smtp max-message-size 60M
smtp limit max-rcpt 2000
table kept {{ "back@smtpd.test" = "ann@example.test", "@" = "keeper" }}
action "keep" maildir "/srv/all" virtual <kept>
action "home" relay host "smtp+tls://mail.example.test:{home}" helo mx.smtpd.test
match from any for domain "example.test" action "home"
match from any for any action "keep"
"""


@contextlib.contextmanager
def opensmtpd(directory: Path, place: Place, address: str) -> Iterator[Box]:
    """It checks our certificate by its authority. The STARTTLS that it offers itself cannot work:
    it was written for an OpenSSL older than Debian's, and breaks off every handshake."""
    words = {"address": address, "port": place.port, "home": place.home}
    files = {
        **place.etc(),
        "smtpd.conf": _SMTPD.format_map(words),
        "hosts": f"127.0.0.1 localhost {OURS}\n",
    }
    command = (
        "mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty; chmod 711 /var/spool/smtpd;"
        " cp /etc/peer/*.pem /run; chmod 600 /run/key.pem;"
        " exec smtpd -d -f /etc/smtpd.conf"
    )
    with boxed("opensmtpd", directory, files, command, (address, place.port)) as box:
        yield box
