"""The plans of several recipients and the message itself, put into one transaction. Pure but for
the refusals, which are written only when they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pillarbox.delivery.sieve.plan import Plan
from pillarbox.model.refusal import Refusal
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope
from pillarbox.store.api import Appended, Parcel, Target
from pillarbox.store.journal import Pair, Telling

_DONE = Appended(0, 0, 0, 0, 0, 0)
"""Stands for what an earlier delivery kept."""
Results = Sequence[Appended | Refusal]


def said(
    envelope: Envelope, plans: Mapping[Pair, Plan], *, queue: bool, again: bool
) -> Mapping[Pair, Reply]:
    """The refusals that a reply can tell (RFC 5429 §2.1, §2.2).

    ``queue`` is SMTP, where one reply is for all: then only if everybody refuses. Without it each
    recipient has a reply of its own; ``again``: the queue makes a report of it, which is right
    for ``ereject`` only.
    """
    refusing = {pair: plan for pair, plan in plans.items() if plan.refused is not None}
    everybody = {
        (n, r) for n, one in enumerate(envelope.recipients) for r in range(len(one.routes))
    }
    if queue and refusing.keys() != everybody:
        return {}
    alone = {n for n, one in enumerate(envelope.recipients) if len(one.routes) == 1}
    can = {pair: plan for pair, plan in refusing.items() if plan.in_dialogue(again=again)}
    if queue:
        return {pair: plan.reply() for pair, plan in can.items()} if can == refusing else {}
    return {pair: plan.reply() for pair, plan in can.items() if pair[0] in alone}


def join(
    plan: Plan,
    pair: Pair,
    targets: list[Target],
    place: dict[Pair, int],
    telling: Telling,
    spoken: Mapping[Pair, Reply],
    *,
    waits: bool,
) -> None:
    """Add one recipient's plan to the message's own parcel. ``waits``: what does not fit goes to
    the queue; else the reply says so, and whoever sent it tries again."""
    telling.notes = (*telling.notes, *plan.notes)
    if pair in spoken:
        telling.refused = {**telling.refused, pair: spoken[pair]}
        return
    if not plan.targets:
        ended = f"refused by {plan.by}" if plan.refused else plan.ended
        telling.discarded = {**telling.discarded, pair: ended}
        return
    place[pair] = len(targets)
    for target in plan.targets:
        if not waits:
            target.pair = None
        targets.append(target)


async def also(
    plans: Mapping[Pair, Plan], spoken: Mapping[Pair, Reply], due: float | None
) -> list[Parcel]:
    """What goes along with the message: everything else that was planned, and the refusals that
    were not spoken. ``due``: when copies are tried again that do not fit now; None for what comes
    out of the queue, where the message itself is tried again."""
    parcels: list[Parcel] = []
    for pair, plan in plans.items():
        if pair in spoken:
            continue
        for parcel in plan.parcels:
            item = parcel.queued
            waits = replace(item, due=due) if item is not None and due is not None else None
            parcels.append(replace(parcel, queued=waits))
        if plan.refused is not None and plan.refuse is not None:
            refusal = await plan.refuse()
            if refusal is not None:
                parcels.append(refusal)
    return parcels


def settled(
    parcels: Sequence[Parcel], results: Sequence[Results | None], targets: Sequence[Target]
) -> tuple[list[Appended | Refusal], dict[Pair, Refusal]]:
    """The results of the message itself, and of the recipients whose changed copies do not fit and
    wait nowhere."""
    lacking: dict[Pair, Refusal] = {}
    for parcel, result in zip(parcels, results, strict=True):
        if parcel.queued is None and not parcel.more:
            for target, one in zip(parcel.targets, result or (), strict=False):
                if target.pair is not None and isinstance(one, Refusal):
                    lacking[target.pair] = one
    main = results[0]
    if main is None:  # a crash came between an earlier delivery and its settling
        return [_DONE] * len(targets), lacking
    return list(main), lacking
