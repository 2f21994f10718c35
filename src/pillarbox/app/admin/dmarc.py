"""Operations on DMARC reports, those of others and our own."""

from __future__ import annotations

from typing import Any

from pillarbox.app.admin.rooms import Call, Value, domain_of
from pillarbox.app.channel import take
from pillarbox.app.dmarcinbox import ReportInbox, by_sender, keep, kept, reports_in
from pillarbox.base.errors import Misuse
from pillarbox.policy.dmarc.reading import Unreadable, read

DAY = 86_400


async def dmarc_list(call: Call, domain: str = "", days: int = 30) -> Value:
    """Reports that came in about our domains in the last days."""
    return {"reports": [_line(one) for one in await _found(call, domain, days)]}


async def dmarc_senders(call: Call, domain: str = "", days: int = 30) -> Value:
    """Who sent mail in our domains' names, by all reports of the last days together."""
    return {"senders": by_sender(await _found(call, domain, days))}


async def dmarc_read(call: Call, size: int) -> Value:
    """Keep the reports in a file: a message, or the report itself, packed or not."""
    data = b"".join([piece async for piece in take(call.body, size)])
    try:
        found = [read(data)]
    except Unreadable as error:
        found = reports_in(data)
        if not found:
            raise Misuse(f"no DMARC report: {error}") from None
    now = call.rooms.clock.now()
    taken = [one for one in found if await keep(call.store, one, now)]
    if not taken:
        raise Misuse(f"the report is about {found[0].domain}, which is not a domain of this server")
    return {"reports": [_line(one) for one in taken]}


async def dmarc_send(call: Call) -> Value:
    """Send our own reports on past days that are due, now."""
    reports = call.rooms.dmarc_reports
    if reports is None:
        raise Misuse(
            "no reports are made", hint="set checks.reports, and start the server: pillarbox serve"
        )
    return {"sent": await reports.run_due()}


async def _found(call: Call, domain: str, days: int) -> list[Any]:
    config, now = call.rooms.config, call.rooms.clock.now()
    await ReportInbox(
        *(call.store, call.rooms.clock, config.checks.reports_inbox, config.server.hostname),
        call.rooms.lane,
    ).work()
    found = await kept(call.store, domain_of(domain) if domain else "", now)
    return [one for one in found if one.end >= now - days * DAY]


def _line(report: Any) -> Value:
    good = sum(one.count for one in report.seen if one.dkim or one.spf)
    return {
        "domain": report.domain,
        "by": report.organization,
        "id": report.ident,
        "begin": report.begin,
        "end": report.end,
        "policy": report.policy,
        "messages": sum(one.count for one in report.seen),
        "passed": good,
    }
