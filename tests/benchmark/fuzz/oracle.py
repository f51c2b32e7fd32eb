"""What has to hold for every mutated study."""

import os
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from benchmark.fuzz import product
from benchmark.fuzz.base import SAME_PLACE, digest_of
from benchmark.fuzz.mutant import NEONODE, Expect, Mutant, Sound, folded
from benchmark.fuzz.product import Outcome, Used

SAME_TAP_S = 0.02
# So close to a cut nobody can tell the one tap's rest from the other's beginning.
BLURRED_S = 0.1
# So few taps between two steps of a clock are paired by chance, and cannot be told to have stepped.
FEWEST_TO_TELL = 5
WHOLE_SHARE = 0.95
LABELLED_SHARE = 0.5
LOOKS_LIKE_SOUND = re.compile(r"\.(wave?|w64|flac|rf64)$", re.I)
LOOKS_LIKE_LOG = re.compile(r"nnode.*\.csv|\.csv$", re.I)
IGNORED = re.compile(r"\._|\.DS_Store$|Thumbs\.db$|desktop\.ini$")

Labels = dict[str, set[int]]
Snapshot = dict[str, tuple]


def snapshot(root: Path, without: Path) -> Snapshot:
    """All below `root`: kind, rights, time of change, target of a link, content of a file."""
    found: Snapshot = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if Path(folder) / name != without]
        for path in (Path(folder), *(Path(folder) / name for name in [*folders, *files])):
            facts = path.lstat()
            content = None
            if stat.S_ISLNK(facts.st_mode):
                content = str(path.readlink())
            elif stat.S_ISREG(facts.st_mode):
                content = path.read_bytes()
                content = (len(content), hash(content))
            found[str(path)] = (facts.st_mode, facts.st_mtime_ns, content)
    return found


def failures(mutant: Mutant, outcome: Outcome, before: Snapshot, base: Labels) -> Iterator[str]:
    """What is wrong, each beginning with its kind and a colon.

    Args:
        mutant: the study, and what has to come of it.
        outcome: what came of it.
        before: what was below the study's parent folder before.
        base: the taps that have a label in the base study, by recording.
    """
    yield from changed(mutant, before)
    if outcome.printed:
        yield f"printed: {outcome.printed[:80]!r}"
    if outcome.crash:
        yield f"crash: {outcome.crash}"
    elif outcome.refusal is not None:
        yield from of_refusal(mutant, outcome.refusal)
    elif mutant.must_refuse:
        yield "not refused: it has to be"
    else:
        yield from of_names(outcome)
        yield from of_withdrawn(mutant, outcome)
        yield from of_left_out(mutant, outcome)
        right: dict[Path, set[int]] = {}
        for used in outcome.used:
            if used.ok:
                right[used.recording.path] = set()
                yield from of_labels(mutant, used, right[used.recording.path])
        yield from of_silence(mutant, outcome)
        yield from of_leaks(mutant, right)
        yield from of_expected(mutant, right, base)


def changed(mutant: Mutant, before: Snapshot) -> Iterator[str]:
    after = snapshot(mutant.root, mutant.root / "results")
    # A results folder is made in its parent; nothing else may be.
    for path in (str(mutant.root), str(mutant.root / "results")):
        before.pop(path, None), after.pop(path, None)
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            what = "made" if path not in before else "gone" if path not in after else "changed"
            yield f"study {what}: {Path(path).relative_to(mutant.root)}"
            return


def of_refusal(mutant: Mutant, message: str) -> Iterator[str]:
    if len(message.splitlines()) != 1:
        yield f"more than one line: {message!r}"
    if product.TOO_FEW in message and mutant.refusable:
        return
    if not (mutant.refusable or mutant.must_refuse):
        yield f"refused without need: {message}"
    said = unicodedata.normalize("NFC", message)
    names = {unicodedata.normalize("NFC", name) for name in mutant.involved}
    # A line end in a name is written as an escape.
    names |= {name.replace("\n", "\\n") for name in names}
    if not any(name in said for name in names):
        yield f"refused without a name: {message}"


def of_names(outcome: Outcome) -> Iterator[str]:
    """One person has one name, and one recording one identity."""
    identities = [product.identity(used.recording) for used in outcome.used]
    for twice in sorted({i for i in identities if identities.count(i) > 1}):
        yield f"one identity for two recordings: {twice}"
    spelled = defaultdict(set)
    for person, _, _ in identities:
        spelled[folded(person)].add(person)
    for names in spelled.values():
        if len(names) > 1:
            yield f"one person of two names: {sorted(names)}"


def of_withdrawn(mutant: Mutant, outcome: Outcome) -> Iterator[str]:
    for used in outcome.used:
        for name in mutant.withdrawn:
            if used.recording.path.is_relative_to(mutant.study / name):
                yield f"withdrawn but used: {name}"
                return


def of_left_out(mutant: Mutant, outcome: Outcome) -> Iterator[str]:
    """Whatever looks like a recording or a touch log is used, or listed with the reason."""
    for used in outcome.used:
        reason = used.audit.get("reason")
        if not used.ok and not (reason and len(reason.splitlines()) == 1):
            yield f"left out without one line of reason: {used.recording.path.name}: {reason!r}"
    taken = {u.recording.path for u in outcome.used}
    taken |= {file for u in outcome.used for file in u.recording.touch_files}
    real = {path.resolve() for path in taken}
    withdrawn = [mutant.study / name for name in mutant.withdrawn]
    # The touches of a recording that study.tsv leaves out are of no use to anybody.
    withdrawn += [path.parent.parent / NEONODE for path in withdrawn]
    for path in mutant.paths():
        if not looks_used(path) or any(path.is_relative_to(gone) for gone in withdrawn):
            continue
        inside = [file for file in taken if file.is_relative_to(path)]
        if path in taken or inside or product.mentioned(path, outcome, mutant):
            continue
        # Another way to what is used, not another file.
        if path.is_symlink() and path.resolve() in real:
            continue
        yield f"passed over: {path.relative_to(mutant.study)}"


def looks_used(path: Path) -> bool:
    """Whether somebody would say that this is a recording, a touch log, or a link to some."""
    if IGNORED.match(path.name) or path.name == "study.tsv":
        return False
    if path.is_symlink() and path.is_dir():
        return path.name != "loop"
    if path.is_dir():
        return False
    in_its_place = path.parent.name.strip().lower() == NEONODE
    if LOOKS_LIKE_LOG.search(path.name):
        return in_its_place or "nnode" in path.name.lower()
    return bool(LOOKS_LIKE_SOUND.search(path.name))


def of_labels(mutant: Mutant, used: Used, right: set[int]) -> Iterator[str]:
    """Every label is of the touch of its very tap; collects the taps of right labels."""
    sound = mutant.sounds.get(digest_of(used.recording.path))
    if sound is None:
        if used.taps:
            yield f"labels without sound: {used.recording.path.name}"
        return
    truth = mutant.base.truths[sound.recording]
    wrong = 0
    for tap in used.taps:
        time_s = sound.base_time_s(tap.time_s)
        nearest = int(np.abs(truth.tap_s - time_s).argmin())
        here = abs(truth.tap_s[nearest] - time_s) < SAME_TAP_S
        off = np.abs(truth.xy[nearest] - (tap.x, tap.y)).max()
        if here and off < SAME_PLACE and tap.label == truth.labels[nearest]:
            right.add(nearest)
        elif can_be_told(mutant, sound, time_s):
            wrong += 1
    if wrong:
        where = used.recording.path.relative_to(mutant.study)
        yield f"wrong labels: {wrong} of {len(used.taps)} in {where}"


def can_be_told(mutant: Mutant, sound: Sound, time_s: float) -> bool:
    """Whether any software could know that a label at this moment of the base is wrong."""
    truth = mutant.base.truths[sound.recording]
    blurred = mutant.blurred.get(sound.recording, [])
    if any(abs(moment - time_s) < BLURRED_S for moment in blurred):
        return False
    steps = np.sort(mutant.steps.get(sound.recording, []))
    touched_s = truth.tap_s[np.isfinite(truth.xy[:, 0])]
    piece = np.searchsorted(steps, time_s)
    own = (np.searchsorted(steps, touched_s) == piece).sum()
    return not len(steps) or own >= FEWEST_TO_TELL


def of_silence(mutant: Mutant, outcome: Outcome) -> Iterator[str]:
    """Where most taps have no label though the finger touched, the audit says why."""
    for used in outcome.used:
        sound = used.ok and mutant.sounds.get(digest_of(used.recording.path))
        if not sound or product.warned(used):
            continue
        touched = int(np.isfinite(mutant.base.truths[sound.recording].xy[:, 0]).sum())
        labelled = len(used.taps)
        if labelled < LABELLED_SHARE * touched:
            where = used.recording.path.relative_to(mutant.study)
            yield f"unlabelled in silence: {touched - labelled} of {touched} in {where}"


def of_leaks(mutant: Mutant, right: dict[Path, set[int]]) -> Iterator[str]:
    """No tap is there twice, whoever's it is said to be."""
    where: dict[tuple[str, int], list[Path]] = defaultdict(list)
    for path, taps in right.items():
        sound = mutant.sounds.get(digest_of(path))
        for tap in taps:
            where[sound.recording, tap].append(path)
    pairs = {tuple(paths) for paths in where.values() if len(paths) > 1}
    for paths in sorted(pairs):
        names = " and ".join(str(path.relative_to(mutant.study)) for path in paths)
        yield f"leak: {names} hold the same taps"


def of_expected(mutant: Mutant, right: dict[Path, set[int]], base: Labels) -> Iterator[str]:
    """What is sound has the labels that it has in the base study."""
    got: Labels = defaultdict(set)
    for path, taps in right.items():
        sound = mutant.sounds.get(digest_of(path))
        if sound is not None:
            got[sound.recording] |= taps
    used = {mutant.sounds[digest_of(p)].recording for p in right if digest_of(p) in mutant.sounds}
    for recording, wanted in base.items():
        expect = mutant.expect.get(recording, Expect.SAME)
        if expect == Expect.SAME and got[recording] != wanted:
            yield f"labels lost: {len(wanted - got[recording])} of {len(wanted)} of {recording}"
        if expect == Expect.WHOLE and recording in used:
            share = len(got[recording] & wanted) / len(wanted)
            if share < WHOLE_SHARE:
                yield f"read in part, without a word: {share:.0%} of the labels of {recording}"
