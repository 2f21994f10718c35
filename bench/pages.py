"""The page that the long comparison writes."""

from __future__ import annotations

from collections.abc import Sequence

METHOD = """\
## Method
- Postfix hands mail to Dovecot by LMTP, 20 at a time; no content filter and no queue tuning beside
  it; submission logs in through Dovecot. Dovecot keeps login processes and reuses IMAP processes;
  hibernation is off. Pillarbox is `pillarbox demo`: its defaults, in one process (the column of
  workers: in several), with passwords that are cheap to check, as Dovecot's static ones are.
- The servers run one after the other, all of them in each round, on the same seeded mail. Both
  answer only when the mail is synced; the count of syncs is below.
- The load is two processes on uvloop that follow scripts (`bench/crowd.py`), on the same cores.
  MAIL, RCPT and DATA leave in one packet. One row is Postfix's own smtp-source instead, in C, which
  sends one command a round trip. Every answer is checked. Commands on a whole mailbox are one
  client's.
- Accept ends with the last 250; visible when STATUS counts all. Milliseconds are for the whole
  mailbox in one command, the best of three or four where it can be said again. "First time after
  delivery" asks each third of the mailbox for one thing and multiplies by three.
- IDLE latency runs from the last octet of a message in SMTP to `EXISTS`, accepting and its sync
  included. Memory is the sum of proportional shares (PSS) while so many idle, on a server that has
  served nobody before, divided by their number. Disk is what lies there after an orderly stop,
  with messages of all sizes (half above 8 KB, one of five with a picture).
- The mixed day: 20 deliveries a second to twenty people who each idle twice, ten others who look
  for news every second.
- Start-up of Pillarbox includes a certificate authority and 60 accounts; Postfix and Dovecot make
  the authority only. Memory at 1,000 and 5,000 and the whole minute of a mixed day are measured in
  the first round only.
- CPU is user and system time of all processes of the server."""


def page(head: str, picture: str, table: Sequence[str], syncs: Sequence[str]) -> str:
    """Markdown."""
    parts = [
        "# Pillarbox beside Postfix + Dovecot, the long form",
        head,
        f"![Our ratio to the better rival, a tick at the goal]({picture})",
        "\n".join(table),
        METHOD,
        "## Syncs to disk\n200 messages of 4 KB over 20 connections, by `strace -f -c`:\n",
        "\n".join(syncs) if syncs else "not counted: there is no strace here",
    ]
    return "\n\n".join(parts) + "\n"
