"""The vocabulary of audience expressions on this installation."""

from __future__ import annotations

from livetags.dictionary_updates import dictionaries_in_force
from schemas.settings import Settings
from serving.audience.vocabulary import Vocabulary
from serving.audience.words import with_words
from udfs.tags import GROUPS


def audience_vocabulary(settings: Settings) -> Vocabulary:
    """The catalogue, the dictionaries in force, the words that come with the project and the operator's own.

    Raises
    ------
    WordsRefused
        When a word of the operator's can't be used.
    DictionaryError, DamagedUpdate
        When the dictionaries can't be read.
    """
    rules = settings.rules(GROUPS, dictionaries_in_force(settings))
    files = [settings.audience_words] if settings.audience_words is not None else []
    return with_words(Vocabulary(GROUPS, rules), files)
