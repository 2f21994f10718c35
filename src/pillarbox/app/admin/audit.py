"""Whether everything that was promised is there."""

from __future__ import annotations

from pillarbox.app.admin.rooms import Call, Value


async def audit(call: Call, repair: bool = False) -> Value:
    """Check the ledger and the store; with ``repair`` put right what can be."""
    seen = await call.store.audit(repair)
    return {
        "messages": seen.messages,
        "ends": dict(sorted(seen.ends.items(), key=lambda pair: (-pair[1], pair[0]))),
        "broken": seen.broken,
        "findings": [
            {"kind": one.kind, "text": one.text, "repaired": one.repaired} for one in seen.findings
        ],
    }
