"""Thunderbird driven from outside: Marionette, the remote control that Mozilla's programs have.

    with thunderbird(tmp_path, house.ca, address, password, house.port("imaps")) as tb:
        tb.run('return messages(await opened("INBOX")).length;')

A script runs inside the program with all its privileges, as an async function of `arguments`; the
program's own code talks IMAP. Messages on the wire are `length:json` (marionette/transport).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STARTING = 60.0
PATIENCE = 90.0

_PREFS = {
    "app.update.auto": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultMail": False,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "mail.account.account1.identities": "id1",
    "mail.account.account1.server": "server1",
    "mail.account.account2.server": "server2",
    "mail.accountmanager.accounts": "account1,account2",
    "mail.accountmanager.defaultaccount": "account1",
    "mail.accountmanager.localfoldersserver": "server2",
    "mail.identity.id1.fullName": "Somebody",
    "mail.identity.id1.valid": True,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.server.server1.check_new_mail": False,
    "mail.server.server1.hostname": "localhost",
    "mail.server.server1.login_at_startup": False,
    "mail.server.server1.name": "here",
    "mail.server.server1.socketType": 3,
    "mail.server.server1.type": "imap",
    "mail.server.server2.hostname": "Local Folders",
    "mail.server.server2.name": "Local Folders",
    "mail.server.server2.type": "none",
    "mail.server.server2.userName": "nobody",
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mailnews.start_page.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "services.settings.server": "http://127.0.0.1:9/",
    "toolkit.telemetry.enabled": False,
}

_LIBRARY = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = () => MailServices.accounts.getAccount("account1").incomingServer;
const sleep = ms => new Promise(done => window.setTimeout(done, ms));
async function until(what, look) {
  const over = Date.now() + 75000;
  while (Date.now() < over) {
    const found = await look();
    if (found) return found;
    await sleep(100);
  }
  throw new Error("not within 75 seconds: " + what);
}
const heard = () => {
  let done;
  const promise = new Promise(resolve => { done = resolve; });
  return { promise, OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { done(status); },
           onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
           onStopCopy(status) { done(status); },
           QueryInterface: ChromeUtils.generateQI(
             ["nsIUrlListener", "nsIMsgCopyServiceListener"]) };
};
const folder = name => server().rootFolder.descendants.find(one => one.name == name)
  || server().rootFolder.descendants.find(one => one.name.toLowerCase() == name.toLowerCase());
async function opened(name) {
  const box = await until("folder " + name, () => folder(name));
  box.QueryInterface(Ci.nsIMsgImapMailFolder);
  // A folder has room for one listener, which the program's own look at a new folder takes: who
  // is not called back asks again.
  await until("update of " + name, () => {
    const listener = heard();
    box.updateFolderWithListener(null, listener);
    return Promise.race([listener.promise.then(() => true), sleep(3000)]);
  });
  return box;
}
const messages = box => [...box.msgDatabase.enumerateMessages()];
const by = (box, subject) => messages(box).find(one => one.mime2DecodedSubject == subject);
async function searched(box, text) {
  const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(
    Ci.nsIMsgSearchSession);
  session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, box);
  const term = session.createTerm(), value = term.value;
  value.attrib = term.attrib = Ci.nsMsgSearchAttrib.Body;
  value.str = text;
  term.value = value;
  term.op = Ci.nsMsgSearchOp.Contains;
  session.appendTerm(term);
  const found = [];
  await new Promise(done => {
    session.registerListener({ onSearchHit(hit) { found.push(hit.mime2DecodedSubject); },
                               onSearchDone() { done(); }, onNewSearch() {} });
    session.search(null);
  });
  return found;
}
async function body(box, message) {
  const { MsgHdrToMimeMessage } = ChromeUtils.importESModule(
    "resource:///modules/gloda/MimeMessage.sys.mjs");
  return new Promise(done => MsgHdrToMimeMessage(message, null, (_, mime) =>
    done(mime.coerceBodyToPlaintext(box)), true));
}
"""


@dataclass
class Thunderbird:
    """A program that runs; ``run`` says something to it."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    _number: int = 0

    def run(self, script: str, *arguments: object) -> Any:
        """The value of an async function's body, run with the program's own privileges."""
        whole = (
            _LIBRARY
            + "const done = arguments[arguments.length - 1];\n"
            + "(async () => {"
            + script
            + "})().then(value => done({ value: value ?? null }),"
            + " error => done({ error: String(error) + '\\n' + error.stack }));"
        )
        said = self.ask(
            "WebDriver:ExecuteAsyncScript",
            {"script": whole, "args": list(arguments), "sandbox": "system", "newSandbox": True},
        )["value"]
        assert "error" not in said, said["error"]
        return said["value"]

    def ask(self, command: str, parameters: dict[str, object]) -> Any:
        """One command of Marionette, and its answer."""
        self._number += 1
        data = json.dumps([0, self._number, command, parameters]).encode()
        self.connection.sendall(b"%d:%b" % (len(data), data))
        _, _, error, result = self.heard()
        assert error is None, error
        return result

    def heard(self) -> Any:
        """The next message."""
        size = b""
        while not size.endswith(b":"):
            octet = self.connection.recv(1)
            assert octet, "Thunderbird hung up"
            size += octet
        data, wanted = b"", int(size[:-1])
        while len(data) < wanted:
            data += self.connection.recv(wanted - len(data))
        return json.loads(data)


@contextlib.contextmanager
def thunderbird(
    directory: Path, ca: Path, address: str, password: str, port: int
) -> Iterator[Thunderbird]:
    """Thunderbird with a profile of its own and one account, without a screen."""
    profile, home = directory / "profile", directory / "home"
    profile.mkdir()
    home.mkdir()
    prefs = _PREFS | {
        "mail.identity.id1.useremail": address,
        "mail.server.server1.directory": str(profile / "ImapMail"),
        "mail.server.server1.port": port,
        "mail.server.server1.userName": address,
        "mail.server.server2.directory": str(profile / "Mail"),
        "marionette.port": 0,
    }
    lines = [
        f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in prefs.items()
    ]
    (profile / "user.js").write_text("\n".join(lines) + "\n")
    log = (directory / "thunderbird.log").open("wb")
    process = subprocess.Popen(
        [
            "thunderbird",
            "--headless",
            "--marionette",
            "--remote-allow-system-access",
            "--no-remote",
            "--profile",
            str(profile),
        ],
        env={
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "MOZ_HEADLESS": "1",
            "LANG": "C.UTF-8",
            **(
                {"MOZ_LOG": "IMAP:5,timestamp", "MOZ_LOG_FILE": os.environ["TB_MOZ_LOG"]}
                if "TB_MOZ_LOG" in os.environ
                else {}
            ),
        },
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        with _connected(process, profile) as connection:
            driven = Thunderbird(process, connection)
            hello = driven.heard()
            assert hello["applicationType"] == "gecko", hello
            driven.ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {}}})
            driven.ask("Marionette:SetContext", {"value": "chrome"})
            driven.ask("WebDriver:SetTimeouts", {"script": PATIENCE * 1000})
            _let_in(driven, ca, address, password)
            yield driven
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        if process.poll() is None:
            process.kill()
            process.wait(15)
        log.close()
        shutil.rmtree(profile, ignore_errors=True)


def _connected(process: subprocess.Popen[bytes], profile: Path) -> socket.socket:
    """To the port that the program wrote down when it listened."""
    until = time.monotonic() + STARTING
    while time.monotonic() < until:
        assert process.poll() is None, "Thunderbird ended"
        with contextlib.suppress(OSError, ValueError):
            port = int((profile / "MarionetteActivePort").read_text())
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE * 2)
        time.sleep(0.2)
    raise AssertionError("Thunderbird does not listen")


def _let_in(driven: Thunderbird, ca: Path, address: str, password: str) -> None:
    """It trusts the authority, and knows the password."""
    armoured = re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END", ca.read_text(), re.DOTALL)
    pem = "".join(armoured[0].split())
    driven.run(
        """
        const certificates = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
        certificates.addCertFromBase64(arguments[0], "C,C,C");
        const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
        const where = "imap://localhost";
        login.init(where, null, where, arguments[1], arguments[2], "", "");
        await Services.logins.addLoginAsync(login);
        """,
        pem,
        address,
        password,
    )
