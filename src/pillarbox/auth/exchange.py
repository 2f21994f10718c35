"""One SASL exchange: answers the questions of a `wire.sasl` machine until there is an outcome."""

from __future__ import annotations

from pillarbox.auth.check import Attempt, Checks, Person
from pillarbox.auth.context import Context
from pillarbox.auth.results import LoginResult, Reason, Rejected
from pillarbox.wire.sasl.machine import (
    Challenge,
    CheckPassword,
    Done,
    Failed,
    Fault,
    NeedCredentials,
    ServerMachine,
    Step,
)

_PUBLIC = {
    Fault.MALFORMED: Reason.MALFORMED,
    Fault.UNSUPPORTED: Reason.MALFORMED,
    Fault.BINDING: Reason.CREDENTIALS,
    Fault.CREDENTIALS: Reason.CREDENTIALS,
}

Outcome = Challenge | LoginResult


class Exchange:
    """Made by ``Authenticator.begin``. Drop it when the client cancels or goes."""

    __slots__ = ("_checks", "_ctx", "_machine", "_mech", "_over", "_person", "_proved", "_user")

    def __init__(self, checks: Checks, mech: str, machine: ServerMachine, ctx: Context) -> None:
        self._checks = checks
        self._mech = mech
        self._machine = machine
        self._ctx = ctx
        self._user = ""
        self._person: Person | None = None
        self._proved: Done | None = None
        """Success whose additional data is with the client, who must answer with nothing."""
        self._over = False

    async def step(self, response: bytes | None) -> Outcome:
        """Take the initial response (None: there was none) or the response to a challenge.

        A Challenge is to be sent and answered; everything else is the end. Additional data with
        success goes out as one more Challenge: SMTP, IMAP and POP3 have no room for it in the
        outcome (RFC 4422 §3.6).
        """
        if self._over:
            raise RuntimeError("the exchange is over")
        outcome = await self._checks.guarded(self._advance(response))
        self._over = not isinstance(outcome, Challenge)
        return outcome

    @property
    def _attempt(self) -> Attempt:
        return Attempt(self._user, self._mech, self._ctx)

    async def _advance(self, response: bytes | None) -> Outcome:
        if self._proved is not None:
            if response:
                return self._malformed("a response where none was due")
            return await self._finish(self._proved)
        if self._person is not None:
            # Exchanges begun at once must not be as many guesses: the others failed meanwhile.
            locked = self._checks.locked(self._person, self._attempt)
            if locked is not None:
                return locked
        step = self._machine.step(response)
        if isinstance(step, NeedCredentials):
            asked = await self._ask(step)
            if isinstance(asked, Rejected):
                return asked
            step = asked
        return await self._conclude(step)

    async def _ask(self, question: NeedCredentials) -> Step | Rejected:
        """Look up who logs in by SCRAM, unless there were too many failures."""
        self._user = question.user
        person = self._person = await self._checks.find(question.user)
        if person is None:
            return self._malformed("not a name")
        locked = await self._checks.wait(person, self._attempt)
        return locked or question.answer(person.credentials, person.name)

    async def _conclude(self, step: Step) -> Outcome:
        match step:
            case CheckPassword(user, password, authzid):
                self._user = user
                return await self._checks.by_password(self._attempt, password, authzid)
            case Done(server_final=b""):
                return await self._finish(step)
            case Done(server_final=data):
                self._proved = step
                return Challenge(data)
            case Failed():
                return self._failed(step)
            case NeedCredentials():
                raise RuntimeError("one question an exchange")
            case Challenge():
                return step

    async def _finish(self, done: Done) -> LoginResult:
        if self._person is None:
            raise RuntimeError("a proof of nobody")
        return await self._checks.admit(self._person, done.authzid, self._attempt)

    def _failed(self, failed: Failed) -> Rejected:
        person = self._person
        if person is not None and _PUBLIC[failed.fault] is Reason.CREDENTIALS:
            return self._checks.wrong(person, self._attempt, failed.detail)
        return self._checks.refuse(self._attempt, Rejected(_PUBLIC[failed.fault], failed.detail))

    def _malformed(self, detail: str) -> Rejected:
        return self._checks.refuse(self._attempt, Rejected(Reason.MALFORMED, detail))
