"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), both sides.

The password never crosses the wire, the server proves itself too, and with -PLUS both know that
they speak through one and the same TLS channel. Unknown users go through the whole exchange with
a made-up salt and fail where a wrong password fails.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from pillarbox.model.account import Credentials
from pillarbox.model.address import normal_local
from pillarbox.wire.sasl import b64, scramkeys, scramtext
from pillarbox.wire.sasl.machine import (
    MAX_FIELD,
    Abort,
    Challenge,
    ClientContext,
    Done,
    Failed,
    Fault,
    NeedCredentials,
    Respond,
    ServerContext,
    Step,
)
from pillarbox.wire.sasl.prep import saslprep

NAME = "SCRAM-SHA-256"
NAME_PLUS = "SCRAM-SHA-256-PLUS"

BINDING_TYPES = ("tls-exporter", "tls-unique", "tls-server-end-point")
"""As a client prefers them: bound to the connection (RFC 9266, RFC 5929 §3) before bound only to
the certificate (RFC 5929 §4)."""


class ScramServer:
    """One exchange: client-first, question, server-first, client-final, outcome."""

    __slots__ = ("_context", "_expect", "_first", "_keys", "_known", "_nonce", "_plus", "_signed")

    def __init__(self, context: ServerContext, *, plus: bool = False) -> None:
        self._context = context
        self._plus = plus
        self._expect: Callable[[bytes | None], Step] | None = self._take_first

    def step(self, response: bytes | None) -> Step:
        expect = self._expect
        if expect is None:
            raise RuntimeError("the exchange is over, or waits for an answer to its question")
        self._expect = None
        return expect(response)

    def _take_first(self, response: bytes | None) -> Step:
        if response is None:
            self._expect = self._take_first
            return Challenge(b"")  # RFC 5802 §5: client-first
        first = scramtext.client_first(response)
        if first is None:
            return Failed(Fault.MALFORMED, "invalid client-first-message")
        if first.mandatory:
            return Failed(Fault.UNSUPPORTED, "extensions-not-supported")
        fault = self._binding_fault(first)
        if fault is not None:
            return fault
        user, authzid = saslprep(first.user), saslprep(first.authzid)
        if not user or authzid is None or len(user.encode()) > MAX_FIELD:  # §5.1, n
            return Failed(Fault.MALFORMED, "invalid-username-encoding")
        self._first = first

        def answer(credentials: Credentials | None, identity: str = "") -> Step:
            return self._challenge(credentials, identity or normal_local(user))

        self._signed = (user, authzid)
        return NeedCredentials(user, authzid, answer)

    def _binding_fault(self, first: scramtext.ClientFirst) -> Failed | None:
        """What is wrong with the channel binding flag (RFC 5802 §6); None when nothing is."""
        if first.flag == "y" and self._context.bindings:
            # -PLUS was offered and the client did not see it: somebody took it off the list.
            return Failed(Fault.BINDING, "server-does-support-channel-binding")
        if (first.flag == "p") is not self._plus:
            return Failed(Fault.BINDING, "binding flag does not go with the mechanism's name")
        if first.flag == "p" and first.binding not in self._context.bindings:
            return Failed(Fault.UNSUPPORTED, "unsupported-channel-binding-type")
        return None

    def _challenge(self, credentials: Credentials | None, identity: str) -> Step:
        context = self._context
        keys = scramkeys.keys_of(credentials)
        self._known = keys is not None
        self._keys = keys or scramkeys.made_up(context.secret, identity, context.iterations)
        self._nonce = self._first.nonce + context.nonce()
        self._expect = self._take_final
        return Challenge(server_first(self._nonce, self._keys))

    def _take_final(self, response: bytes | None) -> Step:
        final = scramtext.client_final(response or b"")
        if final is None or len(final.proof) != scramkeys.KEY_OCTETS:
            return Failed(Fault.MALFORMED, "invalid client-final-message")
        if not hmac.compare_digest(final.nonce.encode(), self._nonce.encode()):  # §5.1, r
            return Failed(Fault.MALFORMED, "the nonce is not ours")
        first, keys = self._first, self._keys
        channel = self._context.bindings[first.binding] if self._plus else b""
        if not hmac.compare_digest(final.binding, first.gs2.encode() + channel):  # §6
            return Failed(Fault.BINDING, "channel-bindings-dont-match")
        message = auth_message(first.bare, server_first(self._nonce, keys), final.signed)
        claimed = scramkeys.xor(final.proof, scramkeys.sign(keys.stored_key, message))
        proved = hmac.compare_digest(scramkeys.stored_key(claimed), keys.stored_key)
        if not (proved and self._known):
            return Failed(Fault.CREDENTIALS, "invalid-proof")
        user, authzid = self._signed
        verifier = b64.encode(scramkeys.sign(keys.server_key, message))
        return Done(user, authzid, b"v=" + verifier)


def server_first(nonce: str, keys: scramkeys.Keys) -> bytes:
    """The server-first-message (RFC 5802 §7)."""
    salt = b64.encode(keys.salt).decode("ascii")
    return f"r={nonce},s={salt},i={keys.iterations}".encode()


def auth_message(client_first_bare: str, first_of_server: bytes, client_signed: str) -> bytes:
    """AuthMessage: what both proofs are about (RFC 5802 §3)."""
    return b",".join((client_first_bare.encode(), first_of_server, client_signed.encode()))


def preferred_binding(bindings: Mapping[str, bytes]) -> str:
    """The type a client should use; '' when there is none."""
    return next((kind for kind in BINDING_TYPES if kind in bindings), "")


class ScramClient:
    """Logs in, and checks that the server knew the password's keys all along.

    ``plus_seen``: the server offered -PLUS. With a TLS channel and without that offer the flag is
    ``y``, which an honest server with -PLUS refuses (RFC 5802 §6). ``step`` computes Hi, tens of
    milliseconds with many iterations: use a worker thread where that matters.
    """

    __slots__ = ("_bare", "_context", "_expect", "_gs2", "_nonce", "_verifier", "name", "satisfied")

    def __init__(self, context: ClientContext, *, plus_seen: bool = False) -> None:
        self._context = context
        binding = preferred_binding(context.bindings)
        self.name = NAME_PLUS if plus_seen and binding else NAME
        self.satisfied = False
        flag = f"p={binding}" if self.name == NAME_PLUS else "y" if binding else "n"
        authzid = f"a={scramtext.escape(context.authzid)}" if context.authzid else ""
        self._gs2 = f"{flag},{authzid},"
        self._nonce = context.nonce()
        user = saslprep(context.user)
        self._bare = f"n={scramtext.escape(user or context.user)},r={self._nonce}"
        self._verifier = b""
        self._expect: Callable[[bytes], Respond | Abort] = self._take_first

    def start(self) -> bytes:
        return (self._gs2 + self._bare).encode()

    def step(self, challenge: bytes) -> Respond | Abort:
        if not challenge and self._expect == self._take_first:
            return Respond(self.start())  # the server did not take it with the command
        return self._expect(challenge)

    def _take_first(self, challenge: bytes) -> Respond | Abort:
        self._expect = self._nothing_more
        first = scramtext.server_first(challenge)
        password = saslprep(self._context.password)
        if first is None or first.mandatory or not password:
            return Abort("invalid server-first-message, or a password SASLprep refuses")
        if not first.nonce.startswith(self._nonce) or first.nonce == self._nonce:  # §5.1, r
            return Abort("the server's nonce does not continue ours")
        if first.iterations > self._context.max_iterations:  # §9
            return Abort("the server asks for too many iterations")
        salted = scramkeys.salted_password(password, first.salt, first.iterations)
        binding = preferred_binding(self._context.bindings) if self.name == NAME_PLUS else ""
        channel = self._gs2.encode() + (self._context.bindings[binding] if binding else b"")
        signed = f"c={b64.encode(channel).decode()},r={first.nonce}"
        message = auth_message(self._bare, challenge, signed)
        key = scramkeys.client_key(salted)
        proof = scramkeys.xor(key, scramkeys.sign(scramkeys.stored_key(key), message))
        self._verifier = scramkeys.sign(scramkeys.server_key(salted), message)
        self._expect = self._take_final
        return Respond(f"{signed},p={b64.encode(proof).decode()}".encode())

    def _take_final(self, challenge: bytes) -> Respond | Abort:
        self._expect = self._nothing_more
        final = scramtext.server_final(challenge)
        if final is None or final.error:
            return Abort(f"the server says {final.error}" if final else "no server-final-message")
        if not hmac.compare_digest(final.signature, self._verifier):
            return Abort("the server does not know the password")
        self.satisfied = True
        return Respond(b"")

    def _nothing_more(self, _challenge: bytes) -> Respond | Abort:
        return Abort("a challenge after the end")
