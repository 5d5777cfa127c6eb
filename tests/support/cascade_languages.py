"""Languages for a cascade: py3langid answers first, and lingua where that is not sure.

The sentences are Django's own translations, which its package holds: short ones of languages that are alike.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import django

from models_registry.core.runner import Item

LIGHT, HEAVY = (f"{__name__}:{name}" for name in ("light", "heavy"))
LANGUAGES = ("da", "nb", "sv", "nl", "de", "es", "pt", "it", "fr", "cs", "sk", "pl")
NORWEGIAN = {"no": "nb"}
INPUT_SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
LEAST_CHARS, MOST_CHARS = 20, 120
_MESSAGE = re.compile(r'^msgstr "(.+)"$', re.MULTILINE)
_MARKUP = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}|<[^>]*>|\\n|\\\"")


class Identifier:
    """Answers with the language of a text, and with how sure it is."""

    def key(self, item: Item) -> Hashable:
        return len(item.parameters)

    def collate(self, items: Sequence[Item]) -> Any:
        return [item.input["text"] for item in items]

    def run(self, batch: Any) -> Any:
        return [self.answer(text) for text in batch]

    def outputs(self, raw: Any) -> list[Any]:
        return [{"language": language, "confidence": confidence} for language, confidence in raw]

    def answer(self, text: str) -> tuple[str, float]:
        raise NotImplementedError


class Light(Identifier):
    """py3langid: naive Bayes over byte sequences, 4.6 MB."""

    def __init__(self) -> None:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self._identifier.set_languages([*(set(LANGUAGES) - {"nb"}), "no"])

    def answer(self, text: str) -> tuple[str, float]:
        language, confidence = self._identifier.classify(text)
        return NORWEGIAN.get(language, language), float(confidence)


class Heavy(Identifier):
    """lingua: sequences of one to five characters and words, 96 MB for 75 languages."""

    def __init__(self) -> None:
        from lingua import IsoCode639_1, LanguageDetectorBuilder

        codes = [getattr(IsoCode639_1, language.upper()) for language in LANGUAGES]
        self._detector = LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()

    def answer(self, text: str) -> tuple[str, float]:
        best = self._detector.compute_language_confidence_values(text)[0]
        return best.language.iso_code_639_1.name.lower(), best.value


def light(options: Mapping[str, Any], device: str) -> Light:
    return _light()


def heavy(options: Mapping[str, Any], device: str) -> Heavy:
    return _heavy()


def sentences(each: int) -> list[tuple[dict[str, Any], str]]:
    """Return inputs with their languages, up to `each` of a language, in turn."""
    rows = [[({"text": text}, language) for text in islice(_texts(language), each)] for language in LANGUAGES]
    return [pair for together in zip(*rows, strict=False) for pair in together]


def _texts(language: str) -> Iterator[str]:
    seen = set[str]()
    root = Path(django.__file__).parent
    for path in sorted(root.glob(f"**/locale/{language}/LC_MESSAGES/*.po")):
        for match in _MESSAGE.finditer(path.read_text()):
            text = " ".join(_MARKUP.sub(" ", match[1]).split())
            if LEAST_CHARS <= len(text) <= MOST_CHARS and text not in seen:
                seen.add(text)
                yield text


@cache
def _light() -> Light:
    return Light()


@cache
def _heavy() -> Heavy:
    return Heavy()
