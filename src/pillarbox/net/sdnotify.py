"""Tell the service manager how we are: systemd's readiness protocol, sd_notify(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from pillarbox.base.clock import Clock


class Notifier:
    """Sends states to the socket named in ``NOTIFY_SOCKET``; does nothing without one.

    Never raises: a service manager that does not listen must not stop the mail.
    """

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the NUL of Linux's abstract names.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._clock = clock
        self._watchdog = _watchdog(environ)

    @property
    def watchdog(self) -> float | None:
        """Seconds between two calls of ``alive`` that keep us from being killed; None: no need.

        Half of what the manager allows, as sd_watchdog_enabled(3) advises.
        """
        return self._watchdog

    def ready(self, status: str = "") -> bool:
        """The sockets accept: units that come after us may start. Also ends a reload."""
        return self._send("READY=1", status)

    def reloading(self) -> bool:
        """Configuration or certificates are being read again; ``ready`` follows."""
        return self._send("RELOADING=1", usec=int(self._clock.monotonic() * 1_000_000))

    def stopping(self, status: str = "") -> bool:
        """We drain and end."""
        return self._send("STOPPING=1", status)

    def alive(self) -> bool:
        """The event loop turns."""
        return self._send("WATCHDOG=1")

    def _send(self, state: str, status: str = "", usec: int | None = None) -> bool:
        """True if somebody took it."""
        if not self._address:
            return False
        lines = [state]
        if status:
            lines.append("STATUS=" + status.replace("\n", " "))
        if usec is not None:
            lines.append(f"MONOTONIC_USEC={usec}")  # Type=notify-reload needs it
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(1.0)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True


def _watchdog(environ: Mapping[str, str]) -> float | None:
    usec = environ.get("WATCHDOG_USEC", "")
    pid = environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2_000_000
