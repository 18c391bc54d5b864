"""The sound proves itself: a second is heard as what was sung, or not at all."""

from __future__ import annotations

import wave
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.lab.sound import (
    BYTES_PER_SECOND,
    RATE,
    WAV_HEADER_SIZE,
    Listener,
    Samples,
    Second,
    recognise,
    sing,
    wav_header,
)

# The first example pays for the tables of chords, and the machine may be busy.
unhurried = settings(deadline=None)

numbers = st.integers(min_value=0, max_value=2**32 - 1)
stations = st.integers(min_value=0, max_value=2**16 - 1)


def with_noise(samples: Samples, loudness: float, seed: int) -> Samples:
    noise = np.random.default_rng(seed).normal(0, loudness, samples.size)
    return np.clip(samples + noise, -(2**15), 2**15 - 1).astype(np.int16)


@unhurried
@given(stations, numbers)
def test_what_was_sung_is_recognised(station: int, number: int) -> None:
    assert recognise(sing(station, number)) == Second(station, number)


@unhurried
@given(stations, numbers, st.integers(0, 1_500), st.integers(0, 2**32 - 1))
def test_noise_11_db_below_the_sound_does_no_harm(station: int, number: int, loudness: int, seed: int) -> None:
    assert recognise(with_noise(sing(station, number), loudness, seed)) == Second(station, number)


@unhurried
@given(numbers.filter(lambda n: n < 2**32 - 4), st.integers(50, RATE - 1), st.integers(0, 1_000))
def test_who_joins_in_a_second_hears_exactly_the_whole_ones_after_it(number: int, offset: int, loudness: int) -> None:
    broadcast = np.concatenate([sing(3, number + second) for second in range(4)])
    heard = list(Listener().hear(with_noise(broadcast, loudness, offset)[offset:].tobytes() + bytes(1_000)))
    assert heard == [Second(3, number + second) for second in (1, 2, 3)]


def test_who_joins_at_the_boundary_hears_the_first_second_too() -> None:
    broadcast = np.concatenate([sing(3, second) for second in range(3)])
    assert [second.number for second in Listener().hear(broadcast.tobytes() + bytes(1_000))] == [0, 1, 2]


@unhurried
@given(st.integers(0, 2 * RATE), st.integers(1, 7_001))
def test_the_size_of_the_pieces_does_not_matter(offset_in_bytes: int, size: int) -> None:
    broadcast = b"".join(sing(5, second).tobytes() for second in range(4))[offset_in_bytes & ~1 :] + bytes(1_000)
    listener = Listener()
    pieces = (broadcast[start : start + size] for start in range(0, len(broadcast), size))
    heard = [second.number for piece in pieces for second in listener.hear(piece)]
    assert heard in ([0, 1, 2, 3], [1, 2, 3], [2, 3])
    assert listener.interruptions == 0


@unhurried
@given(st.integers(0, RATE - 1), st.integers(1, RATE), st.sampled_from(["silence", "noise", "another second"]), numbers)
def test_a_damaged_second_is_never_reported_as_one_that_was_not_sung(
    start: int, length: int, damage: str, number: int
) -> None:
    samples = sing(9, number).copy()
    replacement = {
        "silence": np.zeros(RATE, dtype=np.int16),
        "noise": np.random.default_rng(start).integers(-12_000, 12_000, RATE).astype(np.int16),
        "another second": sing(9, number ^ 0x5A5A),
    }[damage]
    samples[start : start + length] = replacement[start : start + length]
    sung = {None, Second(9, number)} | ({Second(9, number ^ 0x5A5A)} if damage == "another second" else set())
    assert recognise(samples) in sung


def test_a_damaged_second_is_counted_and_the_next_one_is_heard() -> None:
    damaged = sing(2, 11).copy()
    damaged[3_000:4_500] = 0
    broadcast = b"".join(samples.tobytes() for samples in (sing(2, 10), damaged, sing(2, 12), sing(2, 13)))
    listener = Listener()
    assert [second.number for second in listener.hear(broadcast + bytes(1_000))] == [10, 12, 13]
    assert listener.interruptions == 1


@unhurried
@given(st.integers(0, 4 * RATE - 1), st.integers(1, 2 * RATE))
def test_after_lost_samples_the_listener_finds_the_beat_again(start: int, length: int) -> None:
    broadcast = np.concatenate([sing(2, second) for second in range(8)])
    heard = [second.number for second in Listener().hear(np.delete(broadcast, slice(start, start + length)).tobytes())]
    assert heard == sorted(set(heard))
    assert set(heard) >= {6}
    first_touched, last_touched = start // RATE, (start + length) // RATE
    assert {0, 1, 2, 3, 4, 5, 6} - set(heard) <= set(range(first_touched, last_touched + 2))


@pytest.mark.parametrize("sound", [bytes(10 * BYTES_PER_SECOND), np.full(10 * RATE, 9_000, dtype=np.int16).tobytes()])
def test_silence_and_a_stuck_level_say_nothing(sound: bytes) -> None:
    assert list(Listener().hear(sound)) == []


def test_the_stream_is_a_wav_that_others_can_read() -> None:
    header = wav_header()
    assert len(header) == WAV_HEADER_SIZE
    with wave.open(BytesIO(header + sing(1, 1).tobytes())) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (RATE, 1, 2)
