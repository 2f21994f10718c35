"""What the demo prints: ports, names, passwords, and lines to copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pillarbox.app.trial import Person

HOW = {
    "smtp": "mail from other servers; STARTTLS offered",
    "submission": "mail from users; STARTTLS, then login",
    "smtps": "mail from users; TLS from the first byte",
    "lmtp": "mail from a relay",
    "imap": "STARTTLS, then login",
    "imaps": "TLS from the first byte",
    "pop3": "STLS, then login",
    "pop3s": "TLS from the first byte",
    "sieve": "ManageSieve; STARTTLS, then login",
}
SHOWN = 3
"""Accounts that are listed; the others are counted."""


def page(
    name: str, ports: Mapping[str, int], people: Sequence[Person], ca: Path, data: Path
) -> Iterator[str]:
    """Lines for people."""
    yield f"A Pillarbox mail house for example.test, on {name} only."
    yield ""
    for door, port in ports.items():
        yield f"  {door:<12}{port:>6}   {HOW[door]}"
    yield ""
    width = max((len(person.address) for person in people[:SHOWN]), default=0)
    for person in people[:SHOWN]:
        yield f"  {person.address:<{width}}   password {person.password}"
    if len(people) > SHOWN:
        last = people[-1].address
        yield f"  and so on up to {last}, all with that password"
    yield ""
    yield f"  authority    {ca}"
    yield f"  data         {data}"
    yield ""
    yield "The authority is of the moment, and Argon2 is set so that checking a password costs"
    yield "nothing: for trying out only."


def recipes(
    name: str, ports: Mapping[str, int], sender: Person, reader: Person, ca: Path, told: str
) -> Iterator[str]:
    """Lines to copy. ``told``: the command that tells what happened to the reader's mail."""
    inbox = f"imaps://{name}:{ports['imaps']}/INBOX"
    pop3 = f"pop3s://{name}:{ports['pop3s']}"
    letter = (
        f"From: {sender.address}\\r\\nTo: {reader.address}\\r\\nSubject: hello\\r\\n\\r\\nHello!"
    )
    yield "Try it:"
    yield ""
    yield f"  export CURL_CA_BUNDLE={ca}"
    yield "  # send"
    yield f"  printf '{letter}\\r\\n' |"
    yield f"    curl --user {_login(sender)} --upload-file - --mail-from {sender.address} \\"
    yield f"    --mail-rcpt {reader.address} smtps://{name}:{ports['smtps']}"
    yield "  # list the inbox, and read the first message, by IMAP"
    yield f"  curl --user {_login(reader)} --request 'FETCH 1:* ENVELOPE' {inbox}"
    yield f"  curl --user {_login(reader)} '{inbox};MAILINDEX=1'"
    yield "  # the same by POP3"
    yield f"  curl --user {_login(reader)} {pop3}/"
    yield f"  curl --user {_login(reader)} {pop3}/1"
    yield "  # what happened to each message"
    yield f"  {told}"
    yield "  # in neomutt"
    user = reader.address.replace("@", "%40")
    yield f"  neomutt -n -F /dev/null -e 'set ssl_ca_certificates_file=\"{ca}\"' \\"
    yield f"    -e 'set from={reader.address} imap_user={reader.address}' \\"
    yield f"    -e 'set imap_pass={reader.password} smtp_pass={reader.password}' \\"
    yield f"    -e 'set smtp_url=smtps://{user}@{name}:{ports['smtps']}' \\"
    yield f"    -e 'set folder=imaps://{name}:{ports['imaps']} spoolfile=+INBOX record=+Sent'"
    yield ""
    yield "In Thunderbird and others: import the authority as one to trust, then set up an account"
    yield f"by hand: user name {reader.address}, its password as 'normal password', all SSL/TLS;"
    yield f"incoming {name} port {ports['imaps']} (IMAP) or {ports['pop3s']} (POP3), outgoing"
    yield f"{name} port {ports['smtps']}."


def _login(person: Person) -> str:
    return f"{person.address}:{person.password}"
