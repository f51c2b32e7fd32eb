"""What a folder was understood to hold: recordings with their source of truth, and what is odd."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tap2key.audio.chunks import RECORDING_ENDINGS
from tap2key.core.errors import Tap2keyError
from tap2key.core.names import composed
from tap2key.inspection.census import Census, Odd, Sound, take_census
from tap2key.inspection.clips import Clips, find_clips
from tap2key.inspection.tables import EventTables, read_tables
from tap2key.study.key_names import key_of, keys_of, unmapped_text
from tap2key.study.keyboard import Keyboard
from tap2key.study.session_files import NEONODE as LOGS
from tap2key.study.session_files import TABLE_NAME, files_of_session
from tap2key.study.touches import count_touches
from tap2key.study.truth import CLIPS, EVENTS, NEONODE


@dataclass
class Sessions:
    """Session folders with a touch sensor's logs, and the touches in them."""

    of: dict[Path, Path] = field(default_factory=dict)
    touches: int = 0


@dataclass
class Inspection:
    """A folder, understood.

    Attributes:
        census: its files, and what is odd.
        sessions, tables, clips: what of each source of truth is there.
        source: that of most recordings; None where none has one.
        recordings: those with that source.
        others: those with another one, and which that is.
        taps: how many taps all of them should hold, by their sources.
        keyboard: the name of the keyboard that was found to fit; None for the default.
        unmapped: logged entries that are none of its keys.
    """

    census: Census
    sessions: Sessions
    tables: EventTables
    clips: list[Clips]
    source: str | None = None
    recordings: list[Sound] = field(default_factory=list)
    others: dict[Sound, str] = field(default_factory=dict)
    taps: int = 0
    keyboard: str | None = None
    unmapped: dict[str, int] = field(default_factory=dict)

    @property
    def sounds(self) -> list[Sound]:
        """The recordings that have a source of truth, whichever; all where none has one."""
        return [*self.recordings, *self.others] or self.census.sounds

    @property
    def arrays(self) -> Counter[tuple[int, int]]:
        """How many recordings with most recordings' source have how many channels at which rate."""
        return arrays_of(self.recordings or self.census.sounds)

    @property
    def usual_channels(self) -> int:
        """How many channels most recordings have."""
        (channels, _), _ = self.arrays.most_common(1)[0]
        return channels

    @property
    def places(self) -> bool:
        """Whether the source gives places."""
        return self.source == NEONODE or (self.source == EVENTS and self.tables.places)


def arrays_of(sounds: Iterable[Sound]) -> Counter[tuple[int, int]]:
    """How many of these have how many channels at which rate."""
    return Counter((sound.channels, sound.sample_rate) for sound in sounds)


def inspect(
    root: Path, keyboards: Mapping[str | None, Keyboard], characters: Mapping[str, str]
) -> Inspection:
    """Look through a folder of recordings; what cannot be read is listed as odd.

    Args:
        root: the folder.
        keyboards: those that may fit, by name, the default's None; the likeliest first.
        characters: keys by logged entry, as in the configuration.

    Raises:
        Tap2keyError: it is no folder.
    """
    if not root.is_dir():
        raise Tap2keyError(f"{root}: no such folder; name the one with everybody's recordings")
    census = take_census(root)
    if not census.sounds:
        first, *others = RECORDING_ENDINGS
        said = (
            f"no recordings found: no {first} file (nor {' or '.join(others)}) with sound in it or "
            "in a folder below; name the folder with everybody's recordings"
        )
        census.odd.insert(0, Odd(census.name(root), said))
    sessions = _sessions(census)
    loose = [s for s in census.sounds if s.path not in sessions.of]
    tables = read_tables(census.sounds, census)
    without = [s for s in loose if s.path not in tables.strokes]
    laptop = list(keyboards.values())
    clips = find_clips(without, census, lambda name: any(key_of(name, k) for k in laptop))
    found = Inspection(census, sessions, tables, clips)
    _choose_source(found)
    _choose_keyboard(found, keyboards, characters)
    _compare_arrays(found)
    return found


def _sessions(census: Census) -> Sessions:
    found = Sessions()
    logs: set[Path] = set()
    listed = {odd.where for odd in census.odd}
    for folder in sorted(census.sessions):
        try:
            files = files_of_session(folder)
        except Tap2keyError as error:
            reason = str(error).removeprefix(f"{folder}: ")
            census.odd.append(Odd(census.name(folder), reason))
            continue
        census.odd += [
            Odd(census.name(passed.path), passed.reason)
            for passed in files.passed_over
            if passed.alarming and census.name(passed.path) not in listed
        ]
        if not files.touch_files:
            census.odd.append(Odd(census.name(folder / LOGS), "no *nnode.csv file in it"))
            continue
        found.of |= dict.fromkeys(files.recordings, folder)
        logs |= set(files.touch_files)
    found.touches = count_touches(sorted(logs))
    return found


def _choose_source(found: Inspection) -> None:
    """Take the source of most recordings, and list those with another, or none."""
    clips = {path for part in found.clips for path in part.labels}
    sets = {NEONODE: set(found.sessions.of), EVENTS: set(found.tables.strokes), CLIPS: clips}
    sounds = {s.path: s for s in found.census.sounds}
    sets = {source: paths & set(sounds) for source, paths in sets.items()}
    if any(sets.values()):
        found.source = max(sets, key=lambda source: len(sets[source]))
    words = {NEONODE: "a touch log", EVENTS: "an event table", CLIPS: "a label as a clip"}
    for path, sound in sounds.items():
        own = [source for source, paths in sets.items() if path in paths]
        if found.source in own:
            found.recordings.append(sound)
        if len(own) > 1:
            said = (
                f"two sources of truth, {words[own[0]]} and {words[own[1]]}; state which counts in "
                f"the column truth of {TABLE_NAME}"
            )
        elif own and own[0] != found.source:
            found.others[sound] = own[0]
            said = f"has {words[own[0]]}, unlike most; state it in the column truth of {TABLE_NAME}"
        elif not own:
            said = "no source of truth: neither touch log, event table nor label"
        else:
            continue
        found.census.odd.append(Odd(found.census.name(path), said))
    sources = {**dict.fromkeys(found.recordings, found.source), **found.others}
    # One touch log may be of several recordings.
    touches = found.sessions.touches if NEONODE in sources.values() else 0
    strokes = [len(found.tables.strokes[s.path]) for s, own in sources.items() if own == EVENTS]
    found.taps = touches + sum(strokes) + list(sources.values()).count(CLIPS)


def _choose_keyboard(
    found: Inspection, keyboards: Mapping[str | None, Keyboard], characters: Mapping[str, str]
) -> None:
    """Take the keyboard that most entries are keys of; with places only one that fits all."""
    entries: Counter[str] = Counter()
    if found.source == EVENTS:
        entries = found.tables.entries
    elif found.source == CLIPS:
        entries = sum((part.entries for part in found.clips), Counter())
    if not entries:
        found.keyboard = next(iter(keyboards)) if len(keyboards) == 1 else None
        return
    unknown = {
        name: keys_of(entries.elements(), keyboard, _known(characters, keyboard))[1]
        for name, keyboard in keyboards.items()
    }
    order = sorted(keyboards, key=lambda name: name is not None) if found.places else keyboards
    found.keyboard = min(order, key=lambda name: sum(unknown[name].values()))
    found.unmapped = unknown[found.keyboard]
    if found.unmapped:
        keyboard = keyboards[found.keyboard].file
        said = f"not on {keyboard}: {unmapped_text(found.unmapped)}; map them in characters"
        found.census.odd.append(Odd("logged keys", said))


def _known(characters: Mapping[str, str], keyboard: Keyboard) -> dict[str, str]:
    # The other entries are of another keyboard; if of none, a run would stop, which is said apart.
    return {logged: key for logged, key in characters.items() if composed(key) in keyboard.labels}


def _compare_arrays(found: Inspection) -> None:
    if not found.recordings:
        return
    (channels, rate), _ = found.arrays.most_common(1)[0]
    for sound in found.recordings:
        where = found.census.name(sound.path)
        if sound.channels != channels:
            said = (
                f"{sound.channels} channel(s), most have {channels}; it will be left out unless "
                f"the column array of {TABLE_NAME} names another array"
            )
            found.census.odd.append(Odd(where, said))
        elif sound.sample_rate != rate:
            said = f"{sound.sample_rate} Hz, most have {rate}; it will be resampled"
            found.census.odd.append(Odd(where, said))
