"""Scripts over a message for one recipient: what the acceptor asks at each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pillarbox.delivery.sieve.chain import Chain
from pillarbox.delivery.sieve.hands import Hands
from pillarbox.delivery.sieve.making import Case, Making
from pillarbox.delivery.sieve.plan import Plan
from pillarbox.delivery.sieve.site import Named
from pillarbox.message.octets import readable
from pillarbox.model.address import parse_address
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.transaction import Envelope, Local
from pillarbox.model.verdict import UNJUDGED
from pillarbox.sieve.context import Context
from pillarbox.store.api import NewMessage

_HEAD = 256 * 1024
"""Octets of a message that are looked at for its header."""


_VIRUS = {"none": 1, "found": 5}
"""RFC 5235 §3.3; what could not be tested is 0."""


class Planner:
    """Implements ``Scripted``. One for a house."""

    def __init__(self, chain: Chain, hands: Hands) -> None:
        self._chain = chain
        self.hands = hands

    async def plan(
        self, envelope: Envelope, n: int, route: Local, message: NewMessage, inbox: Mailbox | None
    ) -> Plan | None:
        """See ``Scripted``."""
        scripts = await self._chain.scripts(route.account, self.hands.site)
        if not scripts:
            return None
        owner = parse_address(route.address)
        if owner is None:
            return None
        return await self._plan(scripts, Case(envelope, n, route, message, inbox, owner))

    async def _plan(self, scripts: Sequence[Named], case: Case) -> Plan:
        data = readable(case.message.content.view())
        context = self._context(case)
        verdict = await self._chain.run(scripts, data, context, case.route.account, self.hands.site)
        return await Making(self.hands, case, data[:_HEAD], verdict).run()

    def _context(self, case: Case) -> Context:
        """RFC 5228 §5.4, RFC 6009 §4, RFC 5183 §4.1."""
        site, envelope, recipient = self.hands.site, case.envelope, case.recipient
        sender, judged = envelope.sender, envelope.verdict
        parts = {
            "from": str(sender.address or ""),
            "to": str(recipient.address),
            "notify": ",".join(sorted(recipient.notify)),
            "orcpt": recipient.orcpt,
            "ret": sender.ret,
            "envid": sender.envid,
        }
        parts |= _deliver_by(envelope)
        environment = {
            "domain": case.owner.domain,
            "host": site.hostname,
            "location": "MDA",
            "name": "Pillarbox",
            "phase": "during",
            "remote-host": "",
            "remote-ip": envelope.peer.ip,
            "version": site.version,
            **dict.fromkeys(
                ("imap.user", "imap.email", "imap.cause", "imap.mailbox", "imap.changedflags"), ""
            ),
        }
        return Context(
            envelope={name: text for name, text in parts.items() if text or name in {"from", "to"}},
            now=datetime.fromtimestamp(self.hands.now(), UTC).astimezone(site.zone),
            environment=environment,
            separator=site.separator,
            owner=str(case.owner),
            vacation_days=site.vacation_days,
            spam=None if judged is UNJUDGED else float(judged.junk_to(case.route.account)),
            spam_text=judged.reason,
            virus=next(
                (_VIRUS.get(one.result, 0) for one in judged.findings if one.method == "virus"), 0
            ),
        )


def _deliver_by(envelope: Envelope) -> dict[str, str]:
    """RFC 6009 §3: the parts of BY, by the names of the ``envelope`` test."""
    value = envelope.sender.params.get("BY") or ""
    seconds, _, mode = value.partition(";")
    if not seconds.lstrip("-").isdigit():
        return {}
    until = envelope.received_at + int(seconds)
    absolute = datetime.fromtimestamp(until, UTC) if 0 < until < 2**35 else None
    return {
        "bytimerelative": seconds,
        "bytimeabsolute": absolute.isoformat() if absolute else "",
        "bymode": "notify" if mode[:1].upper() == "N" else "return",
        "bytrace": "true" if mode[1:].upper() == "T" else "",
    }
