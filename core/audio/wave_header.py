"""How libav is to read a WAV file, by the first bytes of it. Runs in the decoder's child."""

from core.audio.source import Source
from core.audio.wire import PCM_BYTES

_HEADS, _FORM = (b"RIFF", b"RF64"), b"WAVE"  # the first four bytes of a WAV file, and those from the eighth on
_PROBE_BYTES = 65_536  # its header says what it is; unless told, libav reads megabytes to be sure
# libav's own packets are of 2 KiB, and each costs some Python. Of what is compressed, damage costs a whole one.
_PACKET_BYTES, _PLAIN_PACKET_BYTES = 16_384, PCM_BYTES
_PLAIN = {1, 3, 6, 7}  # PCM, floating point, A-law and mu-law, as the header's format tag says


def wave_options(source: Source) -> dict[str, str]:
    """Options for libav; none where it is another file. Leaves the file at its beginning."""
    head = source.read(22)
    source.seek(0)
    if head[:4] not in _HEADS or head[8:12] != _FORM:
        return {}
    plain = head[12:16] == b"fmt " and int.from_bytes(head[20:], "little") in _PLAIN
    return {"probesize": str(_PROBE_BYTES), "max_size": str(_PLAIN_PACKET_BYTES if plain else _PACKET_BYTES)}
