"""The decision: from what is known to what is done. Pure.

Nothing is thrown away in silence: mail is refused while its sender listens, or filed as junk. A
fault of the DNS speaks against nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pillarbox.message import authres
from pillarbox.model.reply import Reply
from pillarbox.model.verdict import Action, Verdict
from pillarbox.policy.arc.verify import Verdict as Arc
from pillarbox.policy.dkim.verify import Verdict as Dkim
from pillarbox.policy.dmarc.evaluate import DmarcResult
from pillarbox.policy.dmarc.evaluate import Verdict as Dmarc
from pillarbox.policy.dmarc.record import Policy
from pillarbox.policy.inbound.facts import MOST_AUTHORS, Facts
from pillarbox.policy.inbound.options import Obey, OnFail, Options
from pillarbox.policy.spf.result import Verdict as Spf


class Exempt:
    """Why the wish of the author's domain was not followed (RFC 9990 §3.1.1.12)."""

    FORWARDER = "trusted_forwarder"
    LIST = "mailing_list"
    LOCAL = "local_policy"


@dataclass(frozen=True, slots=True)
class Judgement:
    """``exempt``: a word of ``Exempt``, '' where the wish was followed."""

    verdict: Verdict
    exempt: str = ""


_REFUSED = "{0} asks to refuse mail in its name that it does not stand behind (DMARC)"
_DISOWNED = "{0} says that {1} may not send its mail (SPF)"


def judge(facts: Facts, options: Options) -> Judgement:
    """What is done with a message, and why."""
    found = _by_dmarc(facts, options)
    if found.verdict.action is Action.ACCEPT and not found.exempt and not facts.dmarc_passed:
        found = _by_spf(facts, options)
    listed = _by_lists(facts, options)
    if _ORDER.index(listed.action) > _ORDER.index(found.verdict.action):
        found = Judgement(listed)
    return replace(found, verdict=replace(found.verdict, findings=facts.findings()))


_ORDER = list(Action)


def _by_lists(facts: Facts, options: Options) -> Verdict:
    """By what lists say about the client's address (RFC 5782)."""
    listed = facts.listed_by
    if listed is None or listed.score < min(options.junk_score, options.refuse_score):
        return Verdict()
    words = f"{facts.ip} is listed by {', '.join(listed.zones)}"
    if listed.score < options.refuse_score:
        return Verdict(Action.JUNK, words)
    return Verdict(Action.REFUSE, words, reply=Reply(550, "5.7.1", f"Refused: {words}"))


def _by_dmarc(facts: Facts, options: Options) -> Judgement:
    if options.dmarc is Obey.NOT:
        return Judgement(Verdict())
    if not facts.authors:
        return Judgement(Verdict(Action.JUNK, "it does not say in From who wrote it"))
    if len(facts.authors) > MOST_AUTHORS:
        return Judgement(Verdict(Action.JUNK, "it claims to be from too many authors"))
    failed = [one for one in facts.dmarc if one.verdict is Dmarc.FAIL]
    if not failed:  # what is unknown and might have spoken for it makes that no fail
        return Judgement(Verdict())
    # RFC 9989 §11.5: of several authors, the strictest
    order = (Policy.NONE, Policy.QUARANTINE, Policy.REJECT)
    worst = max(failed, key=lambda one: order.index(one.applied))
    if worst.applied is Policy.NONE:
        return Judgement(Verdict())
    return _failed(worst, facts, options)


def _failed(result: DmarcResult, facts: Facts, options: Options) -> Judgement:
    sealer = _vouched(result.author, facts, options)
    if sealer:
        reason = f"{sealer}, which passed it on and is trusted, saw that it is from {result.author}"
        return Judgement(Verdict(reason=reason), Exempt.FORWARDER)
    known = [one.domain for one in facts.identifiers if _below(one.domain, options.lists)]
    if known:
        reason = f"it comes by a mailing list of {known[0]}, which is trusted"
        return Judgement(Verdict(reason=reason), Exempt.LIST)
    words = _REFUSED.format(result.author)
    if result.applied is Policy.QUARANTINE:
        return Judgement(Verdict(Action.JUNK, f"{result.author} does not stand behind it (DMARC)"))
    if facts.listed and facts.identifiers:
        # RFC 9989 §7.4: a list changes what it passes on; whoever posts there is no forger
        return Judgement(Verdict(Action.JUNK, f"{words}, but it came by a list"), Exempt.LIST)
    if options.dmarc is Obey.JUNK:
        return Judgement(Verdict(Action.JUNK, words), Exempt.LOCAL)
    reply = Reply(550, "5.7.1", f"Refused: {words}")
    return Judgement(Verdict(Action.REFUSE, words, reply=reply))


def _by_spf(facts: Facts, options: Options) -> Judgement:
    """Where no policy of the author's speaks, the one of the envelope may."""
    spf = facts.spf
    signed = any(one.verdict is Dkim.PASS for one in facts.dkim or ())
    if spf is None or spf.verdict is not Spf.FAIL or signed or facts.unsure:
        return Judgement(Verdict())
    if options.spf_fail is OnFail.ACCEPT or options.dmarc is Obey.NOT:
        return Judgement(Verdict())
    words = _DISOWNED.format(spf.domain, facts.ip)
    if options.spf_fail is OnFail.JUNK:
        return Judgement(Verdict(Action.JUNK, words))
    said = f'; it says: "{spf.explanation}"' if spf.explanation else ""
    reply = Reply(550, "5.7.23", f"Refused: {words}{said}")  # RFC 7372 §3.2
    return Judgement(Verdict(Action.REFUSE, words, reply=reply))


def _vouched(author: str, facts: Facts, options: Options) -> str:
    """The trusted sealer that saw ``author`` pass, '' for none.

    Seals are believed from the last one back to the first that is not trusted: whoever stands
    behind a hand that is not trusted may have been made up by it.
    """
    arc = facts.arc
    if arc is None or arc.verdict is not Arc.PASS:
        return ""
    for sealer, told in zip(reversed(arc.sealers), reversed(arc.results), strict=True):
        if not _below(sealer, options.sealers):
            return ""
        for finding in authres.read(told.partition(";")[2]):
            about = dict(finding.properties).get("header.from", "").lower()
            if finding.method == "dmarc" and finding.result == "pass" and about == author:
                return sealer
    return ""


def _below(domain: str, known: frozenset[str]) -> bool:
    """Whether a domain or one above it is among the known."""
    labels = domain.split(".")
    return any(".".join(labels[place:]) in known for place in range(len(labels)))
