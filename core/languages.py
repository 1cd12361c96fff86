"""The languages that Whisper knows, and how people write them."""

import difflib
import re

from core.errors import InvalidRequestError

# Whisper's own codes (mostly ISO 639-1; `jw` and `yue` are its exceptions) with their English names.
LANGUAGES: dict[str, str] = {
    "af": "afrikaans", "am": "amharic", "ar": "arabic", "as": "assamese", "az": "azerbaijani",
    "ba": "bashkir", "be": "belarusian", "bg": "bulgarian", "bn": "bengali", "bo": "tibetan",
    "br": "breton", "bs": "bosnian", "ca": "catalan", "cs": "czech", "cy": "welsh",
    "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fo": "faroese",
    "fr": "french", "gl": "galician", "gu": "gujarati", "ha": "hausa", "haw": "hawaiian",
    "he": "hebrew", "hi": "hindi", "hr": "croatian", "ht": "haitian creole", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "is": "icelandic", "it": "italian", "ja": "japanese",
    "jw": "javanese", "ka": "georgian", "kk": "kazakh", "km": "khmer", "kn": "kannada",
    "ko": "korean", "la": "latin", "lb": "luxembourgish", "ln": "lingala", "lo": "lao",
    "lt": "lithuanian", "lv": "latvian", "mg": "malagasy", "mi": "maori", "mk": "macedonian",
    "ml": "malayalam", "mn": "mongolian", "mr": "marathi", "ms": "malay", "mt": "maltese",
    "my": "myanmar", "ne": "nepali", "nl": "dutch", "nn": "nynorsk", "no": "norwegian",
    "oc": "occitan", "pa": "punjabi", "pl": "polish", "ps": "pashto", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sa": "sanskrit", "sd": "sindhi", "si": "sinhala",
    "sk": "slovak", "sl": "slovenian", "sn": "shona", "so": "somali", "sq": "albanian",
    "sr": "serbian", "su": "sundanese", "sv": "swedish", "sw": "swahili", "ta": "tamil",
    "te": "telugu", "tg": "tajik", "th": "thai", "tk": "turkmen", "tl": "tagalog",
    "tr": "turkish", "tt": "tatar", "uk": "ukrainian", "ur": "urdu", "uz": "uzbek",
    "vi": "vietnamese", "yi": "yiddish", "yo": "yoruba", "yue": "cantonese", "zh": "chinese",
}  # fmt: skip

# Other names and codes for the same: those of OpenAI's own command line, and what else people type.
ALIASES: dict[str, str] = {
    "burmese": "my", "castilian": "es", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb", "mandarin": "zh",
    "moldavian": "ro", "moldovan": "ro", "panjabi": "pa", "pushto": "ps", "sinhalese": "si", "valencian": "ca",
    "bangla": "bn", "bokmal": "no", "bokmål": "no", "cambodian": "km", "farsi": "fa", "filipino": "tl",
    "norwegian nynorsk": "nn", "norwegian bokmål": "no", "slovene": "sl",
    "cmn": "zh", "fil": "tl", "iw": "he", "jv": "jw", "nb": "no",
}  # fmt: skip

_BY_TEXT = {code: code for code in LANGUAGES} | {name: code for code, name in LANGUAGES.items()} | ALIASES
_TAG = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{2,8})+")  # a language with script or region: en-US, zh_Hant_TW
_SPACELESS = frozenset({"bo", "ja", "km", "lo", "my", "th", "yue", "zh"})


def parse_language(text: str) -> str | None:
    """Whisper's code for a language given as a code, a tag or an English name, in any case.

    ``en``, ``en-US``, ``pt_BR``, ``German`` and ``castilian`` all work. None for an empty text or ``auto``.
    Raises ``InvalidRequestError`` with the code ``invalid_language`` for everything else.
    """
    wanted = text.strip().lower()
    if wanted in ("", "auto"):
        return None
    tag = _TAG.fullmatch(wanted)
    candidates = [wanted, re.sub(r"[-_\s]+", " ", wanted), tag.group(1) if tag else ""]
    code = next((_BY_TEXT[name] for name in candidates if name in _BY_TEXT), None)
    if code is None:
        raise InvalidRequestError(_complaint(text, wanted), code="invalid_language")
    return code


def language_name(code: str) -> str:
    """The English name in lower case, as OpenAI's ``verbose_json`` gives it; an unknown code is returned as it is."""
    return LANGUAGES.get(code, code)


def has_spaces(code: str | None) -> bool:
    """False for the languages written without spaces between words; an unknown language is taken to have them."""
    return code not in _SPACELESS


def _complaint(text: str, wanted: str) -> str:
    shown = text.strip()[:40]
    close = difflib.get_close_matches(wanted[:40], _BY_TEXT, n=3, cutoff=0.7)
    names = list(dict.fromkeys(f"{language_name(_BY_TEXT[name])} ({_BY_TEXT[name]})" for name in close))
    hint = f"Did you mean {' or '.join(names)}? " if names else ""
    return (
        f"The language {shown!r} is not one that Whisper knows. {hint}"
        "Give an ISO 639-1 code such as 'en', a tag such as 'en-US', an English name such as 'german', "
        "or leave it out to have it found."
    )
