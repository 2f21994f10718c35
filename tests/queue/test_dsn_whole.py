"""A whole report, octet for octet, as the one who wrote gets it."""

from __future__ import annotations

from dataclasses import replace

from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Recipient, Sender
from pillarbox.queue.dsn import Fate, Frame, report
from support.people import envelope

FRAME = Frame("mail.example.test", 1_700_000_000.0, "id@mail.example.test", "b")
ORIGINAL = b"From: ann@x.test\r\nSubject: hello\r\n\r\nbody\r\n"
WHOLE = """\
From: Mail delivery <postmaster@mail.example.test>
To: ann@x.test
Subject: Your message could not be delivered
Date: Tue, 14 Nov 2023 22:13:20 +0000
Message-ID: <id@mail.example.test>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain; charset=us-ascii
Content-Transfer-Encoding: 7bit

This is the mail system at mail.example.test, about a message that you sent.

  Subject: hello

It could not be delivered to:

  bob@y.test
    mx.y.test said: 550 5.1.1 No such user
    Check the address for typing errors, or ask the recipient for the right one.

It has not been delivered yet to the following; there is no need to send it again:

  cy@z.test
    The reason: 451 4.4.1 z.test:25: no answer
    It will be tried until Sun, 19 Nov 2023 13:20:00 +0000.

It was passed on to the servers of the following, which send no receipts:

  dee@v.test

It was passed on to all behind the following, of whom you hear only troubles:

  team@x.test

This is about nobody else whom you wrote to.

--b
Content-Type: message/delivery-status
Content-Transfer-Encoding: 7bit
Content-Description: Delivery report

Original-Envelope-Id: our id
Reporting-MTA: dns; mail.example.test
Received-From-MTA: dns; mx.elsewhere.test
Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000

Original-Recipient: rfc822;Bob@y.test
Final-Recipient: rfc822; bob@y.test
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.y.test
Diagnostic-Code: smtp; 550 5.1.1 No such user
Last-Attempt-Date: Tue, 14 Nov 2023 22:13:20 +0000

Final-Recipient: rfc822; cy@z.test
Action: delayed
Status: 4.4.1
Diagnostic-Code: X-Pillarbox; 451 4.4.1 z.test:25: no answer
Last-Attempt-Date: Tue, 14 Nov 2023 22:13:20 +0000
Will-Retry-Until: Sun, 19 Nov 2023 13:20:00 +0000

Final-Recipient: rfc822; team@x.test
Action: expanded
Status: 2.1.5
Last-Attempt-Date: Tue, 14 Nov 2023 22:13:20 +0000

Final-Recipient: rfc822; dee@v.test
Action: relayed
Status: 2.0.0
Remote-MTA: dns; mx.v.test
Diagnostic-Code: smtp; 250 2.0.0 ok 17
Last-Attempt-Date: Tue, 14 Nov 2023 22:13:20 +0000

--b
Content-Type: message/rfc822
Content-Transfer-Encoding: 7bit
Content-Description: Your message

From: ann@x.test
Subject: hello

body

--b--
"""


def test_four_fates_in_one_report() -> None:
    bob = Recipient(Address("bob", "y.test"), orcpt="rfc822;Bob@y.test")
    fates = [
        Fate(bob, "failed", Reply(550, "5.1.1", "No such user"), "bob@y.test", "mx.y.test"),
        Fate(
            Recipient(Address("cy", "z.test")),
            "delayed",
            Reply(451, "4.4.1", "z.test:25: no answer"),
            "cy@z.test",
            until=1_700_400_000.0,
        ),
        Fate(
            Recipient(Address("team", "x.test")),
            "expanded",
            Reply(250, "2.1.5", "ok"),
            "team@x.test",
        ),
        Fate(
            Recipient(Address("dee", "v.test")),
            "relayed",
            Reply(250, "2.0.0", "ok 17"),
            "dee@v.test",
            "mx.v.test",
        ),
    ]
    sender = Sender(Address("ann", "x.test"), envid="our id", ret="FULL")
    env = replace(envelope(*(fate.recipient for fate in fates)), sender=sender)
    raw = report(env, fates, ORIGINAL, whole=True, frame=FRAME)
    assert raw.decode("ascii") == WHOLE.replace("\n", "\r\n")
