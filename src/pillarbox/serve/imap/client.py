"""What a session knows of its client, and how every answer ends.

What another session changed is told where the protocol allows it: ``finish`` and ``refuse`` say it
before the tagged answer. ``session`` has the loop that calls the handlers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from pillarbox.auth.context import Context
from pillarbox.base.log import Logger
from pillarbox.mailbox.objectid import account_id
from pillarbox.mailbox.updates import NOTHING, Updates
from pillarbox.mailbox.view import View
from pillarbox.model.account import Account
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import EMPTY, NumSet
from pillarbox.net.driver import Connection
from pillarbox.serve.imap import telling
from pillarbox.serve.imap.annotated import Watch as Annotations
from pillarbox.serve.imap.announce import announced
from pillarbox.serve.imap.contexts import Contexts
from pillarbox.serve.imap.numbers import meant, window
from pillarbox.serve.imap.options import Needs
from pillarbox.serve.imap.watch import Watch
from pillarbox.wire.imap import commands, extensions, render
from pillarbox.wire.imap.commands import Ranges
from pillarbox.wire.imap.render import codes
from pillarbox.wire.imap.server import ServerEngine
from pillarbox.wire.imap.state import State

log = Logger("imap")

CHANGES = frozenset(
    {
        commands.Store,
        commands.Expunge,
        commands.Move,
        commands.AppendEnd,
        commands.Select,
        extensions.Notify,
        extensions.Filter,
    }
)
"""Commands whose effects on the selected mailbox are told whatever NOTIFY left out."""


class Client:
    """One connection's; handlers use its attributes freely."""

    def __init__(self, conn: Connection, needs: Needs) -> None:
        self.conn = conn
        self.needs = needs
        self.engine = ServerEngine(needs.options.engine)
        self._context: Context | None = None
        self.account: Account | None = None
        """Set by a login."""
        self.view: View | None = None
        """The selected mailbox."""
        self.selected_name = ""
        """What the user calls it."""
        self.enabled: set[str] = set()
        """What ENABLE turned on, and CONDSTORE where a command implied it."""
        self.saved = EMPTY
        """UIDs of the saved search result, ``$`` (RFC 5182)."""
        self.idling = False
        self.over = False
        """The last answer has been written."""
        self.watch: Annotations | None = None
        """Hears of annotations that others change, once METADATA is enabled."""
        self.login_failures = 0
        self.login_by = 0.0
        """When the time to log in is over, by the monotonic clock; see ``ask_who``."""
        self.unsent = 0
        """Octets written since the peer last had to make room for them."""
        self.scratch: dict[str, Any] = {}
        """What a family of commands keeps from one event to the next (an exchange, an upload)."""
        self.contexts = Contexts(needs.options.contexts)
        """Search results of the selected mailbox that are kept up to date."""
        self.notify: Watch | None = None
        """What NOTIFY asked for; None before the first."""
        self.mine: set[int] = set()
        """UIDs that this session put into the selected mailbox and has not been told of."""
        self.client_mask: frozenset[str] = frozenset()
        """Capabilities that the client is known to get wrong."""
        self.client_name = ""
        """What it calls itself (RFC 2971)."""
        self.speaks: set[str] = set()
        """Capabilities it has made use of."""
        self.command: Any = None
        """What is being answered, None between commands."""

    @property
    def log(self) -> Logger:
        """For the events of this session: few, so it is made for each."""
        bound = log.bind(conn=self.conn.id, ip=self.conn.peer.ip)
        return bound if self.account is None else bound.bind(user=self.account.address)

    @property
    def by(self) -> str:
        """Who acts here, for the story of a message."""
        program = f" ({self.client_name})" if self.client_name else ""
        return f"imap {self.user.address} from {self.conn.peer.ip}{program}"

    @property
    def user(self) -> Account:
        """The account of a session that is logged in."""
        if self.account is None:
            raise RuntimeError("not logged in")  # the engine's table forbids it
        return self.account

    @property
    def selected(self) -> View:
        """The view of a session that has selected a mailbox."""
        if self.view is None:
            raise RuntimeError("nothing is selected")  # the engine's table forbids it
        return self.view

    @property
    def condstore(self) -> bool:
        """The client wants modseqs (RFC 7162 §3.1)."""
        return bool(self.enabled & {"CONDSTORE", "QRESYNC"})

    def enable(self, *names: str) -> None:
        """From now on the client speaks these extensions. The first that brings modseqs is
        answered with those of the selected mailbox (RFC 7162 §3.1)."""
        before = self.condstore
        self.enabled.update(names)
        if self.condstore and not before and self.view is not None:
            self.write(render.ok("*", "Highest", codes.highestmodseq(self.view.told_modseq)))

    def activate(self, name: str) -> None:
        """The client uses what it might have enabled: it is told that it has (OBJECTID+,
        draft-ietf-mailmaint-imap-objectid-bis §2.2)."""
        if name not in self.enabled:
            self.enabled.add(name)
            self.write(render.enabled([name]))

    def ids_of(self, box: Mailbox) -> str:
        """The response code with the identifiers of a mailbox, as the client wants them."""
        if "OBJECTID+" in self.enabled:
            return codes.objectid(mailbox_ids(box))
        return codes.mailboxid(box.object_id)  # RFC 8474 §4.1, §4.2

    @property
    def qresync(self) -> bool:
        """The client wants VANISHED instead of EXPUNGE (RFC 7162 §3.2.3)."""
        return "QRESYNC" in self.enabled

    @property
    def rev2(self) -> bool:
        """The client speaks IMAP4rev2 (RFC 9051 §6.3.1)."""
        return "IMAP4rev2" in self.enabled

    @property
    def uid_only(self) -> bool:
        """No message numbers, in neither direction (RFC 9586)."""
        return self.engine.uid_only

    def manner(self, *, silent: bool = False, told: bool = False) -> telling.Manner:
        """How the client wants to hear of its mailbox."""
        watch = self.notify
        own = isinstance(self.command, (commands.Store, extensions.Filter))
        return telling.Manner(
            condstore=self.condstore,
            qresync=self.qresync,
            silent=silent,
            told=told,
            rev2=self.rev2,
            uid_only=self.uid_only,
            # RFC 9051 §7.5.2; RFC 3501 §6.4.8: in what a UID command brings about
            uids=watch is not None or self.rev2 or (own and self.command.uid),
            others=own or watch is None or watch.hears("FlagChange"),
        )

    def messages(self, ranges: Ranges, *, uid: bool) -> NumSet | None:
        """Sequence numbers of the messages a command means; None when one does not exist."""
        return meant(self.selected, ranges, self.saved, uid=uid)

    @property
    def message_limit(self) -> int:
        """Messages that one command may be about, 0 for any number (RFC 9738 §3)."""
        return 0 if "MESSAGELIMIT" in self.masked else self.needs.options.message_limit

    @property
    def save_limit(self) -> int:
        """Messages that COPY and APPEND may keep at once, 0 for any number."""
        alone = 0 if "SAVELIMIT" in self.masked else self.needs.options.save_limit
        return self.message_limit or alone

    def limited(self, seqs: NumSet) -> tuple[NumSet, str]:
        """Of the messages a command is about, those that it may be about: the newest, and the
        code that says so, '' where these are all (RFC 9738 §3.1)."""
        limit = self.message_limit
        if not limit or len(seqs) <= limit:
            return seqs, ""
        kept = window(seqs, (-1, -limit))
        return kept, codes.messagelimit(limit, self.selected.uid(kept.ranges[0][0]))

    # -- answers ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Add to what leaves next."""
        self.unsent += len(data)
        self.conn.write(data)

    def ask_who(self) -> None:
        """From now on the client has so long to log in, however busy it keeps us meanwhile."""
        self.login_by = self.needs.clock.monotonic() + self.needs.options.login_timeout

    async def happened(
        self, cause: str, box: Mailbox, uids: NumSet, changed: Collection[str] = ()
    ) -> None:
        """Tell whoever wants to hear of it."""
        if self.needs.events is not None and uids:
            await self.needs.events.happened(cause, box.account, box.id, uids, self.user, changed)

    def bye(self, text: str, code: str = "") -> None:
        """The last words."""
        self.write(render.bye(text, code))
        self.over = True

    def finish(
        self, tag: str, text: str = "Done", code: str = "", *, allow_expunge: bool = True
    ) -> None:
        """Say what happened to the mailbox, then OK."""
        self.sync(allow_expunge=allow_expunge)
        self.write(render.ok(tag, text, code))

    def refuse(self, tag: str, text: str, code: str = "", *, allow_expunge: bool = True) -> None:
        """The same with NO."""
        self.sync(allow_expunge=allow_expunge)
        self.write(render.no(tag, text, code))

    def sync(
        self,
        *,
        allow_expunge: bool,
        echo: NumSet = EMPTY,
        silent: bool = False,
        told: bool = False,
        modseqs: bool = False,
    ) -> None:
        """Tell the client what its mailbox has become.

        ``echo``: UIDs whose flags are said anyhow. ``silent``: of changes by this session only
        modseqs. ``told``: not even these, they stand in the answer already. ``modseqs``: the
        answer has some.
        """
        view = self.view
        if view is None or self.over:
            return
        if view.ended:
            self.bye("The mailbox is gone" if view.ended == "deleted" else "The mailbox is lost")
            return
        watch, known = self.notify, view.exists
        if (
            watch is not None
            and not watch.hears("MessageNew")
            and type(self.command) not in CHANGES
        ):
            updates = NOTHING  # RFC 5465 §3.1: the mailbox stands still
        else:
            updates = view.sync(allow_expunge=allow_expunge, echo=echo)
        if updates:
            if self.contexts:
                self.write(self.contexts.leave(updates))  # RFC 5267 §4.3.4: before EXPUNGE
            self.write(telling.say(updates, view, self.manner(silent=silent, told=told)))
            self._note(updates, view, known)
        if (modseqs or (self.condstore and len(updates.flagged))) and view.behind:
            self.write(telling.held_back(view))

    def made(self, uidvalidity: int, uids: Iterable[int]) -> None:
        """This session put messages into a mailbox: it needs no word about what they are
        (RFC 5465 §5.2)."""
        view = self.view
        if self.notify is not None and view is not None and view.box.uidvalidity == uidvalidity:
            self.mine.update(uids)

    def _note(self, updates: Updates, view: View, known: int) -> None:
        """Remember what ``between`` has to look at."""
        new = view.uids[known - len(updates.expunged) : view.exists]
        if self.contexts:
            self.contexts.touched.update(updates.flagged.uids)
            self.contexts.touched.update(new)
            self.contexts.fresh.update(new)
        if self.notify is not None and self.notify.items:
            self.notify.arrived += [uid for uid in new if uid not in self.mine]
        self.mine.difference_update(new)

    # -- what the session is ------------------------------------------------------------------

    @property
    def unheard(self) -> bool:
        """Whether ``hear`` has something to do."""
        view, watch = self.view, self.watch
        changed = watch is not None and watch.changed.is_set()
        return changed or (view is not None and view.access != view.state.access)

    async def hear(self) -> None:
        """Take note of what others did that is not in the view: rights and annotations."""
        await self.recheck()
        watch = self.watch
        if watch is not None and watch.changed.is_set() and not self.over:
            access = self.needs.ops.access
            self.write(await watch.told(access, utf8=self.engine.utf8))

    async def look_out(self) -> None:
        """From now on, tell of annotations that others change."""
        if self.watch is None:
            others = await self.needs.ops.access.sharers(self.user)
            self.watch = Annotations(self.needs.views.bus, self.user, self.conn.id, others)

    def look_away(self) -> None:
        """No longer."""
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.close()

    async def recheck(self) -> None:
        """When the access list of the selected mailbox has changed: go on with the rights there
        are now, or end (RFC 4314 §5.1.1)."""
        view = self.view
        if view is None or view.access == view.state.access:
            return
        view.access = view.state.access
        rights = await self.needs.ops.access.rights(self.user, view.box)
        if rights == view.rights:
            return
        view.rights = rights
        if "r" not in rights:
            self.bye("You may not read this mailbox any more", codes.NOPERM)
            return
        self.write(telling.flags_and_permanent(view))

    def capabilities(self) -> str:
        """CAPABILITY and what it lists now."""
        return announced(self.needs, self.conn, self.context(), self.engine.state, self.masked)

    @property
    def masked(self) -> frozenset[str]:
        """Capabilities that this client is not to know of."""
        masked, account = self.needs.options.masked, self.account
        if self.client_mask:
            masked |= self.client_mask
        return masked | account.masked if account is not None and account.masked else masked

    def context(self) -> Context:
        """The connection as a login sees it."""
        known, tls = self._context, self.conn.tls
        if known is not None and known.secure == (tls is not None):
            return known
        self._context = Context(
            "imap",
            self.conn.peer.ip,
            secure=tls is not None,
            bindings=tls.channel_bindings if tls else {},
            conn=self.conn.id,
        )
        return self._context

    async def unselect(self) -> None:
        """Leave the selected mailbox, if any, without expunging."""
        view, self.view = self.view, None
        self.saved = EMPTY
        self.mine.clear()
        self.contexts.clear()
        if self.notify is not None:
            self.notify.arrived.clear()
        if view is not None:
            await self.needs.views.close(view)
        if self.engine.state is State.SELECTED:
            self.engine.state = State.AUTHENTICATED

    def unnotify(self) -> None:
        """NOTIFY's wishes end."""
        if self.notify is not None:
            self.notify.close()
            self.notify = None


def mailbox_ids(box: Mailbox) -> list[tuple[str, str]]:
    """What OBJECTID+ says of a mailbox: its owner is that of the mail, whoever looks at it."""
    return [("MAILBOXID", box.object_id), ("ACCOUNTID", account_id(box.account))]
