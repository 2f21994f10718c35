"""Operations on the scripts of accounts."""

from __future__ import annotations

from pillarbox.app.admin.rooms import Call, Value, account_of, granted
from pillarbox.base.errors import Misuse
from pillarbox.sieve.names import script_name
from pillarbox.sieve.run import compile_script


async def sieve_put(
    call: Call, address: str, name: str, source: str, activate: bool = False
) -> Value:
    """Keep a script, checked; ``activate``: it is the one that runs from now on."""
    account = await account_of(call.store, address)
    if complaint := script_name(name):
        raise Misuse(complaint)
    octets = source.encode("utf-8")
    compile_script(octets)
    granted(await call.store.put_script(account.id, name, octets), f"script {name}")
    if activate:
        granted(await call.store.activate_script(account.id, name), f"script {name}")
    return {"address": account.address, "name": name, "size": len(octets), "active": activate}


async def sieve_get(call: Call, address: str, name: str) -> Value:
    """A script's text."""
    account = await account_of(call.store, address)
    source = await call.store.script(account.id, name)
    if source is None:
        raise Misuse(f"{account.address} has no script {name!r}")
    return {"address": account.address, "name": name, "source": source.decode("utf-8", "replace")}


async def sieve_list(call: Call, address: str) -> Value:
    """All scripts of an account."""
    account = await account_of(call.store, address)
    found = await call.store.scripts(account.id)
    scripts = [{"name": one.name, "size": one.size, "active": one.active} for one in found]
    return {"address": account.address, "scripts": scripts}


async def sieve_activate(call: Call, address: str, name: str) -> Value:
    """Let one script run, and no other; with an empty name none runs."""
    account = await account_of(call.store, address)
    granted(await call.store.activate_script(account.id, name), f"script {name}")
    return {"address": account.address, "name": name}


async def sieve_remove(call: Call, address: str, name: str) -> Value:
    """Forget a script that is not active."""
    account = await account_of(call.store, address)
    granted(await call.store.remove_script(account.id, name), f"script {name}")
    return {"address": account.address, "name": name}
