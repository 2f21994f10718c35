"""What was found about a message, in words for the owner of a small company."""

from __future__ import annotations

from collections.abc import Mapping

from pillarbox.model.story import Judged
from pillarbox.model.verdict import Action, Finding, Verdict

_UNKNOWN = "could not be found out now"

_SPF = {
    "pass": "{0} says that {ip} may send its mail",
    "fail": "{0} says that {ip} may not send its mail",
    "softfail": "{0} says that {ip} is probably not one of the machines that send its mail",
    "neutral": "{0} does not want to say whether {ip} sends its mail",
    "none": "{0} does not say which machines send its mail",
    "permerror": "what {0} says about its machines makes no sense",
}
_DKIM = {
    "pass": "it is signed by {0} and was not changed since",
    "fail": "it bears a signature of {0} that does not hold: {reason}",
    "policy": "{0} signed only a part of it, which proves nothing about the rest",
    "neutral": "it bears a signature that nobody can read",
    "permerror": "it bears a signature in the name of {0} that cannot be checked: {reason}",
    "none": "it is not signed",
}
_ARC = {
    "pass": "those who passed it on sealed what they saw of it, and the seals hold",
    "fail": "those who passed it on sealed it, but it was changed since",
}
_DMARC = {
    "pass": "it really comes from {0}",
    "fail": "nothing proves that it comes from {0}, as it says",
    "none": "{0} does not say what shall be done with mail that only pretends to be from there",
    "permerror": "it does not say who wrote it",
}
_IPREV = {
    "pass": "{reason}, and that name leads back to it",
    "fail": "the name of the machine that sent it leads to another machine",
    "permerror": "the machine that sent it has no name",
}
_SPAM = {"no-action": "it does not look like spam: {reason}"}
_VIRUS = {"none": "no virus was found", "found": "it carries {reason}"}
_MILTER = {
    "continue": "a filter has nothing against it",
    "accept": "a filter has nothing against it",
}
_HOOK = {
    "pass": "the hook {0} looked at it: {reason}",
    "junk": "the hook {0} takes it for junk: {reason}",
    "fail": "the hook {0} refuses it: {reason}",
    "defer": "the hook {0} puts it off: {reason}",
    "temperror": "the hook {0} failed: {reason}",
}
_DNSBL = {
    "pass": "the machine that sent it is on a list of good ones: {reason}",
    "fail": "the machine that sent it is on a list of bad ones: {reason}",
}
_WORDS: Mapping[str, tuple[Mapping[str, str], str]] = {
    "spf": (_SPF, "smtp."),
    "dkim": (_DKIM, "header.d"),
    "arc": (_ARC, ""),
    "dmarc": (_DMARC, "header.from"),
    "iprev": (_IPREV, ""),
    "spam": (_SPAM, ""),
    "virus": (_VIRUS, ""),
    "milter": (_MILTER, ""),
    "dnsbl": (_DNSBL, ""),
    "hook": (_HOOK, "policy.hook"),
}
DECIDED = {
    Action.ACCEPT: "taken",
    Action.JUNK: "filed as junk",
    Action.DEFER: "put off",
    Action.REFUSE: "refused",
}
"""In a story; ``pillarbox replay`` reads it back."""


def told(verdict: Verdict, ip: str) -> tuple[Judged, ...]:
    """One event a finding, then the decision; none for mail that nobody looked at. ``ip``: of
    the machine that brought it."""
    findings = (*verdict.findings, *verdict.personal)
    if not findings:
        return ()
    found = [Judged(one.method, one.result, _words(one, ip)) for one in findings]
    return (*found, _decision(verdict))


def _decision(verdict: Verdict) -> Judged:
    if verdict.action is not Action.ACCEPT or not verdict.junk_for:
        reason = verdict.reason or "nothing speaks against it"
        return Judged("all", DECIDED[verdict.action], reason)
    who = "its recipient" if len(verdict.junk_for) == 1 else "some of its recipients"
    return Judged("all", "taken", f"to be filed as junk, as {who} taught the filter")


def _words(finding: Finding, ip: str) -> str:
    words, prop = _WORDS.get(finding.method, ({}, ""))
    named = [value for name, value in finding.properties if prop and name.startswith(prop)]
    pattern = words.get(finding.result, _UNKNOWN if finding.result == "temperror" else "{reason}")
    reason = finding.reason or "no more is known"
    return pattern.format(named[0] if named else "somebody", ip=ip, reason=reason)
