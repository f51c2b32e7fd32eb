"""A throw-away PulseAudio with a virtual sound card of eight channels, and sound played into it."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import psutil
import sounds

PROGRAMS = ("pulseaudio", "pacat")
CARD = "rig"
# ALSA's order, which its programs expect; in another one PulseAudio would exchange channels.
ORDER = "front-left,front-right,rear-left,rear-right,front-center,lfe,side-left,side-right"
FORM = {"format": "float32le", "rate": sounds.RATE, "channels": 8}
# So much is played ahead: a busy machine interrupts nothing.
AHEAD_S = 1.0
# Far longer than any of it takes, on a machine that does other things too.
SECONDS = 300

SCRIPT = """load-module module-native-protocol-unix socket={socket} auth-anonymous=1
load-module module-null-sink sink_name={card} channel_map={order} {form}
"""
# PortAudio sees sound cards through ALSA.
ALSA = """</usr/share/alsa/alsa.conf>
pcm.{card} {{
    type pulse
    server "unix:{socket}"
    device "{card}.monitor"
    hint {{ show on description "eight microphones" }}
}}
"""


class NoSoundServer(Exception):
    """Why there can be no sound server on this machine."""


class SoundServer:
    """PulseAudio, and its files under `root`.

    What is played to the card is heard by whoever records from it, sample by sample.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._socket = root / "socket"
        own = {"HOME": root, "XDG_RUNTIME_DIR": root, "ALSA_CONFIG_PATH": root / "alsa.conf"}
        self.environment = {
            **os.environ,
            **{name: str(path) for name, path in own.items()},
            "PULSE_SERVER": f"unix:{self._socket}",
        }

    def start(self) -> None:
        """Bring it up; it ends by itself once nobody uses it for long."""
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            raise NoSoundServer(
                f"no {', '.join(missing)}; apt-get install pulseaudio pulseaudio-utils "
                "libportaudio2 libasound2-plugins"
            )
        names = {"card": CARD, "socket": self._socket, "order": ORDER}
        form = " ".join(f"{name}={value}" for name, value in FORM.items())
        script = self.root / "script.pa"
        script.write_text(SCRIPT.format(form=form, **names))
        (self.root / "alsa.conf").write_text(ALSA.format(**names))
        log = self.root / "log.txt"
        # It returns once all is ready; a pipe would stay open with it.
        begun = subprocess.run(
            [
                *("pulseaudio", "--daemonize=yes", f"--exit-idle-time={SECONDS}"),
                *("--disable-shm", "-n", "-F", str(script), f"--log-target=file:{log}"),
            ],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
        if begun.returncode:
            said = log.read_text() if log.exists() else ""
            raise NoSoundServer(f"PulseAudio does not start: {said}")
        asked = f"import sounddevice; sounddevice.query_devices({CARD!r}, 'input')"
        seen = subprocess.run(
            [sys.executable, "-c", asked],
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if seen.returncode:
            self.stop()
            raise NoSoundServer(
                f"PortAudio does not see the virtual card ({seen.stderr.splitlines()[-1]}); "
                "apt-get install libportaudio2 libasound2-plugins"
            )

    def stop(self) -> None:
        """End it, as a sound card is unplugged."""
        try:
            daemon = psutil.Process(int((self.root / "pulse" / "pid").read_text()))
        except (FileNotFoundError, psutil.NoSuchProcess):
            return
        daemon.send_signal(signal.SIGTERM)
        gone, _ = psutil.wait_procs([daemon], timeout=20)
        if not gone:
            daemon.kill()

    @contextmanager
    def playing(self, quiet: np.ndarray, sound: np.ndarray) -> Iterator[threading.Event]:
        """Play `quiet` again and again, and `sound` once as soon as the event is set.

        It begins when `quiet` can be heard. Both [samples, 8] float32.
        """
        form = [f"--{name}={value}" for name, value in FORM.items()]
        command = ["pacat", "--playback", "--raw", f"--device={CARD}", f"--channel-map={ORDER}"]
        player = subprocess.Popen(
            [*command, *form, f"--latency-msec={AHEAD_S * 1000:.0f}"],
            env=self.environment,
            stdin=subprocess.PIPE,
        )
        begun, wanted = threading.Event(), threading.Event()
        feeder = threading.Thread(
            target=_feed, args=(player.stdin, quiet, sound, begun, wanted), daemon=True
        )
        feeder.start()
        try:
            assert begun.wait(SECONDS), "nothing can be played"
            yield wanted
        finally:
            player.kill()
            player.wait(SECONDS)
            feeder.join(SECONDS)


def _feed(
    pipe: IO[bytes],
    quiet: np.ndarray,
    sound: np.ndarray,
    begun: threading.Event,
    wanted: threading.Event,
) -> None:
    ahead = round(AHEAD_S * sounds.RATE)
    written, played = 0, False
    # The player is killed in the end.
    try:
        with pipe:
            while True:
                now = wanted.is_set() and not played
                pipe.write((sound if now else quiet).tobytes())
                played = played or now
                written += len(quiet)
                # More than what waits to be played: the first of it has been.
                if written > 2 * ahead:
                    begun.set()
    except BrokenPipeError:
        return
