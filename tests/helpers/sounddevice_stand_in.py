"""As much of sounddevice as listening calls: two inputs and a loudspeaker."""

from typing import Any

DEVICES = [
    {
        "index": 0,
        "name": "a desk microphone",
        "max_input_channels": 1,
        "default_samplerate": 44_100,
    },
    {"index": 1, "name": "a loudspeaker", "max_input_channels": 0, "default_samplerate": 48_000},
    {"index": 2, "name": "an 8-channel rig", "max_input_channels": 8, "default_samplerate": 96_000},
]


class PortAudioError(Exception):
    pass


def query_devices(device: str | None = None, kind: str | None = None) -> Any:
    if kind is None:
        return DEVICES
    return next(about for about in reversed(DEVICES) if (device or "rig") in about["name"])


class InputStream:
    active = True

    def __init__(self, device: str | None, channels: int, **_: object) -> None:
        if query_devices(device, "input")["max_input_channels"] < channels:
            raise PortAudioError("Invalid number of channels")

    def start(self) -> None:
        pass

    def close(self, ignore_errors: bool) -> None:
        self.active = False
