"""Sound that says which second it is: written by the stations, read back by the handlers.

A second of a station is 8,000 samples (8 kHz, mono, 16 bit):

    | silence 500 | symbol 1,875 | symbol 1,875 | symbol 1,875 | symbol 1,875 |

Each symbol is a chord of 16 tones and carries 16 bits: bit *i* sounds as one of two neighbouring tones, so a bit that
was drowned shows neither or both, and the second counts as damaged. The 64 bits of a second are its number (32, the
seconds since 1970), its station (16) and a CRC (16). The silence is the only framing: a late
listener finds the next one by it.

All tones are multiples of 100 Hz and ring through the whole symbol. A symbol is read from a window of 1,600 samples in
its middle, so a boundary that was found up to 137 samples (17 ms) off does no harm: in any such window the tones are
orthogonal.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 8_000
SILENCE = 500
SYMBOLS = 4
SYMBOL = (RATE - SILENCE) // SYMBOLS
WINDOW = 1_600
LEAD = (SYMBOL - WINDOW) // 2
BITS = 16
TONES_HZ = 400 + 100 * np.arange(2 * BITS)
BINS = TONES_HZ * WINDOW // RATE
# 16 tones of this size together stay below 2**15: no chord can clip.
AMPLITUDE = 2_000
# The stronger tone of a bit must have at least four times the power of the weaker one.
MARGIN = 4.0
# All tones were sung equally loud; a weaker one was not there all the time.
EVEN = 0.5
# What counts as silence, as a part of the power of the second after it.
QUIET = 0.25

BYTES_PER_SECOND = 2 * RATE
MESSAGE = struct.Struct(">IHH")

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Second:
    """One second of sound that was heard completely."""

    station: int
    number: int


def wav_header() -> bytes:
    """The header of a WAV stream without an end: its two lengths are the largest that fit."""
    endless = 0xFFFFFFFF
    return b"".join(
        (
            struct.pack("<4sI4s", b"RIFF", endless, b"WAVE"),
            struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, BYTES_PER_SECOND, 2, 16),
            struct.pack("<4sI", b"data", endless),
        )
    )


WAV_HEADER_SIZE = 44


@cache
def _chords() -> tuple[Samples, Samples]:
    """The sound of each possible byte: as the low and as the high half of a symbol, 256 rows of one symbol each."""
    time = np.arange(SYMBOL) / RATE
    # Schroeder's phases (1970) keep the peaks of a chord low.
    phases = np.pi * np.arange(2 * BITS) ** 2 / (2 * BITS)
    tones = AMPLITUDE * np.sin(2 * np.pi * TONES_HZ[:, None] * time + phases[:, None])
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1

    def half(first_bit: int) -> Samples:
        sung = 2 * (first_bit + np.arange(8)) + bits
        chords: Samples = np.rint(tones[sung].sum(axis=1)).astype(np.int16)
        return chords

    return half(0), half(8)


def sing(station: int, number: int) -> Samples:
    """The sound of one second: 8,000 samples."""
    message = MESSAGE.pack(number & 0xFFFFFFFF, station, 0)[:-2]
    message += crc_hqx(message, 0xFFFF).to_bytes(2, "big")
    low, high = _chords()
    samples = np.zeros(RATE, dtype=np.int16)
    body = samples[SILENCE:].reshape(SYMBOLS, SYMBOL)
    octets = np.frombuffer(message, dtype=np.uint8).reshape(SYMBOLS, 2)
    np.add(low[octets[:, 1]], high[octets[:, 0]], out=body)
    return samples


def recognise(samples: Samples) -> Second | None:
    """Read one second that begins at the first sample; None when it is damaged or begins elsewhere."""
    sound = samples.astype(np.float32)
    silence, body = sound[LEAD : SILENCE - LEAD], sound[SILENCE:].reshape(SYMBOLS, SYMBOL)
    middle = body[:, LEAD : LEAD + WINDOW]
    if np.dot(silence, silence) / silence.size > QUIET * np.vdot(body, body) / body.size:
        return None
    spectrum = np.fft.rfft(middle)[:, BINS]
    power = (spectrum.real**2 + spectrum.imag**2).reshape(SYMBOLS, BITS, 2)
    zero, one = power[..., 0], power[..., 1]
    heard = np.maximum(zero, one)
    if (heard < MARGIN * np.minimum(zero, one)).any() or heard.min() < EVEN * heard.max():
        return None
    message = np.packbits(one > zero, axis=1, bitorder="little")[:, ::-1].tobytes()
    number, station, checksum = MESSAGE.unpack(message)
    if crc_hqx(message[:-2], 0xFFFF) != checksum:
        return None
    return Second(station=station, number=number)


def find_silence(samples: Samples) -> int | None:
    """Where the quietest stretch as long as a second's silence begins; None when nothing there is quiet."""
    power = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    windows = power[SILENCE:] - power[:-SILENCE]
    quietest = int(np.argmin(windows))
    if windows[quietest] / SILENCE > QUIET * power[-1] / samples.size:
        return None
    return quietest


class Listener:
    """Turns the bytes of one connection into the seconds that were heard completely, in pieces of any size.

    >>> listener = Listener()
    >>> [second.number for second in listener.hear(sing(7, 41).tobytes() + sing(7, 42).tobytes() + bytes(1000))]
    [41, 42]
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._aligned = False
        self._in_step = False
        self.interruptions = 0

    def hear(self, piece: bytes) -> Iterator[Second]:
        """Take in a piece of sound (after the WAV header) and yield each second that it completes."""
        self._bytes += piece
        while self._align() and len(self._bytes) >= BYTES_PER_SECOND:
            samples = np.frombuffer(self._bytes[:BYTES_PER_SECOND], dtype="<i2")
            second = recognise(samples)
            if second is None:
                self.interruptions += self._in_step
                self._in_step = self._aligned = False
                # Its own silence must not be found again.
                del self._bytes[: 2 * SILENCE]
            else:
                self._in_step = True
                del self._bytes[:BYTES_PER_SECOND]
                yield second

    def _align(self) -> bool:
        """Drop what precedes the next beginning of a second; one that was joined late has lost its silence."""
        needed = BYTES_PER_SECOND + 2 * SILENCE
        while not self._aligned and len(self._bytes) >= needed:
            start = find_silence(np.frombuffer(self._bytes[:needed], dtype="<i2"))
            if start is None:
                del self._bytes[:BYTES_PER_SECOND]
            else:
                del self._bytes[: 2 * start]
                self._aligned = True
        return self._aligned
