"""What a run reads: the study's sessions, recorded or simulated, and what their rules take."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tap2key.audio.array import Array
from tap2key.audio.array_argument import array_options
from tap2key.audio.named_arrays import STUDYS_OWN, arrays_of
from tap2key.config.arguments import options_of
from tap2key.core.shipped import keyboard_file
from tap2key.orchestration.recording_sources import simulated_study
from tap2key.orchestration.simulated_sessions import files_to_declare, simulation_mb
from tap2key.segmentation.events import truth_options
from tap2key.simulation.difficulty import difficulty_files
from tap2key.simulation.plan import PlannedSession, plan_study
from tap2key.study.clips import sounds_of
from tap2key.study.manifest import MANIFEST_NAME, PASSED_OVER_NAME, Recording


@dataclass(frozen=True)
class PlannedStudy:
    """The study of a run, worked out once from the configuration and the manifest."""

    config: dict[str, Any]
    recordings: tuple[Recording, ...]

    @cached_property
    def results(self) -> str:
        """Root of everything that is made."""
        return self.config["results"].rstrip("/")

    @cached_property
    def manifest(self) -> str:
        """Path of the manifest."""
        return f"{self.results}/{MANIFEST_NAME}"

    @cached_property
    def passed_over(self) -> str:
        """Path of the table of what looks like a recording or a touch log and is not used."""
        return f"{self.results}/{PASSED_OVER_NAME}"

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """What sessions may have been recorded with, by name; the study's own is first."""
        return arrays_of(self.config)

    def array_name(self, participant: str, session: str) -> str:
        """The name of the array that a session was recorded with."""
        return self.sessions[participant, session][0].array

    @cached_property
    def used_arrays(self) -> list[str]:
        """The names of the arrays that sessions were recorded with."""
        return [name for name in self.arrays if name in {r.array for r in self.recordings}]

    def array_options(self, participant: str, session: str) -> list[str]:
        """The argument by which a stage gets the array of a session."""
        return array_options(self.arrays[self.array_name(participant, session)])

    @cached_property
    def keyboard(self) -> str:
        """Path of the keyboard."""
        return str(keyboard_file(self.config["keyboard"]))

    @cached_property
    def sessions(self) -> dict[tuple[str, str], list[Recording]]:
        """The recordings of each (participant, session), in the manifest's order."""
        found: dict[tuple[str, str], list[Recording]] = {}
        for recording in self.recordings:
            found.setdefault((recording.participant, recording.session), []).append(recording)
        return found

    @cached_property
    def sessions_of(self) -> dict[str, list[str]]:
        """The names of each participant's sessions."""
        found: dict[str, list[str]] = {}
        for participant, session in self.sessions:
            found.setdefault(participant, []).append(session)
        return found

    @cached_property
    def participants(self) -> list[str]:
        """Everybody who takes part, by name."""
        return sorted(self.sessions_of)

    def taps_of(self, participant: str) -> list[str]:
        """The taps folders of a participant's sessions."""
        return [f"{self.results}/taps/{participant}/{s}" for s in self.sessions_of[participant]]

    def files_of(self, participant: str, session: str) -> list[str]:
        """What a job that reads a session's recordings and touch files declares as its inputs."""
        recordings = self.sessions[participant, session]
        files = [file for r in recordings for file in (*sounds_of(r), *r.touch_files)]
        return self.to_declare(dict.fromkeys(files))

    def stated_of(self, participant: str, session: str) -> list[str]:
        """What study.tsv can say of a session's recordings, beside who typed them."""
        recordings = self.sessions[participant, session]
        return [f"{r.start.isoformat()} {r.latency_s}" for r in recordings]

    def segment_options(self, participant: str, session: str) -> list[str]:
        """The segment and preview stages' arguments for a session."""
        return [
            *options_of("segment", self.config["segment"]),
            *self.array_options(participant, session),
            *truth_options(self.config),
        ]

    @cached_property
    def simulated(self) -> list[PlannedSession]:
        """The sessions to simulate; none when a study is read."""
        if self.config["simulate"] is None:
            return []
        people = {r.participant for r in self.recordings}
        return [s for s in plan_study(self.config["simulate"]) if s.participant in people]

    @property
    def simulation_mb(self) -> int:
        """Memory, in MB, of a job that makes recordings."""
        return simulation_mb(self.arrays[STUDYS_OWN])

    @property
    def difficulty(self) -> list[str]:
        """Paths of the files that fix how difficult the simulated study is."""
        return [str(path) for path in difficulty_files(self.config["simulate"]["difficulty"])]

    @cached_property
    def simulated_folders(self) -> frozenset[str]:
        """The session folders to simulate, relative to the simulated study."""
        return frozenset(session.folder for session in self.simulated)

    def to_declare(self, files: Iterable[str | Path]) -> list[str]:
        """What a job that reads these files declares as its inputs; see `simulated_sessions`."""
        return files_to_declare(files, self.results, self.simulated_folders)

    def simulate_options(self, folder: str) -> list[str]:
        """The simulate stage's arguments for one session folder."""
        where = ("--study", self.simulated_study, "--truth", self.simulated_truth)
        options = options_of("simulate", self.config["simulate"])
        return [*where, *options, *array_options(self.arrays[STUDYS_OWN]), "--only", folder]

    @property
    def simulated_study(self) -> str:
        """Where the simulated recordings go."""
        return simulated_study(self.results)

    @property
    def simulated_truth(self) -> str:
        """Where what is known about them goes: beside the study, never inside it."""
        return f"{self.results}/simulated/truth"
