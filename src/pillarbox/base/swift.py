"""Values that cannot be changed, made at the price of those that can.

A frozen dataclass sets each of its fields by a call, which is most of what making one costs, and a
message on its way in is described by two dozen of them. ``swift`` gives such a class an
``__init__`` that fills an instance while it is not frozen yet.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def swift(kind: type[T]) -> type[T]:
    """For ``@swift`` above ``@dataclass(frozen=True, slots=True)``: nothing else changes.

    Worth its line for classes of four fields and more that are made for every message. Not for
    one with a ``__post_init__``, a base with fields, or fields that ``__init__`` does not take.
    """
    frozen: Any = kind
    every = fields(frozen)
    draft = type(f"{kind.__name__}Draft", (), {"__slots__": frozen.__slots__})
    known: dict[str, Any] = {"Draft": draft, "Kind": kind, "turn": object.__setattr__}
    takes, sets = [], []
    for one in every:
        name = one.name
        takes.append(name)
        sets.append(f"    self.{name} = {name}")
        if one.default is not MISSING:
            known[f"_{name}"] = one.default
            takes[-1] += f"=_{name}"
        elif one.default_factory is not MISSING:
            known[f"_{name}"] = one.default_factory
            takes[-1] += f"=_{name}"  # it stands for its result, which each instance has anew
            sets[-1] = f"    self.{name} = _{name}() if {name} is _{name} else {name}"
    source = [f"def __init__(self, {', '.join(takes)}):", "    turn(self, '__class__', Draft)"]
    source += [*sets, "    self.__class__ = Kind"]
    exec("\n".join(source), known)  # noqa: S102  (as dataclass makes its own)
    made = known["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    made.__annotations__ = dict(frozen.__init__.__annotations__)
    frozen.__init__ = made
    return kind
