"""Stop being root once the ports are bound.

Under systemd this is not needed: ``User=`` with ``AmbientCapabilities=CAP_NET_BIND_SERVICE`` or
socket activation never start us as root.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable

from pillarbox.base.errors import Misuse


def drop_privileges(user: str, group: str | None = None) -> None:
    """Become ``user`` for good: real, effective and saved ids, and its groups only.

    ``group`` replaces the user's primary group. Does nothing if we are that user already. Raises
    ``Misuse`` for unknown names, for root as the target, and for a process that may not change;
    ``RuntimeError`` if the way back turns out to be open, and then the process must end.
    """
    try:
        entry = pwd.getpwnam(user)
        gid = grp.getgrnam(group).gr_gid if group is not None else entry.pw_gid
    except KeyError as error:
        raise Misuse(f"cannot become {user}:{group or ''}: {error.args[0]}") from error
    uid = entry.pw_uid
    if uid == 0 or gid == 0:
        raise Misuse(f"cannot become {user}: that is root")
    if os.getresuid() == (uid, uid, uid):
        return
    if os.geteuid() != 0:
        raise Misuse(
            f"cannot become {user}: not started as root",
            hint=f"Start as root or as {user}.",
        )
    # Groups first: after setuid we may not change them any more.
    os.setgroups([g for g in os.getgrouplist(user, gid) if g != 0])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if not _is_final(uid, gid):
        raise RuntimeError("privileges were dropped, but root can come back")


def _is_final(uid: int, gid: int) -> bool:
    """Whether all ids are as they should be and neither root id can be had again."""
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid):
        return False
    if 0 in os.getgroups():
        return False
    ways_back: tuple[Callable[[], None], ...] = (
        lambda: os.setresuid(-1, 0, -1),
        lambda: os.setresgid(-1, 0, -1),
        lambda: os.setgroups([0]),
    )
    for attempt in ways_back:
        try:
            attempt()
        except PermissionError:
            continue
        return False
    return True
