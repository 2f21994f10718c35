"""The tables, and how older ones become them.

Rows lead with the account, so that a shard is a set of accounts and a mailbox is one run of
pages. The message row is narrow, because opening a mailbox reads all of them; what never
changes about a message is kept once a blob and apart (``facts``, ``body``).

A migration, once released, is never edited: the next one follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import apsw

APPLICATION_ID = 0x50494C4C
"""'PILL': tells the file from any other SQLite database."""

_FIRST = """
CREATE TABLE counter (
    name TEXT PRIMARY KEY, value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE domain (
    name TEXT PRIMARY KEY, catchall TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    modseq INTEGER NOT NULL,
    used INTEGER NOT NULL,
    quota INTEGER NOT NULL,
    pop3 TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    masked TEXT NOT NULL,
    display_name TEXT NOT NULL
) STRICT;

CREATE TABLE credential (
    account INTEGER PRIMARY KEY,
    argon2 TEXT NOT NULL,
    scram_salt BLOB NOT NULL,
    scram_iterations INTEGER NOT NULL,
    scram_stored_key BLOB NOT NULL,
    scram_server_key BLOB NOT NULL
) STRICT;

-- Accounts whose mail is still being removed, so that a crash does not leave it behind.
CREATE TABLE leaving (account INTEGER PRIMARY KEY) STRICT;

CREATE TABLE alias (
    address TEXT PRIMARY KEY, targets TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE mailbox (
    account INTEGER NOT NULL,
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    uidnext INTEGER NOT NULL,
    highest_modseq INTEGER NOT NULL,
    created_modseq INTEGER NOT NULL,
    recent_uid INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    unseen INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    size INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    special_use TEXT NOT NULL,
    keywords TEXT NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX mailbox_name ON mailbox (account, name);

CREATE TABLE subscription (
    account INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE msg (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    internaldate INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    saved INTEGER NOT NULL,
    size INTEGER NOT NULL,
    blob INTEGER NOT NULL,
    PRIMARY KEY (account, mailbox, uid)
) STRICT, WITHOUT ROWID;

-- Runs of UIDs expunged by one transaction (QRESYNC).
CREATE TABLE tombstone (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (account, mailbox, modseq, low)
) STRICT, WITHOUT ROWID;

-- Expunged messages that can be brought back; flags are under the row's own keywords.
CREATE TABLE retained (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    mailbox_name TEXT NOT NULL,
    flags INTEGER NOT NULL,
    keywords TEXT NOT NULL,
    internaldate INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    size INTEGER NOT NULL,
    blob INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    PRIMARY KEY (account, mailbox, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX retained_at ON retained (at);

-- refs: rows of msg, retained and queue that name it. file: '' while the body is in its row.
CREATE TABLE blob (
    id INTEGER PRIMARY KEY,
    refs INTEGER NOT NULL,
    size INTEGER NOT NULL,
    codec INTEGER NOT NULL,
    file TEXT NOT NULL
) STRICT;
CREATE TABLE facts (
    blob INTEGER PRIMARY KEY,
    envelope BLOB NOT NULL,
    bodystructure BLOB NOT NULL,
    common BLOB NOT NULL,
    scan BLOB NOT NULL,
    keys BLOB NOT NULL,
    preview BLOB NOT NULL
) STRICT;
CREATE TABLE body (blob INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

CREATE TABLE queue (
    id INTEGER PRIMARY KEY,
    blob INTEGER NOT NULL,
    size INTEGER NOT NULL,
    created REAL NOT NULL,
    envelope TEXT NOT NULL,
    lease TEXT NOT NULL,
    lease_until REAL NOT NULL,
    leases INTEGER NOT NULL
) STRICT;
CREATE TABLE recipient (
    item INTEGER NOT NULL,
    number INTEGER NOT NULL,
    envelope_index INTEGER NOT NULL,
    route_index INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due REAL NOT NULL,
    state TEXT NOT NULL,
    reply TEXT NOT NULL,
    PRIMARY KEY (item, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_due ON recipient (due, item) WHERE state = 'due';
"""

_SHARING = """
ALTER TABLE account ADD COLUMN max_messages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN max_mailboxes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN admin INTEGER NOT NULL DEFAULT 0;
UPDATE account SET messages = (
    SELECT coalesce(sum(m.messages), 0) FROM mailbox m WHERE m.account = account.id
);

-- Messages of before have each a thread of their own.
ALTER TABLE blob ADD COLUMN thread INTEGER NOT NULL DEFAULT 0;
UPDATE blob SET thread = -id;

-- Hashes of the Message-IDs an account has met, and the threads they are in.
CREATE TABLE thread (
    account INTEGER NOT NULL,
    message INTEGER NOT NULL,
    thread INTEGER NOT NULL,
    PRIMARY KEY (account, message)
) STRICT, WITHOUT ROWID;

-- account -1: the server; mailbox 0: the account or server itself; user 0: shared.
CREATE TABLE annotation (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    user INTEGER NOT NULL,
    entry TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (account, mailbox, user, entry)
) STRICT, WITHOUT ROWID;

CREATE TABLE access (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    identifier TEXT NOT NULL,
    rights TEXT NOT NULL,
    PRIMARY KEY (account, mailbox, identifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_identifier ON access (identifier, account);
"""

_QUEUE = """
ALTER TABLE queue ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;

-- sender and priority are the item's, here again so that one index knows whose turn it is.
ALTER TABLE recipient ADD COLUMN domain TEXT NOT NULL DEFAULT '';
ALTER TABLE recipient ADD COLUMN owed TEXT NOT NULL DEFAULT '';
ALTER TABLE recipient ADD COLUMN warned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recipient ADD COLUMN sender TEXT NOT NULL DEFAULT '';
ALTER TABLE recipient ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
CREATE INDEX recipient_turn ON recipient (priority, sender, due, item, domain)
    WHERE state = 'due';
CREATE INDEX recipient_owed ON recipient (item) WHERE owed <> '';
CREATE INDEX queue_leased ON queue (lease_until) WHERE lease_until > 0;
"""

_ROUTING = """
ALTER TABLE account ADD COLUMN forward TEXT NOT NULL DEFAULT '[]';
ALTER TABLE account ADD COLUMN keep_copy INTEGER NOT NULL DEFAULT 1;
ALTER TABLE account ADD COLUMN hour_limit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN day_limit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN held TEXT NOT NULL DEFAULT '';

CREATE TABLE list (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    post TEXT NOT NULL,
    others TEXT NOT NULL,
    rewrite_from TEXT NOT NULL
) STRICT;
CREATE TABLE member (
    list INTEGER NOT NULL,
    address TEXT NOT NULL,
    id INTEGER NOT NULL UNIQUE,
    owner INTEGER NOT NULL,
    PRIMARY KEY (list, address)
) STRICT, WITHOUT ROWID;

-- owner: the address of an account or a list.
CREATE TABLE suppression (
    owner TEXT NOT NULL,
    address TEXT NOT NULL,
    cause TEXT NOT NULL,
    at REAL NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (owner, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE sent_hour (
    account INTEGER NOT NULL,
    start INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (account, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE sent_network (
    account INTEGER NOT NULL,
    network TEXT NOT NULL,
    first REAL NOT NULL,
    last REAL NOT NULL,
    PRIMARY KEY (account, network)
) STRICT, WITHOUT ROWID;
CREATE TABLE sent_alarm (account INTEGER PRIMARY KEY, at REAL NOT NULL) STRICT;
"""

_STORIES = """
ALTER TABLE queue ADD COLUMN story INTEGER NOT NULL DEFAULT 0;

-- entry and deed numbers come from one counter: their order is that of what happened.
CREATE TABLE story (
    story INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    told TEXT NOT NULL,
    PRIMARY KEY (story, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX story_refused ON story (story) WHERE kind = 'refused';

-- page: the story's number without its lowest bits, so that keys of new mail lie together.
CREATE TABLE story_key (
    page INTEGER NOT NULL,
    key INTEGER NOT NULL,
    story INTEGER NOT NULL,
    PRIMARY KEY (page, key, story)
) STRICT, WITHOUT ROWID;

-- uids: '' for all of the mailbox; mailbox 0: all of the account.
CREATE TABLE deed (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    id INTEGER NOT NULL,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    uids TEXT NOT NULL,
    by TEXT NOT NULL,
    to_account INTEGER NOT NULL,
    to_mailbox INTEGER NOT NULL,
    to_name TEXT NOT NULL,
    to_uid INTEGER NOT NULL,
    PRIMARY KEY (account, mailbox, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX deed_at ON deed (at);
"""

_NEIGHBOURS = """
ALTER TABLE domain ADD COLUMN kind TEXT NOT NULL DEFAULT 'local';
ALTER TABLE domain ADD COLUMN hop TEXT NOT NULL DEFAULT '';

-- What rooms want to find again after a restart, each until a time.
CREATE TABLE note (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX note_until ON note (until);
"""

_SIEVE = """
CREATE TABLE script (
    account INTEGER NOT NULL,
    name TEXT NOT NULL,
    source BLOB NOT NULL,
    active INTEGER NOT NULL,
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX script_active ON script (account) WHERE active = 1;

-- What was done once: answers sent, messages seen, deliveries out of the queue.
CREATE TABLE mark (
    account INTEGER NOT NULL,
    key BLOB NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX mark_until ON mark (until);
"""

_PACKED = """
-- Large mailboxes as arrays, so many messages a row, and UIDs that changed since (packed.py).
CREATE TABLE packed (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    first INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (account, mailbox, first)
) STRICT;
CREATE TABLE noted (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    PRIMARY KEY (account, mailbox, low, high)
) STRICT, WITHOUT ROWID;
"""

_LEARNED = """
-- What each account taught its filter (learned.py): messages, words by hash, and which messages.
CREATE TABLE lore (
    account INTEGER PRIMARY KEY,
    junk INTEGER NOT NULL,
    good INTEGER NOT NULL,
    words INTEGER NOT NULL
) STRICT;
CREATE TABLE lore_word (
    account INTEGER NOT NULL,
    word INTEGER NOT NULL,
    junk INTEGER NOT NULL,
    good INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    PRIMARY KEY (account, word)
) STRICT, WITHOUT ROWID;
CREATE TABLE lesson (
    account INTEGER NOT NULL,
    message INTEGER NOT NULL,
    junk INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (account, message)
) STRICT, WITHOUT ROWID;
CREATE INDEX lesson_number ON lesson (account, number);
"""

_KEY_PAGES = """
-- A page was 4,096 stories, and is 256 (journal.PAGE).
CREATE TABLE story_key_new (
    page INTEGER NOT NULL,
    key INTEGER NOT NULL,
    story INTEGER NOT NULL,
    PRIMARY KEY (page, key, story)
) STRICT, WITHOUT ROWID;
INSERT INTO story_key_new SELECT story >> 8, key, story FROM story_key ORDER BY 1, 2, 3;
DROP TABLE story_key;
ALTER TABLE story_key_new RENAME TO story_key;
"""

_REMOVALS = """
-- What one operation expunged, and what is the same for all its messages. id: that of its deed,
-- negative where it was before there were rows of this kind.
CREATE TABLE removal (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    keywords TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    PRIMARY KEY (account, mailbox, id)
) STRICT, WITHOUT ROWID;

DROP INDEX retained_at;
ALTER TABLE retained RENAME TO retained_before;
INSERT INTO removal
    SELECT account, mailbox, -row_number() OVER (), mailbox_name, keywords, at, by
    FROM retained_before GROUP BY account, mailbox, mailbox_name, keywords, at, by;
CREATE UNIQUE INDEX removal_before ON removal (account, mailbox, at, by, keywords, name);
CREATE TABLE retained (
    removal INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    internaldate INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    size INTEGER NOT NULL,
    blob INTEGER NOT NULL,
    PRIMARY KEY (removal, uid)
) STRICT, WITHOUT ROWID;
INSERT INTO retained
    SELECT v.id, b.uid, b.flags, b.internaldate, b.zone, b.size, b.blob
    FROM retained_before b JOIN removal v ON (v.account, v.mailbox, v.at, v.by, v.keywords, v.name)
        = (b.account, b.mailbox, b.at, b.by, b.keywords, b.mailbox_name);
DROP INDEX removal_before;
DROP TABLE retained_before;
CREATE INDEX removal_at ON removal (at);
"""

Migration = Callable[[apsw.Connection], None]


def _script(sql: str) -> Migration:
    def run(connection: apsw.Connection) -> None:
        connection.execute(sql)

    return run


_SCRIPTS = (
    *(_FIRST, _SHARING, _QUEUE, _ROUTING, _STORIES, _NEIGHBOURS, _SIEVE, _PACKED, _LEARNED),
    _KEY_PAGES,
    _REMOVALS,
)
MIGRATIONS: Sequence[Migration] = tuple(map(_script, _SCRIPTS))
"""Number n (from 1) leads from ``user_version`` n-1 to n, inside a transaction of the opener."""
