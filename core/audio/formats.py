"""What may be decoded: containers and codecs by libav's names. Everything else is refused before it is parsed.

No playlist, no image, no subtitle and no device is here: those formats open further files or addresses by name.
Imported by the decoder's child, so nothing heavy may be imported from here.
"""

MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 192_000
MAX_CHANNELS = 8
MAX_STREAMS = 32  # a film with many dubbed tracks has about 20

CONTAINERS = frozenset(
    "wav w64 aiff au caf flac wv mp3 aac amr ogg asf mov mp4 m4a 3gp 3g2 mj2 matroska webm".split()  # noqa: SIM905
)

# Their header tells no duration: libav guesses one from the first frames' bit rate, often wrongly.
GUESSED_DURATION = frozenset({"mp3", "aac", "amr"})

_PCM = "s8 u8 s16le s16be s24le s24be s32le s32be u16le u16be u24le u24be f32le f32be f64le f64be alaw mulaw"
_ADPCM = "ms ima_wav ima_qt yamaha swf"
_LOSSY = """mp3 mp3float mp2 mp2float mp1 mp1float aac aac_fixed opus libopus vorbis speex libspeex amrnb amrwb
  libopencore_amrnb libopencore_amrwb gsm gsm_ms g722 g726 g726le ac3 ac3_fixed eac3 wmav1 wmav2 wmapro wmavoice"""
_LOSSLESS = "flac alac wavpack wmalossless"

CODECS = frozenset(
    {f"pcm_{name}" for name in _PCM.split()}
    | {f"adpcm_{name}" for name in _ADPCM.split()}
    | set(_LOSSY.split())
    | set(_LOSSLESS.split())
)
