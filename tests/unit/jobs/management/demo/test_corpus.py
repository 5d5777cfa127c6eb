"""The demo's sentences are real, distinct and the same every time."""

from jobs.management.demo.corpus import LONGEST, SHORTEST, sentences


def test_there_are_more_than_a_thousand_distinct_sentences_of_five_to_forty_words() -> None:
    texts = sentences(5_000)
    assert len(texts) == len(set(texts)) > 1_500
    assert all(SHORTEST <= len(sentence.split()) <= LONGEST for sentence in texts)


def test_sentences_are_prose_and_not_grammar_or_console_sessions() -> None:
    marks = ("::=", ">>>", "***")
    assert not [s for s in sentences(5_000) if any(mark in s for mark in marks)]


def test_the_same_sentences_come_in_the_same_order() -> None:
    assert sentences(100) == sentences(5_000)[:100]
