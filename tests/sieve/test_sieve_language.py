"""The language itself: tokens, syntax, checking, control (RFC 5228 §2, §3, §8)."""

from __future__ import annotations

import pytest

from pillarbox.sieve.limits import Limits
from pillarbox.sieve.problem import Invalid
from pillarbox.sieve.run import compile_script
from support.sievesay import complaints, decide, holds, outcome

GOOD = [
    "",
    "# a comment\n/* another\n one */ keep;",
    "KEEP;",
    "if true {}",
    'require "fileinto"; fileinto "a";',
    'require ["fileinto", "reject"];',
    'require ["comparator-i;octet", "comparator-i;ascii-casemap"]; keep;',
    "if size :over 100K { discard; } elsif size :under 1M { keep; } else { stop; }",
    "if not anyof (true, false, allof (true)) { keep; }",
    'redirect "a@b.example";',
    'if header :is "a" ["b", "c"] { keep; }',
    'if header :comparator "i;octet" :is ["a"] "b" { keep; }',
    'require "reject"; reject text: # why\nline\n..dot\n.\n;',
    "\ufeffkeep;",
    "if true{if true{if true{if true{if true{if true{if true{if true{if true{if true{"
    "if true{if true{if true{if true{if true{ keep; }}}}}}}}}}}}}}}",
    "if not not not not not not not not not not not not not not not true { keep; }",
]


@pytest.mark.parametrize("script", GOOD)
def test_good_scripts_are_good(script: str) -> None:
    assert complaints(script) == []


BAD = [
    ("keep", 1, 5, '";" or a block'),
    ("keep;\n  hedaer;", 2, 3, "unknown command"),
    ("if hedaer {}", 1, 4, "unknown test"),
    ("if keep {}", 1, 4, "a command, not a test"),
    ("true;", 1, 1, "a test, not a command"),
    ("else { keep; }", 1, 1, 'only after "if"'),
    ("if true {} keep; elsif true {}", 1, 18, "only after"),
    ("if true {} else {} else {}", 1, 20, "only after"),
    ("if true keep;", 1, 1, "needs a block"),
    ("if true { keep; ", 1, 17, '"}"'),
    ("keep; }", 1, 7, "unexpected"),
    ("if {}", 1, 1, "needs one test"),
    ("if (true) {}", 1, 1, "needs one test"),
    ("if anyof true {}", 1, 4, "list of tests"),
    ("if true, false {}", 1, 8, '";" or a block'),
    ("if not (true) {}", 1, 4, "one test"),
    ("keep {}", 1, 1, "takes no block"),
    ("if true;", 1, 1, "needs a block"),
    ("stop true;", 1, 6, "takes no test"),
    ('fileinto "a";', 1, 1, 'require "fileinto"'),
    ('keep; require "fileinto";', 1, 7, "beginning"),
    ('if true { require "fileinto"; }', 1, 11, "beginning"),
    ('require "nothing-such";', 1, 9, "no extension"),
    ("require;", 1, 1, "takes one string"),
    ("require 5;", 1, 1, "takes one string"),
    ('require ["fileinto" "copy"];', 1, 21, '"]"'),
    ("require [];", 1, 10, "a string"),
    ('redirect "nobody";', 1, 1, "no address"),
    ("redirect;", 1, 1, "plain arguments"),
    ('redirect "a@b.example" "c@d.example";', 1, 1, "plain arguments"),
    ('redirect ["a@b.example"];', 1, 10, "is to be a string"),
    ("redirect 5;", 1, 10, "is to be a string"),
    ('redirect :copy "a@b.example";', 1, 1, 'require "copy"'),
    ('redirect :nothing "a@b.example";', 1, 10, "knows no"),
    ('if header "a" "b" :is {}', 1, 19, "after a plain argument"),
    ('if header :is :contains "a" "b" {}', 1, 15, "exclude each other"),
    ('if header :is :is "a" "b" {}', 1, 15, "twice"),
    ('if header :comparator "i;none" "a" "b" {}', 1, 23, "no comparator"),
    ('if header :comparator :is "a" "b" {}', 1, 11, "needs a string"),
    ('if header :comparator "i;ascii-numeric" "a" "b" {}', 1, 4, "comparator-i;ascii-numeric"),
    (
        'require "comparator-i;ascii-numeric";\n'
        'if header :contains :comparator "i;ascii-numeric" "a" "b" {}',
        2, 4, "does not work",
    ),
    ("if size 100 {}", 1, 4, "plain arguments"),
    ("if size {}", 1, 4, ":over"),
    ("if size :over 1 :under 2 {}", 1, 17, "exclude"),
    ('if size :over "1" {}', 1, 15, "a number"),
    ("if size :over 1X {}", 1, 15, "K, M or G"),
    ("if size :over 99999999999999999999999 {}", 1, 15, "too large"),
    ("if size :over 9999999999G {}", 1, 15, "too large"),
    ('if address "subject" "x" {}', 1, 4, "holds no addresses"),
    ('keep; "', 1, 7, "never ends"),
    ("keep; /* x", 1, 7, "comment never ends"),
    ("require \"reject\"; reject text:\nx\n", 1, 26, "text never ends"),
    ("keep; %", 1, 7, "unexpected character"),
    (": keep;", 1, 1, "name right after"),
    ("if true {" * 40 + "}" * 40, 1, 298, "nested too deeply"),
    ("if " + "not " * 40 + "true {}", 1, 132, "nested too deeply"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "line", "column", "words"), BAD)
def test_bad_scripts_are_told_where(script: str, line: int, column: int, words: str) -> None:
    found = complaints(script)
    assert found
    assert found[0].startswith(f"line {line}, column {column}: ")
    assert words in found[0]


def test_bad_octets_have_a_place() -> None:
    assert complaints(b"keep;\n# \xc3\xa9\xff")[0].startswith("line 2, column 4: this is not UTF-8")
    assert complaints(b"keep;\nkeep\0;")[0].startswith("line 2, column 5: ")


def test_all_complaints_are_told_at_once() -> None:
    assert len(complaints('nope; fileinto "x"; if hedaer {}\nstop 1;')) == 4


def test_a_script_has_bounds() -> None:
    with pytest.raises(Invalid, match="larger than"):
        compile_script(b"#" * 101, Limits(script=100))
    with pytest.raises(Invalid, match="too many commands"):
        compile_script(b"keep;" * 11, Limits(commands=10))


def test_strings() -> None:
    """RFC 5228 §2.4.2: quotes, backslashes, dots, lines."""
    reject = 'require "reject"; reject '
    assert outcome(reject + r'"a\"b\\c\d";').actions[0].reason == 'a"b\\cd'
    assert outcome(reject + '"a\nb";').actions[0].reason == "a\r\nb"
    assert outcome(reject + "text:\na\n..\n..b\n.\n;").actions[0].reason == "a\r\n.\r\n.b\r\n"
    assert outcome(reject + "text:\r\na\r\n.\r\n;").actions[0].reason == "a\r\n"


@pytest.mark.parametrize(
    ("number", "octets"), [("0", 0), ("10", 10), ("2K", 2048), ("1m", 1 << 20), ("1G", 1 << 30)]
)
def test_numbers(number: str, octets: int) -> None:
    message = b"A: b\r\n\r\n" + b"x" * (min(octets, 4096) - 8 if octets > 8 else 0)
    expected = len(message) > octets
    assert holds(f"size :over {number}", message=message) is expected


def test_control() -> None:
    assert decide("if false { discard; } elsif true { keep; } else { discard; }") == ["keep"]
    assert decide("if false { keep; } elsif false { keep; } else { discard; }") == ["discard"]
    assert decide("if true { stop; } discard;") == ["keep (implicit)"]
    assert decide("if true { if false { discard; } elsif false {} } else { discard; }") == [
        "keep (implicit)"
    ]
    assert decide("discard; stop; keep;") == ["discard"]


def test_the_implicit_keep() -> None:
    """RFC 5228 §2.10.2."""
    assert decide("") == ["keep (implicit)"]
    assert decide("keep; keep;") == ["keep"]
    assert decide('redirect "a@b.example";') == ['redirect "a@b.example"']
    assert decide('require "fileinto"; fileinto "x"; keep;') == ['fileinto "x"', "keep"]
    assert decide("discard; keep;") == ["discard", "keep"]


def test_the_same_thing_twice_is_done_once() -> None:
    """RFC 5228 §2.10.3."""
    assert decide('require "fileinto"; fileinto "a"; fileinto "a"; fileinto "b";') == [
        'fileinto "a"',
        'fileinto "b"',
    ]
    assert decide('redirect "a@B.example"; redirect "a@b.example";') == ['redirect "a@B.example"']
    assert decide('require "fileinto"; keep; fileinto "InBox";') == ["keep"]


def test_an_error_undoes_all_and_keeps() -> None:
    """RFC 5228 §2.10.6."""
    script = 'require ["fileinto", "variables"];\nset "a" "x y";\nfileinto "b";\nredirect "${a}";'
    assert decide(script) == ['error: line 4: "x y" is no address', "keep (implicit)"]


def test_limits_end_in_a_keep() -> None:
    many = "".join(f'redirect "a{n}@b.example";' for n in range(9))
    assert decide(many)[0].startswith("error: line 1: the script does redirect more than 8")
    loop = 'require ["variables"];' + "if true {}" * 100
    assert decide(loop, limits=Limits(steps=50))[-1] == "keep (implicit)"
    assert "steps" in decide(loop, limits=Limits(steps=50))[0]


SIZES = [(b"x" * 92, False, False), (b"x" * 91, False, True), (b"x" * 93, True, False)]


@pytest.mark.parametrize(("body", "over", "under"), SIZES)
def test_size_is_neither_over_nor_under_itself(body: bytes, over: bool, under: bool) -> None:
    message = b"A: bc\r\n\r\n"[:8] + body
    assert holds("size :over 100", message=message) is over
    assert holds("size :under 100", message=message) is under


def test_a_complaint_repeats_little_of_a_script() -> None:
    """It goes into answers, logs and stories."""
    with pytest.raises(Invalid) as caught:
        compile_script(b'require "' + b"a" * 500_000 + b'";')
    assert len(str(caught.value)) < 600
    assert 'there is no extension "aaa' in str(caught.value)
