"""What an operator can ask of a house, each written once: for the command line, for the control
socket, for whoever embeds a house.

An operation takes a ``Call`` and named JSON values and returns a dict of JSON values. It raises
Misuse where the asker is wrong.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pillarbox.app.admin import (
    audit,
    directory,
    dmarc,
    dns,
    index,
    junk,
    lists,
    mail,
    queue,
    replay,
    sieve,
    state,
    tls,
    undelete,
    why,
)
from pillarbox.app.admin.rooms import Call, Value
from pillarbox.base.errors import Misuse

Operation = Callable[..., Awaitable[Value]]

OPERATIONS: Mapping[str, Operation] = {
    "junk.status": junk.junk_status,
    "junk.learn": junk.junk_learn,
    "junk.forget": junk.junk_forget,
    "domain.add": directory.domain_add,
    "domain.list": directory.domain_list,
    "domain.remove": directory.domain_remove,
    "domain.keys": dns.domain_keys,
    "dns.records": dns.dns_records,
    "dns.check": dns.dns_check,
    "account.add": directory.account_add,
    "account.list": directory.account_list,
    "account.passwd": directory.account_passwd,
    "account.set": directory.account_set,
    "account.forward": directory.account_forward,
    "account.remove": directory.account_remove,
    "alias.add": directory.alias_add,
    "alias.list": directory.alias_list,
    "alias.remove": directory.alias_remove,
    "list.add": lists.list_add,
    "list.list": lists.list_list,
    "list.set": lists.list_set,
    "list.members": lists.list_members,
    "list.join": lists.list_join,
    "list.leave": lists.list_leave,
    "list.remove": lists.list_remove,
    "suppression.list": lists.suppression_list,
    "suppression.add": lists.suppression_add,
    "suppression.remove": lists.suppression_remove,
    "mail.append": mail.mail_append,
    "mail.mailboxes": mail.mail_mailboxes,
    "mail.read": mail.mail_read,
    "mail.digests": mail.mail_digests,
    "undelete.list": undelete.undelete_list,
    "undelete.restore": undelete.undelete_restore,
    "queue.list": queue.queue_list,
    "queue.show": queue.queue_show,
    "queue.hold": queue.queue_hold,
    "queue.release": queue.queue_release,
    "queue.retry": queue.queue_retry,
    "queue.expire": queue.queue_expire,
    "queue.drop": queue.queue_drop,
    "sieve.put": sieve.sieve_put,
    "sieve.get": sieve.sieve_get,
    "sieve.list": sieve.sieve_list,
    "sieve.activate": sieve.sieve_activate,
    "sieve.remove": sieve.sieve_remove,
    "replay.read": replay.replay_read,
    "index.again": index.index_again,
    "index.fill": index.index_fill,
    "dmarc.list": dmarc.dmarc_list,
    "dmarc.senders": dmarc.dmarc_senders,
    "dmarc.read": dmarc.dmarc_read,
    "dmarc.send": dmarc.dmarc_send,
    "tls.reports": tls.tls_reports,
    "tls.send": tls.tls_send,
    "status": state.status,
    "why": why.why,
    "audit": audit.audit,
}


async def perform(call: Call, name: str, arguments: Mapping[str, Any]) -> Value:
    """Run the operation ``name``. Raises Misuse for names and arguments that it does not have."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise Misuse(f"there is no operation {name!r}", hint=_OTHER_VERSION)
    try:
        inspect.signature(operation).bind(call, **arguments)
    except TypeError as error:
        raise Misuse(f"{name}: {error}", hint=_OTHER_VERSION) from None
    return await operation(call, **arguments)


_OTHER_VERSION = "the command and the running server are of different versions: restart the server"
