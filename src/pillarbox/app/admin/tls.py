"""Operations on what is known of TLS with other servers."""

from __future__ import annotations

from pillarbox.app.admin.rooms import Call, Value
from pillarbox.base.errors import Misuse
from pillarbox.outbound.tlsreports import kept


async def tls_reports(call: Call) -> Value:
    """What TLS did, by day and domain, as far as it is not reported yet."""
    reports = call.rooms.tls_reports
    if reports is not None:
        await reports.flush()
    return {"days": await kept(call.store, call.rooms.clock.now())}


async def tls_send(call: Call) -> Value:
    """Send the reports that are due, now."""
    reports = call.rooms.tls_reports
    if reports is None:
        raise Misuse("no server that sends mail is running", hint="start it: pillarbox serve")
    return {"sent": await reports.run_due()}
