"""What holds for every input, not only for the examples that somebody thought of."""

from datetime import datetime, timedelta

import numpy as np
import pytest
import soundfile
import sounds
import soxr
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from tap2key.audio.array import DEFAULT
from tap2key.audio.audio_file import SUBTYPES, AudioFile
from tap2key.core.errors import Tap2keyError
from tap2key.segmentation.linear_clock import estimate_clock
from tap2key.segmentation.matching import match_in_order
from tap2key.study.scan import parse_start
from tap2key.study.touches import read_touches

moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31))
rows = st.tuples(
    moments,
    st.integers(0, 12),
    st.sampled_from(["   Down", "   Move", "     Up", "Down", "Down  "]),
    st.integers(-50, 3500),
    st.integers(-50, 2000),
    st.integers(0, 300),
)


def as_line(row):
    time, *rest = row
    return f"{time:%Y-%m-%d %H:%M:%S}.{time:%f}," + ",".join(map(str, rest))


def touches_in(table):
    return sorted({(time, x, y, id) for time, id, event, x, y, _ in table if "Down" in event})


@settings(max_examples=100)
@given(
    table=st.lists(rows, min_size=1, max_size=15),
    torn=st.tuples(rows, st.floats(0, 1, exclude_max=True)) | st.none(),
    files=st.integers(1, 3),
    data=st.data(),
)
def test_a_battered_log_has_the_touches_of_the_clean_one(
    tmp_path_factory, table, torn, files, data
):
    wanted = touches_in(table)
    assume(wanted)
    folder = tmp_path_factory.mktemp("log")
    battered = data.draw(st.permutations(table))
    battered += data.draw(st.lists(st.sampled_from(table), max_size=5))
    dealt = [battered[number::files] for number in range(files)]
    paths = []
    for number, part in enumerate(dealt):
        text = data.draw(st.sampled_from(["", "\ufeff"]))
        for row in part:
            text += "".join(data.draw(st.lists(st.sampled_from(["\n", "\r\n", " \n"]), max_size=2)))
            text += as_line(row) + data.draw(st.sampled_from(["\n", "\r\n"]))
        if torn is not None and number == 0:
            # Torn anywhere before the last field: with that, the row would be whole.
            line = as_line(torn[0]).rpartition(",")[0]
            text += line[: round(torn[1] * len(line))]
        elif data.draw(st.booleans()):
            text = text.rstrip("\r\n")
        paths.append(folder / f"{number}_nnode.csv")
        paths[-1].write_bytes(text.encode())
    touches = read_touches(data.draw(st.permutations(paths)))
    assert touches.times.astype(datetime).tolist() == sorted(time for time, *_ in wanted)
    got = zip(touches.times.astype(datetime).tolist(), *touches.xy.T.tolist(), strict=True)
    assert sorted(got) == [(time, x, y) for time, x, y, _ in wanted]


seconds = st.lists(st.floats(0, 4), max_size=24).map(sorted).map(np.array)


@settings(max_examples=200)
@given(taps=seconds, touches=seconds, selectivity=st.floats(0.005, 0.5))
def test_matching_is_a_best_assignment_in_order(taps, touches, selectivity):
    matched = match_in_order(taps, touches, selectivity)
    tap = np.flatnonzero(matched >= 0)
    assert (np.diff(matched[tap]) > 0).all()
    apart = (touches[matched[tap]] - taps[tap]) / selectivity
    assert (np.abs(apart) <= 1 + 1e-9).all()
    worth = np.maximum(0, 1 - ((touches[None, :] - taps[:, None]) / selectivity) ** 2)
    # Uncrossing two pairs never lowers this worth, so the best pairing of all is one in order.
    best = worth[linear_sum_assignment(worth, maximize=True)].sum()
    assert np.sum(1 - apart**2) == pytest.approx(best, abs=1e-9)


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(3, 120),
    latency=st.floats(-0.6, 0.4),
    drift=st.floats(-8e-5, 8e-5),
    regular=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    missed=st.floats(0, 0.1),
    invented=st.floats(0, 0.1),
)
@example(seed=0, count=40, latency=-0.14, drift=5e-5, regular=1.0, missed=0.0, invented=0.0)
def test_the_clock_is_right_or_refused(seed, count, latency, drift, regular, missed, invented):
    rng = np.random.default_rng(seed)
    gaps = regular * 0.3 + (1 - regular) * (0.1 + rng.gamma(1.5, 0.15, count))
    taps = 0.6 + np.cumsum(gaps)
    duration = taps[-1] + 1
    delay = 0.004 + rng.uniform(0, 0.015, count)
    seen = rng.random(count) >= missed
    touches = (taps * (1 + drift) - latency + delay)[seen]
    heard = taps[rng.random(count) >= missed / 2]
    extra = rng.uniform(0, duration, (2, rng.poisson(invented * count)))
    clock, reason = estimate_clock(
        np.sort(np.r_[heard, extra[0]]), np.sort(np.r_[touches, extra[1]]), duration
    )
    if clock is None:
        assert reason
        return
    wanted = latency - delay[seen].mean()
    assert clock.latency_s == pytest.approx(wanted, abs=max(0.004, 5 * clock.latency_sd_s))
    shift = clock.expected_touch_s(taps) - (taps * (1 + drift) - wanted)
    assert np.abs(shift).max() < 0.02


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1000),
    frames=st.integers(1, 3 * DEFAULT.window),
    rate=st.sampled_from([sounds.RATE, 44_100, 48_000, 192_000]),
    starts=st.lists(
        st.integers(-2 * DEFAULT.window, 8 * DEFAULT.window), min_size=1, max_size=6
    ).map(sorted),
    length=st.integers(1, DEFAULT.window),
)
@example(
    seed=0,
    frames=DEFAULT.window,
    rate=sounds.RATE,
    starts=[-DEFAULT.before, 1],
    length=DEFAULT.window,
)
def test_a_section_never_wraps(tmp_path_factory, seed, frames, rate, starts, length):
    assume(frames * DEFAULT.sample_rate >= rate)
    # No sample is zero, so what reads as zero is not of the recording.
    rng = np.random.default_rng(seed)
    sound = rng.uniform(0.2, 0.8, (frames, 8)) * rng.choice([-1, 1], (frames, 8))
    path = tmp_path_factory.mktemp("w") / "a.wav"
    audio = AudioFile(sounds.write_wav(path, sound, rate, subtype="FLOAT"))
    whole = np.concatenate([np.empty((0, 8), np.float32), *audio.blocks()])
    assert len(whole) == audio.frames
    for start, section in zip(starts, audio.sections(starts, length), strict=True):
        wanted = np.zeros((length, 8), np.float32)
        for sample in range(max(start, 0), min(start + length, len(whole))):
            wanted[sample - start] = whole[sample]
        np.testing.assert_array_equal(section, wanted)


@settings(max_examples=80)
@given(
    seed=st.integers(0, 1000),
    frames=st.integers(1, 4000),
    kind=st.sampled_from([(s, f) for s in SUBTYPES for f in ("WAV", "WAVEX", "RF64", "W64")]),
    rate=st.sampled_from([8000, 16_000, 44_100, 48_000, sounds.RATE, 192_000, 768_000]),
    length=st.integers(1, 5000),
)
def test_blocks_are_what_soundfile_reads(tmp_path_factory, seed, frames, kind, rate, length):
    sound = np.random.default_rng(seed).uniform(-1, 1, (frames, 8))
    path = tmp_path_factory.mktemp("w") / "a.wav"
    sounds.write_wav(path, sound, rate, subtype=kind[0], format=kind[1])
    if frames * sounds.RATE < rate:
        with pytest.raises(Tap2keyError, match="no samples in it"):
            AudioFile(path)
        return
    audio = AudioFile(path)
    got = list(audio.blocks(length))
    assert all(block.dtype == np.float32 and len(block) > 0 for block in got)
    got = np.concatenate([np.empty((0, 8), np.float32), *got])
    assert len(got) == audio.frames == frames * sounds.RATE // rate
    wanted, _ = soundfile.read(path, dtype="float32", always_2d=True)
    if rate == sounds.RATE:
        np.testing.assert_array_equal(got, wanted)
    else:
        whole = soxr.resample(wanted, rate, sounds.RATE)
        both = min(len(whole), len(got))
        assert abs(len(whole) - len(got)) <= 2 * max(1, sounds.RATE / rate)
        np.testing.assert_allclose(got[:both], whole[:both], atol=1e-4)


separators = st.characters(codec="ascii", exclude_categories=["Nd", "Cc"], exclude_characters="/")


@settings(max_examples=150)
@given(
    start=st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)),
    digits=st.integers(1, 6),
    between=st.lists(separators, min_size=6, max_size=6),
    before=st.text(separators, max_size=8),
    ending=st.sampled_from([".wav", ".WAV", ".Wav"]),
)
def test_a_start_survives_its_file_name(start, digits, between, before, ending):
    start = start - timedelta(microseconds=start.microsecond % 10 ** (6 - digits))
    parts = [f"{start:%H}", f"{start:%M}", f"{start:%S}", f"{start:%f}"[:digits]]
    parts += [f"{start:%m}", f"{start:%d}", f"{start.year:04d}"]
    name = before + parts[0] + "".join(s + part for s, part in zip(between, parts[1:], strict=True))
    assert parse_start(name + ending) == start
