# SPDX-License-Identifier: BSD-2-Clause
"""`make viva LAB=pv SUB=folder SEED=n [STUDENT=1]`: five questions about what a student changed.

They are drawn by the seed from the difference between the lab's starter and the submission (a
folder or an archive, as `make batch` takes it), of kinds as different as there are. For the
instructor each says what a good answer holds, the rule of the lab that is nearest by its words, and
shipped wrong solutions that change the same call. STUDENT=1 prints the questions alone.
"""

from __future__ import annotations

import os
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from grade import csource, entry, lab_forms, options
from grade import lab as labs
from grade.lab import Lab
from grade.rng import Rng
from grade.staff import batch_files, mutants
from grade.staff.viva_sites import Headers, Site, own_lines, sites_of, sizes
from grade.vet import Refused

QUESTIONS = 5
PART = 83
"""Of a seed: its sequence for these questions."""
LARGEST = 6
"""Functions that are asked about as a whole: of the largest ones."""
MUTANTS, ALIKE = 2, 2
"""So many are named; names that a call's line shares with what they change."""
CALLED = re.compile(r"\b(\w+)\(")
WIDTH = 98


@dataclass(frozen=True)
class Kind:
    ask: str
    good: str
    words: str
    """A pattern: of rules that such a question may be about."""


KINDS = {
    "order": Kind(
        "{call}, and then {other} in line {later}. What breaks if the two change places?",
        "an order of events, on another CPU or in a thread that runs between the two, with what "
        "each sees; or the reason why here it does not matter, and where it would.",
        r"flush|TLB|before|after|order|forgotten|locks"),
    "lock": Kind(
        "{call}: which data does it guard here, and what happens without it?",
        "the fields or the list, who else changes them and from where, and one order of events "
        "that goes wrong; which locks are held already, and why this order is allowed.",
        r"\b[Ll]ock|held|order|CPU"),
    "unlock": Kind(
        "{call}: why here, and neither earlier nor later? Which ways lead out of the function, "
        "and what is held on each?",
        "all ways out, errors too; what may have changed once the lock is gone, and what is not "
        "touched any more behind it; what may sleep or free memory only now.",
        r"\b[Uu]n?lock|way out|held|sleep"),
    "failure": Kind(
        "{call} can fail. What has been done by then, who undoes it, and what does the caller "
        "see?",
        "each thing taken before it (lock, reference, page, entry), and who gives it back; the "
        "error; whether the operation may be tried again, and what the state is then.",
        r"memory|fail|error|allocat|refused|reserve|reclaim|steal|ENOMEM"),
    "contract": Kind(
        "{call}: what does its header promise? Which locks does it want or take, may it sleep, "
        "and what does it return when?",
        "the header's words, and why each is met here: locks, arguments, the result; what would "
        "happen if the call came a line earlier.",
        r"held|[Ll]ock|sleep|each|once"),
    "assert": Kind(
        "this assertion: why is it true here? Who would break it, and what would be seen then, "
        "if it were not there?",
        "the reason by the contract or by lines above, not `since it never fired'; a caller or "
        "a change that would break it, and how late and where it would show.",
        r"check|agree|each|held|finds? nothing"),
    "check": Kind(
        "if {call}: which case is that? Give a sequence of operations that leads here, and what "
        "breaks without the check.",
        "a sequence that really leads here, with values; what is wrong afterwards, and which "
        "check of the kernel or test would notice.",
        r"shown?|never|only|each|while|once"),
    "walk": Kind(
        "walk through {function}: what is true before it, what after, and in between that is "
        "true at neither end?",
        "who calls it with which locks; the invariant that is broken for a while, and who "
        "cannot see that; what it returns.",
        r"each|invariant|agree|once|nothing"),
    "twice": Kind(
        "two CPUs are in {function} at once, on the same data if that is possible. What keeps "
        "them apart?",
        "the lock that both need, and where it is taken, or why both may go on; what one finds "
        "that the other has just changed.",
        r"\b[Ll]ock|CPU|held|twice|once"),
    "cost": Kind(
        "what does {function} cost when there is ten times as much of everything? Which loop or "
        "call is that, and who waits meanwhile?",
        "what each loop goes round over, and whether that is bounded; which lock is held "
        "meanwhile; the figure that the lab's tests measure, if they do.",
        r"cost|grow|at most|bounded|memory|bytes|copied"),
}
WHOLE = ("walk", "twice", "cost")


class Submission:
    """What was handed in, beside the starter."""

    def __init__(self, lab: Lab, path: Path) -> None:
        files = batch_files.take(path, lab)
        self.lab = lab
        self.name = batch_files.submission_name(path.resolve())
        self.texts = {p: files[p].decode("utf-8", "replace") for p in lab.code if p in files}
        self.own = {p: own_lines(self._starter(p), text) for p, text in self.texts.items()}
        self.headers = Headers()
        self.sites = [site for p, text in self.texts.items()
                      for site in sites_of(p, text, self.own[p], self.headers)]
        self.changes = changes(lab)

    def _starter(self, path: str) -> str:
        place = lab_forms.starter(self.lab, path)
        return place.read_text(encoding="utf-8") if place.exists() else ""

    def lines(self, site: Site) -> list[str]:
        """The lines that it is about."""
        lines = self.texts[site.path].split("\n")
        return [lines[number - 1].strip() for number in (site.line, site.later) if number]

    def chosen(self, seed: int) -> list[Site]:
        """Kinds in turn; what was not asked about comes first, be it a function or a line."""
        rng = Rng(seed, PART)
        large = {name for name, _ in sizes(self.sites, self.own, self.texts).most_common(LARGEST)}
        left = {kind: [s for s in self.sites if s.kind == kind
                       and (kind not in WHOLE or s.function in large)] for kind in KINDS}
        # Lines, and one function as a whole; more of those where there are too few kinds of lines.
        order = [kind for kind in shuffled(list(KINDS), rng) if kind not in WHOLE and left[kind]]
        order[QUESTIONS - 1 : QUESTIONS - 1] = shuffled(list(WHOLE), rng)[:1]
        order += [kind for kind in WHOLE if kind not in order]
        found: list[Site] = []
        while len(found) < QUESTIONS and any(left.values()):
            for kind in order:
                if left[kind] and len(found) < QUESTIONS:
                    functions = {site.function for site in found}
                    lines = {(site.path, site.line) for site in found}
                    fresh = ([s for s in left[kind] if s.function not in functions]
                             or [s for s in left[kind] if (s.path, s.line) not in lines]
                             or left[kind])
                    site = fresh[rng.below(len(fresh))]
                    left[kind].remove(site)
                    found.append(site)
        return found


def shuffled(names: list[str], rng: Rng) -> list[str]:
    names = list(names)
    return [names.pop(rng.below(len(names))) for _ in range(len(names))]


def question(site: Site) -> str:
    call = site.call if site.kind in ("check", "assert") else f"{site.call}()"
    return KINDS[site.kind].ask.format(call=call, other=f"{site.other}()", later=site.later,
                                       function=f"{site.function}()")


def words(*names: str) -> set[str]:
    """The parts of names that tell something."""
    parts = {part.lower() for name in names for part in re.split(r"\W+|_", name)}
    return {part for part in parts if len(part) > 3 and part not in ("lock", "unlock", "spin")}


def rule(lab: Lab, site: Site) -> str:
    """The rule that has most of the question's words; nothing if none has any."""
    named = words(site.function, site.call, site.other)

    def score(text: str) -> int:
        text = text if "check" in site.function else re.sub(r"\w+_check", "", text)
        near = sum(any(word[:5] == part[:5] for part in words(text)) for word in named)
        return 2 * near + bool(re.search(KINDS[site.kind].words, text))

    best = max(lab.rules, key=score, default="")
    if not best or not score(best):
        return ""
    tests = " ".join(test.name for test in lab.tests if test.invariant == best)
    place = f"{lab.folder.name}/README.md, {lab.rules[best]}"
    return f"{best} ({place})" + (f"; watched over by {tests}" if tests else "")


@dataclass
class Change:
    """What a shipped wrong solution changes."""

    variant: mutants.Variant
    names: set[str]
    """In the lines that it changes."""
    functions: set[str]
    """In which it changes them."""


def changes(lab: Lab) -> list[Change]:
    known = {p: csource.functions(lab_forms.reference_bytes(lab, p).decode()) for p in lab.code}
    return [change_of(variant, known) for variant in mutants.variants(lab, ["mutant"], set())]


def change_of(variant: mutants.Variant, known: dict[str, list[csource.Function]]) -> Change:
    names: set[str] = set()
    functions: set[str] = set()
    path, at = "", 0
    for line in variant.path.read_text(encoding="utf-8").splitlines():
        if line.startswith("+++ b/"):
            path = line[6:].partition("\t")[0]
        elif hunk := re.match(r"@@ -(\d+)", line):
            at = int(hunk[1])
        elif path and line[:1] in ("+", "-", " "):
            if line[0] != " ":
                names |= set(re.findall(r"[A-Za-z_]\w*", csource.bare(line[1:])))
                functions |= {f.name for f in known.get(path, [])
                              if f.line <= at < f.line + len(f.lines)}
            at += line[0] != "+"
    return Change(variant, names, functions)


def mutants_near(known: list[Change], site: Site, code: str) -> list[mutants.Variant]:
    """Wrong solutions that change the same call: in a function of the same name, or else with what
    it is called with as well. Of a whole function: those that change one of its name."""
    calls = {site.call, site.other}
    if site.kind in ("check", "assert"):
        calls = set(CALLED.findall(code)) - {"KASSERT", "if", "while"}
    used = set(re.findall(r"[A-Za-z_]\w+", code)) - calls
    found = []
    for each in known:
        same, shared = site.function in each.functions, len(used & each.names)
        if (same and site.kind in WHOLE) or (calls & each.names and (same or shared >= ALIKE)):
            found.append((not same, -shared, each.variant.name, each.variant))
    return [variant for *_, variant in sorted(found, key=lambda each: each[:3])[:MUTANTS]]


def told(handed_in: Submission, site: Site) -> Iterator[str]:
    """For the instructor alone."""
    yield f"good: {KINDS[site.kind].good}"
    if site.kind == "contract":
        yield f"contract: {handed_in.headers.declared[site.call]}"
    if found := rule(handed_in.lab, site):
        yield f"rule, by its words: {found}"
    code = " ".join(handed_in.lines(site))
    for variant in mutants_near(handed_in.changes, site, code):
        caught = " ".join(variant.caught_by)
        yield f"mutant {variant.name}: {variant.what} (caught by {caught})"


def viva(lab: Lab, path: Path, seed: int, student: bool) -> str:
    try:
        handed_in = Submission(lab, path)
    except Refused as error:
        raise SystemExit(f"strata: SUB={path}: {error}") from None
    count = sum(len(lines) for lines in handed_in.own.values())
    if not handed_in.sites:
        why = "only declarations were changed" if count else "it is the starter, unchanged"
        raise SystemExit(f"strata: SUB={path}: {why}: there is nothing to ask about")
    functions = len({site.function for site in handed_in.sites})
    lines = [f"lab {lab.name}, {handed_in.name}, seed {seed}: {count} lines of their own, "
             f"{functions} functions"]
    for number, site in enumerate(handed_in.chosen(seed), 1):
        lines += ["", f"{number}. {Path(site.path).name}:{site.line}, in {site.function}"]
        lines += [f"       {line}" for line in handed_in.lines(site) if site.kind not in WHOLE]
        lines += wrapped(question(site))
        if not student:
            for text in told(handed_in, site):
                lines += wrapped(text)
    return "\n".join(lines)


def wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=3 * " ", subsequent_indent=6 * " ",
                         break_long_words=False, break_on_hyphens=False)


def main() -> int:
    env = os.environ.get
    lab = labs.find(env("LAB") or "")
    path = Path(env("SUB") or "")
    if not env("SUB") or not batch_files.is_submission(path):
        raise SystemExit("strata: make viva LAB=pv SUB=folder SEED=n: a folder or an archive with "
                         "the lab's files")
    seed = options.optional_number("SEED", env("SEED")) or 1
    print(viva(lab, path, seed, options.flag("STUDENT", env("STUDENT"))))
    return 0


if __name__ == "__main__":
    entry.run(main)
