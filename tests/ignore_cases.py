"""Ignore files with what git 2.52 and newer make of them, and a walk that asks IgnoreRules the way the planner does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.sources.ignoring import IgnoreRules, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Case(NamedTuple):
    """The ignore file of one directory, and entries below it; directories end in a slash."""

    text: bytes
    ignored: Sequence[str]
    kept: Sequence[str]


def decide_all(entries: Sequence[str], ignore_files: Mapping[str, bytes], file_name: str) -> dict[str, Rule | None]:
    """Decide about all entries; what is below an ignored directory gets the rule that decided about the directory.

    Args:
        entries: paths, each directory with a slash at its end and before what is in it.
        ignore_files: contents by directory: `""`, `"a/"`, `"a/b/"`.
        file_name: how the rules name those files, after the directory.
    """
    decided: dict[str, Rule | None] = {}
    rules = {"": IgnoreRules.root(ignore_files.get(""), file_name)}
    for entry in entries:
        parent, name = os.path.split(entry.rstrip("/"))
        parent += "/" if parent else ""
        if parent not in rules:
            decided[entry] = decided[parent]
            continue
        is_dir = entry.endswith("/")
        rule = decided[entry] = rules[parent].decide(name, is_dir=is_dir)
        if is_dir and (rule is None or rule.negated):
            rules[entry] = rules[parent].child(name, ignore_files.get(entry), entry + file_name)
    return decided


# What pathspec 1.1.1's patterns decide differently or refuse, fed line by line with text or with bytes.
DEPARTURES = [
    Case(b"?", ignored=["a"], kept=["\xe9", "ab"]),
    Case(b"??", ignored=["\xe9", "ab"], kept=[]),
    Case(b"[\xc3\xa9]", ignored=[], kept=["\xe9", "a"]),
    Case(b"[!a]", ignored=["b"], kept=["a", "\xe9"]),
    Case(b"x[!a]y", ignored=["xby"], kept=["x\xe9y"]),
    Case(b"[[:alnum:]]", ignored=["a", "Z", "5", "l", "p"], kept=[" ", "\t", "-", "_", "\x0b", "\x7f", ":"]),
    Case(b"[[:alpha:]]", ignored=["a", "Z", "l", "p"], kept=["5", " ", "\t", "-", "_", "\x0b", "\x7f", ":"]),
    Case(b"[[:blank:]]", ignored=[" ", "\t"], kept=["a", "Z", "5", "-", "_", "\x0b", "\x7f", ":", "l", "p"]),
    Case(b"[[:cntrl:]]", ignored=["\t", "\x0b", "\x7f"], kept=["a", "Z", "5", " ", "-", "_", ":", "l", "p"]),
    Case(b"[[:digit:]]", ignored=["5"], kept=["a", "Z", " ", "\t", "-", "_", "\x0b", "\x7f", ":", "l", "p"]),
    Case(b"[[:graph:]]", ignored=["a", "Z", "5", "-", "_", ":", "l", "p"], kept=[" ", "\t", "\x0b", "\x7f"]),
    Case(b"[[:lower:]]", ignored=["a", "l", "p"], kept=["Z", "5", " ", "\t", "-", "_", "\x0b", "\x7f", ":"]),
    Case(b"[[:print:]]", ignored=["a", "Z", "5", " ", "-", "_", ":", "l", "p"], kept=["\t", "\x0b", "\x7f"]),
    Case(b"[[:punct:]]", ignored=["-", "_", ":"], kept=["a", "Z", "5", " ", "\t", "\x0b", "\x7f", "l", "p"]),
    Case(b"[[:space:]]", ignored=[" ", "\t"], kept=["a", "Z", "5", "-", "_", "\x0b", "\x7f", ":", "l", "p"]),
    Case(b"[[:upper:]]", ignored=["Z"], kept=["a", "5", " ", "\t", "-", "_", "\x0b", "\x7f", ":", "l", "p"]),
    Case(b"[[:xdigit:]]", ignored=["a", "5"], kept=["Z", " ", "\t", "-", "_", "\x0b", "\x7f", ":", "l", "p"]),
    Case(b"[z-a]", ignored=["z"], kept=["a", "m"]),
    Case(rb"[\]]", ignored=["]"], kept=["\\"]),
    Case(rb"[a\-z]", ignored=["-", "a"], kept=["b", "\\"]),
    Case(b"a\\", ignored=[], kept=["a", "a\\"]),
    Case(rb"a\  ", ignored=["a "], kept=["a"]),
    Case(rb"a\\ ", ignored=["a\\"], kept=["a\\ "]),
    Case(b"a\t", ignored=["a\t"], kept=["a"]),
    Case(b"a\x0b", ignored=["a\x0b"], kept=["a"]),
    Case(b"a\xc2\xa0", ignored=["a\xa0"], kept=["a"]),
    Case(b"a\r\r\n", ignored=["a\r"], kept=["a"]),
    Case(b"a\r \n", ignored=["a\r"], kept=["a"]),
    Case(b"\xef\xbb\xbfa", ignored=["a"], kept=[]),
    Case(b"x/a**/b", ignored=["x/az/b", "x/a/b"], kept=["x/", "x/ab", "x/az/", "x/az/q/", "x/az/q/b", "x/a/"]),
    Case(b"a/**", ignored=["a/b"], kept=["a/", "b"]),
    Case(b"a/***/b", ignored=["a/b", "a/c/b"], kept=["a/", "a/c/"]),
    Case(b"a/**/", ignored=["a/c/", "a/c/d/"], kept=["a/", "a/b"]),
    Case(rb"**\/a", ignored=["b/a", "b/c/a"], kept=["a", "b/", "b/c/"]),
    Case(rb"*\/a", ignored=["b/a"], kept=["a", "b/", "b/c/", "b/c/a"]),
    Case(rb"a\/b", ignored=["a/b"], kept=["a/"]),
    Case(b"a[!x]b", ignored=[], kept=["a/", "a/b"]),
    Case(b"x/a[!x]b", ignored=["x/ayb"], kept=["x/", "x/a/", "x/a/b"]),
    Case(b"*\n!", ignored=["a"], kept=[]),
    Case(b"a\x00b", ignored=["a"], kept=[]),
    Case(rb"[a-\]]", ignored=[], kept=["]", "b", "^"]),
    Case(b"[[:alpha:][:digit:]]", ignored=["a", "1"], kept=["-"]),
    Case(b"\\", ignored=[], kept=["\\"]),
    Case(b"*\\", ignored=[], kept=["a", "a\\"]),
    Case(b"a[^/]b", ignored=["axb"], kept=["a/", "a/b"]),
    Case(b"[[:alpha:]-z]", ignored=["-", "z", "m"], kept=["1"]),
    Case(b"[a-[:alpha:]]", ignored=[], kept=["a:]", "b]", "]"]),
    Case(b"[[:space:]]", ignored=["\t", "\n", " "], kept=["\x0b"]),
    Case(b"***/a", ignored=["a", "b/a"], kept=["b/"]),
]

# What they decide as git does.
AGREEMENTS = [
    Case(b"[[:bogus:]]", ignored=[], kept=["a", "Z", "5", " ", "\t", "-", "_", "\x0b", "\x7f", ":", "l", "p"]),
    Case(b"[^a]", ignored=["b"], kept=["a"]),
    Case(b"[]a]", ignored=["]", "a"], kept=[]),
    Case(b"[!]a]", ignored=["b"], kept=["]", "a"]),
    Case(b"[a-", ignored=[], kept=["[a-", "a"]),
    Case(rb"[\\]", ignored=["\\"], kept=[]),
    Case(b"[[:]", ignored=[":", "["], kept=[]),
    Case(b"[[:]]", ignored=[":]", "[]"], kept=[":", "[", "]"]),
    Case(b"[[::]]", ignored=[], kept=[":", "[", "]", ":]"]),
    Case(b"[[:a[:b]", ignored=["[", ":", "a", "b"], kept=["c", "]"]),
    Case(b"[[:a[:digit:]]", ignored=[], kept=["1", "1]", "a", "a]"]),
    Case(b"[[:a[:b", ignored=[], kept=["a", "["]),
    Case(b"[[=a=]]", ignored=["a]", "=]", "[]"], kept=["a", "="]),
    Case(b"[[.a.]]", ignored=["a]", ".]", "[]"], kept=["a"]),
    Case(rb"[[:\]a]", ignored=["[", ":", "]", "a"], kept=["\\"]),
    Case(b"[+-[:digit:]]", ignored=["1]", "[]", ":]"], kept=["1", "a]"]),
    Case(b"[[:digit:]-[:upper:]]", ignored=["-", "1", "A"], kept=["a", "[", ":"]),
    Case(b"[a[]", ignored=["[", "a"], kept=[]),
    Case(b"[a&&b]", ignored=["&"], kept=[]),
    Case(b"[+--]", ignored=["+", ",", "-"], kept=[".x"]),
    Case(b"[a-c-e]", ignored=["-", "e"], kept=["d"]),
    Case(rb"a\ ", ignored=["a "], kept=["a"]),
    Case(b"a\r\n", ignored=["a"], kept=["a\r"]),
    Case(b"a\r", ignored=["a"], kept=["a\r"]),
    Case(b"a\rb\n", ignored=["a\rb"], kept=["a", "b"]),
    Case(b"a \r\n", ignored=["a"], kept=["a "]),
    Case(b"x\n\xef\xbb\xbfa", ignored=["\ufeffa"], kept=["a"]),
    Case(b"a\x0cb\n", ignored=["a\x0cb"], kept=["a", "b"]),
    Case(b"a\xe2\x80\xa8b\n", ignored=["a\u2028b"], kept=["a", "b"]),
    Case(b"a\x1cb", ignored=[], kept=["a", "b"]),
    Case(b"a**b", ignored=["axb", "ab"], kept=["a/", "a/b"]),
    Case(b"x/a**b", ignored=["x/ab", "x/azb"], kept=["x/", "x/a/", "x/a/b"]),
    Case(b"[x]/a**/b", ignored=["x/az/b"], kept=["x/", "x/ab", "x/az/", "x/az/q/", "x/az/q/b"]),
    Case(b"foo**/bar", ignored=["foo/bar", "foox/bar"], kept=["foobar", "foo/", "foo/x/", "foo/x/bar", "foox/"]),
    Case(b"/foo**/bar", ignored=["foo/bar"], kept=["foobar", "foo/", "foo/x/", "foo/x/bar"]),
    Case(b"*\n!*/\n!x**/a\n!!!**/a", ignored=["xa", "!!a"], kept=["x/", "x/a", "!!/", "!!/a"]),
    Case(b"x/a**", ignored=["x/a", "x/ab"], kept=["x/"]),
    Case(b"x/a**", ignored=["x/a/", "x/a/b/", "x/a/b/c"], kept=["x/"]),
    Case(b"x/a**\n!x/a", ignored=[], kept=["x/", "x/a/", "x/a/b"]),
    Case(rb"xa**\/b", ignored=["xa/b", "xab/b"], kept=["xa/", "xa/c/", "xa/c/b", "xab/"]),
    Case(b"a\xff**/b", ignored=["a\udcff/b"], kept=["a\udcff/", "a\udcffb"]),
    Case(b"x/**b", ignored=["x/b", "x/zb"], kept=["x/", "x/q/", "x/q/b"]),
    Case(b"**/a", ignored=["a", "b/a"], kept=["b/"]),
    Case(b"a/**/b", ignored=["a/b", "a/c/b", "a/c/d/b"], kept=["a/", "a/c/", "a/c/d/"]),
    Case(b"/**", ignored=["a", "b/", "b/c"], kept=[]),
    Case(b"***", ignored=["a", "b/"], kept=[]),
    Case(b"/***", ignored=["a"], kept=[]),
    Case(b"**/", ignored=["b/", "b/c/", "b/d"], kept=["a"]),
    Case(b"**", ignored=["a", "b/"], kept=[]),
    Case(b"a/*", ignored=["a/b", "a/c/"], kept=["a/"]),
    Case(b"*/", ignored=["b/", "b/c"], kept=["a"]),
    Case(b"*/*", ignored=["b/c"], kept=["a", "b/"]),
    Case(b"a[/]b", ignored=[], kept=["a/", "a/b"]),
    Case(b"a/[!x]", ignored=["a/b"], kept=["a/"]),
    Case(b"a?b", ignored=[], kept=["a/", "a/b"]),
    Case(b"x/a?b", ignored=["x/a.b"], kept=["x/", "x/a/", "x/a/b"]),
    Case(b"a?", ignored=["ab/"], kept=["a/"]),
    Case(b"*\n!!x", ignored=["x"], kept=["!x"]),
    Case(rb"\!a", ignored=["!a"], kept=["a"]),
    Case(rb"\#a", ignored=["#a"], kept=[]),
    Case(b"#a", ignored=[], kept=["#a", "a"]),
    Case(b" #a", ignored=[" #a"], kept=[]),
    Case(b"*\n! a", ignored=["a"], kept=[" a"]),
    Case(b"/", ignored=[], kept=["a", "b/"]),
    Case(b"//a", ignored=[], kept=["a", "b/", "b/a"]),
    Case(b"a//b", ignored=[], kept=["a/", "a/b"]),
    Case(b"a//", ignored=[], kept=["a/", "a/b"]),
    Case(b"//", ignored=[], kept=["a", "b/"]),
    Case(b"/a/", ignored=["a/"], kept=["b/", "b/a/"]),
    Case(b"a/", ignored=[], kept=["a"]),
    Case(b"a/", ignored=["a/", "a/b"], kept=[]),
    Case(b" a", ignored=[" a"], kept=["a"]),
    Case(b"  a  ", ignored=["  a"], kept=["a"]),
    Case(b" ", ignored=[], kept=[" "]),
    Case(rb"\ ", ignored=[" "], kept=[]),
    Case(b"\x00a", ignored=[], kept=["a"]),
    Case(b"*\n!a\n", ignored=["b"], kept=["a"]),
    Case(b"a\n!a/b\n", ignored=["a/", "a/b"], kept=[]),
    Case(b"a/*\n!a/b", ignored=["a/c"], kept=["a/", "a/b"]),
    Case(rb"\a", ignored=["a"], kept=[]),
    Case(rb"\*", ignored=["*"], kept=["a"]),
    Case(rb"\[a]", ignored=["[a]"], kept=["a"]),
    Case(b"[a]]", ignored=["a]"], kept=["a"]),
    Case(b"a[", ignored=[], kept=["a["]),
    Case(b"a]", ignored=["a]"], kept=[]),
    Case(b"{a,b}", ignored=["{a,b}"], kept=["a"]),
    Case(b"$", ignored=["$"], kept=[]),
    Case(b"a+", ignored=["a+"], kept=["aa"]),
    Case(b"a.b", ignored=["a.b"], kept=["axb"]),
    Case(rb"[\a-c]", ignored=["b"], kept=[]),
    Case(b"[^!]", ignored=["^"], kept=["!"]),
    Case(b"[!^]", ignored=["a"], kept=["^"]),
    Case(b"[a", ignored=[], kept=["[a"]),
    Case(b"a\n[a", ignored=["a"], kept=[]),
    Case(b"\\\\", ignored=["\\"], kept=[]),
    Case(b"A", ignored=["A"], kept=["a"]),
    Case(b"[A-z]", ignored=["a", "_"], kept=[]),
    Case(b"a**//", ignored=[], kept=["a/", "a/b", "ab/", "ab/c"]),
    Case(b"a**//", ignored=[], kept=["a"]),
    Case(b"[!]", ignored=[], kept=["!", "]", "a"]),
    Case(b"*[!]", ignored=[], kept=["a[!", "ab"]),
    Case(b"[^]a]", ignored=["b"], kept=["]", "a"]),
    Case(b"[[:ALPHA:]a]", ignored=[], kept=["a", "A"]),
    Case(b"x[\x80-\xff]", ignored=["x\udce9"], kept=["xa", "x\xe9"]),
    Case(b"\xe9", ignored=["\udce9"], kept=["\xe9"]),
    Case(b"[!x]/b", ignored=["a/b"], kept=["a/", "x/", "x/b"]),
    Case(b"*.log\n!keep.log\n*.log/", ignored=["a.log", "b.log/"], kept=["keep.log", "keep.d/", "keep.d/keep.log"]),
    Case(b"a*b*c", ignored=["abc", "axbxc"], kept=["acb", "abcx"]),
    Case(b"*ab*abc", ignored=["ababc", "xabxabc"], kept=["abc"]),
    Case(
        b"x/**/y/*z/**/w",
        ignored=["x/y/z/w", "x/q/y/az/u/w"],
        kept=["x/", "x/y/", "x/y/z/", "x/q/", "x/q/y/", "x/q/y/az/", "x/q/y/az/u/", "x/q/y/w"],
    ),
    Case(b"/**/a", ignored=["a", "b/a"], kept=["b/"]),
    Case(b"**/a/b", ignored=["a/b", "c/a/b"], kept=["a/", "c/", "c/a/"]),
    Case(b"!a\na", ignored=["a"], kept=[]),
    Case(b"\n\n \n", ignored=[], kept=["a", " "]),
    Case(b"**/**/a", ignored=["a", "b/a"], kept=["b/"]),
    Case(b"\xef\xbb\xbf#a\nb", ignored=["b"], kept=["#a"]),
    Case(b"a#b", ignored=["a#b"], kept=["a"]),
    Case(b"-a", ignored=["-a"], kept=[]),
    Case(b".*", ignored=[".a"], kept=["a.b"]),
    Case(b"x/[z]a**/b", ignored=["x/za/b"], kept=["x/", "x/za/"]),
    Case(rb"a/\**", ignored=["a/*", "a/*b"], kept=["a/", "a/b"]),
]
