"""The service manager's side: inherited sockets, readiness, privileges. In child processes."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pillarbox.base.errors import Misuse
from pillarbox.net.privileges import drop_privileges
from pillarbox.net.sdnotify import Notifier
from pillarbox.net.sockets import bind_tcp, bind_unix, inherited
from support.needs import could_not_run

SOURCES = Path(__file__).parents[2] / "src"


class Stopped:
    def now(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 12.5

    async def sleep(self, seconds: float) -> None: ...


def run_child(code: str, *, fds: tuple[int, ...] = (), **environ: str) -> str:
    """Run Python code in a fresh process; what it prints. Its descriptors 3… are ``fds``."""

    def place() -> None:  # by way of 60…, lest one overwrites another
        for number, fd in enumerate(fds):
            os.dup2(fd, 60 + number)
        for number in range(len(fds)):
            os.dup2(60 + number, 3 + number)

    program = textwrap.dedent(code)
    if fds:
        # LISTEN_PID must be the child's own, which only the child knows.
        program = "import os; os.environ['LISTEN_PID'] = str(os.getpid())\n" + program
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(SOURCES)!r})\n{program}",
        ],
        env={**os.environ, **environ},
        preexec_fn=place if fds else None,
        close_fds=not fds,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ADOPT = """
    import asyncio, os
    from pillarbox.base.clock import SystemClock
    from pillarbox.base.ids import ConnectionIds, SystemRng
    from pillarbox.net.listen import Door, Listener
    from pillarbox.net.dial import dial
    from pillarbox.net.sockets import inherited

    async def greet(conn):
        conn.write(b"220 from an inherited socket\\r\\n")

    async def main():
        found = inherited(os.environ, os.getpid())
        print({name: len(socks) for name, socks in found.items()})
        for name, socks in found.items():
            assert not any(os.get_inheritable(sock.fileno()) for sock in socks)
        ids = ConnectionIds(SystemClock(), SystemRng())
        listener = Listener(Door("smtp", greet), found["smtp"], ids=ids)
        await listener.start()
        for address in listener.addresses:
            client = await dial(*address)
            print((await client.read()).decode().strip())
            client.close()
        await listener.close()
        for sock in sum((socks for name, socks in found.items() if name != "smtp"), []):
            sock.close()

    asyncio.run(main())
"""


def test_sockets_from_systemd() -> None:
    sockets = [*bind_tcp("127.0.0.1", 0), *bind_tcp("127.0.0.1", 0), *bind_tcp("127.0.0.1", 0)]
    try:
        printed = run_child(
            ADOPT,
            fds=tuple(sock.fileno() for sock in sockets),
            LISTEN_FDS="3",
            LISTEN_FDNAMES="smtp:imap:smtp",
        )
    finally:
        for sock in sockets:
            sock.close()
    assert printed.splitlines() == [
        "{'smtp': 2, 'imap': 1}",
        "220 from an inherited socket",
        "220 from an inherited socket",
    ]


@pytest.mark.needs("systemd-socket-activate")
def test_sockets_from_systemds_own_tool() -> None:
    """``systemd-socket-activate`` starts its command at the first connection."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = textwrap.dedent(
        f"""
        import sys; sys.path.insert(0, {str(SOURCES)!r})
        import os
        from pillarbox.net.sockets import inherited
        (sock,) = inherited(os.environ, os.getpid())["smtp"]
        sock.setblocking(True)
        conn, _ = sock.accept()
        conn.sendall(b"220 activated")
        conn.close()
        """
    )
    process = subprocess.Popen(
        ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=smtp",
         sys.executable, "-I", "-c", code],
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        assert b"Listening on" in process.stderr.readline()
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            assert client.recv(100) == b"220 activated"
    finally:
        process.kill()
        process.communicate()


def test_sockets_meant_for_others_are_left_alone() -> None:
    assert inherited({}, 1) == {}
    assert inherited({"LISTEN_PID": "1", "LISTEN_FDS": "2"}, 2) == {}


def test_what_is_not_a_listening_socket_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as unbound:
        run_child(
            """
            import os
            from pillarbox.base.errors import Misuse
            from pillarbox.net.sockets import inherited
            try:
                inherited(os.environ, os.getpid())
            except Misuse as error:
                assert "descriptor 3 (unknown)" in str(error), error
            else:
                raise SystemExit("accepted")
            """,
            fds=(unbound.fileno(),),
            LISTEN_FDS="1",
        )


def test_sd_notify(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        notifier = Notifier({"NOTIFY_SOCKET": str(path)}, Stopped())
        assert notifier.ready("5 doors\nopen")
        assert manager.recv(1000) == b"READY=1\nSTATUS=5 doors open"
        assert notifier.reloading()
        assert manager.recv(1000) == b"RELOADING=1\nMONOTONIC_USEC=12500000"
        assert notifier.alive()
        assert manager.recv(1000) == b"WATCHDOG=1"
        assert notifier.stopping()
        assert manager.recv(1000) == b"STOPPING=1"
    assert not notifier.ready()  # nobody there any more: no exception


def test_sd_notify_abstract_name() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0pillarbox-test-{os.getpid()}")
        assert Notifier({"NOTIFY_SOCKET": f"@pillarbox-test-{os.getpid()}"}, Stopped()).alive()
        assert manager.recv(100) == b"WATCHDOG=1"


def test_without_a_manager_nothing_happens() -> None:
    notifier = Notifier({}, Stopped())
    assert not notifier.ready()
    assert notifier.watchdog is None


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environ, Stopped()).watchdog == seconds


def test_privileges_go_for_good() -> None:
    if os.geteuid() != 0:
        could_not_run("not root")
    printed = run_child(
        """
        import os
        from pillarbox.net.privileges import drop_privileges
        from pillarbox.net.sockets import bind_tcp
        sock = bind_tcp("127.0.0.1", 0)
        os.setgroups([0, 1])
        drop_privileges("nobody")
        drop_privileges("nobody")  # again is nothing
        print(*os.getresuid(), *os.getresgid(), 0 in os.getgroups())
        for back in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
            try:
                back()
            except PermissionError:
                print("no")
        try:
            open("/etc/shadow")
        except PermissionError:
            print("no")
        sock[0].close()
        """
    )
    nobody = pwd.getpwnam("nobody")
    ids = f"{nobody.pw_uid} " * 3 + f"{nobody.pw_gid} " * 3 + "False"
    assert printed.splitlines() == [ids, "no", "no", "no", "no"]


def test_a_way_back_is_noticed() -> None:
    """With the way back left open on purpose the check must fail."""
    if os.geteuid() != 0:
        could_not_run("not root")
    run_child(
        """
        import os, pwd
        from pillarbox.net import privileges
        uid, gid = pwd.getpwnam("nobody")[2:4]
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, 0)
        assert not privileges._is_final(uid, gid)
        os.setresuid(0, 0, 0)
        real = os.setresuid
        os.setresuid = lambda r, e, s: real(r, e, 0 if e == uid else s)
        try:
            privileges.drop_privileges("nobody")
        except RuntimeError as error:
            assert "come back" in str(error)
        else:
            raise SystemExit("not noticed")
        """
    )


@pytest.mark.parametrize("user", ["root", "no-such-user-here"])
def test_impossible_users(user: str) -> None:
    with pytest.raises(Misuse, match=user):
        drop_privileges(user)


def test_unknown_group() -> None:
    with pytest.raises(Misuse, match="no-such-group"):
        drop_privileges("nobody", "no-such-group")


def test_an_ordinary_user_may_not_change() -> None:
    if os.geteuid() != 0:
        could_not_run("not root")
    run_child(
        """
        import os
        from pillarbox.base.errors import Misuse
        from pillarbox.net.privileges import drop_privileges
        drop_privileges("nobody")
        try:
            drop_privileges("daemon")
        except Misuse as error:
            assert "not started as root" in str(error)
        else:
            raise SystemExit("changed")
        """
    )


def test_unix_socket_has_no_open_moment(tmp_path: Path) -> None:
    """The mode is closed before it is right, and the umask is as before."""
    before = os.umask(0o022)
    os.umask(before)
    sock = bind_unix(tmp_path / "s")
    after = os.umask(before)
    sock.close()
    assert after == before
