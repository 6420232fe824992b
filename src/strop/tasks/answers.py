"""Extract a number or a short answer in words from a response in natural language.

A strict extractor accepts an answer only where the task asks for it and in the form it asks for. A
flexible one accepts it wherever it can be recognised, and tries the strict one first, so strict
implies flexible. The functions here see neither a model nor a reference.

All of them read the text as it is displayed (``displayed_text``) and at most MAX_TEXT characters of
it: the first ones in ``gsm8k_strict`` and ``nq_strict``, the last ones in all others.
``numbers.canonical_number`` and ``squad.normalise_squad`` bring answers into one spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from strop.tasks.displayed_text import displayed_head, displayed_tail
from strop.tasks.extraction import Found, MappedText
from strop.tasks.numbers import IN_TEXT, MINUS, RUN, number

MARKERS = ("####", "Answer:", "The answer is")

# GSM8K. lm-evaluation-harness (gsm8k.yaml, version 3) takes the first match of
# "#### (\-?[0-9\.\,]+)" (strict) or the last match of "(-?[$0-9.,]{2,})|(-?[0-9]+)" (flexible),
# deletes "," and "$" and one "." at the end, and compares strings. strop differs only here
# (tests/tasks/test_gsm8k_filters.py compares it with the harness's own filters and metric):
#
#   text                                          harness                       strop
#   a number not in lowest terms (29.00, 029)     "29.00", not equal to "29"    29
#   two or more points at the end (12...)         "12..", equal to nothing      12
#   no digit (... or ,, or $$)                    "..", "", equal to nothing    skipped
#   points in front (...5)                        "...5", equal to nothing      none; flexible 5
#   a comma in front (,5)                         5                             none; flexible 5
#   a fraction (3/4)                              strict 3, flexible 4          3/4
#   wrong grouping, list, date (1,2 1/2/2020)     12; strict 1, flexible 2020   no number: skipped
#   several points (1.2.3)                        "1.2.3", equal to nothing     no number: skipped
#   more than 100 digits, a denominator of 0      the digits; 0                 no number: skipped
#   a joining hyphen, flexible (5-10, x-3)        -10, -3                       10, 3
#   "$" or "," in between, flexible               5$6 is 56, .$5 .5, -,5 -5     6, 5, 5
#   unicode minus (−5)                            none; flexible 5              -5
#   groups by {,} or no-break spaces (1{,}200)    strict 1, flexible 200        1200
#   full-width and other scripts' digits          not read                      read
#   escapes, tags, entities, invisible marks      their digits are numbers      read as displayed
#   a number in \boxed{}, others later, flexible  the last number               the boxed one
#   12 (i.e., 1 dozen), flexible                  1                             12
#   a number after "#### ", and others later      flexible: the last number     the strict one
#   a text of more than MAX_TEXT characters       read whole                    one end is read
#
# Both skip numbers in words, read "1e5" as 5 (flexible), "2½" as 2, "0,500" as 500 and "100,200"
# as 100200. Of "1 1/2" the harness takes 2, strop 1/2.
_AFTER_HASHES = re.compile(rf"#### ([{MINUS}]?{RUN})")
_NUMBER = re.compile(IN_TEXT)
# A box with a number alone. Its braces may hold a unit: \boxed{18\text{ dollars}}.
_BOXED_NUMBER = re.compile(
    rf"\\boxed\s?\{{\s{{0,9}}(\\?[$]?[+{MINUS}]?\\?[$]?{RUN})"
    r"\s{0,9}(?:\\?%)?\s{0,9}(?:\\[a-z]{1,10}\{[^{}]{0,40}\})?\s{0,9}\}"
)
# A remark in parentheses that says the number before it again: "12 (i.e., 1 dozen)".
_REMARK = re.compile(
    r"(?<=\d)[^\S\n]{0,3}(?:[A-Za-z]{1,20}[^\S\n]{1,3}){0,3}"
    r"(\((?:i\.\s?e\.?|that is|which is|or|namely|=|≈)[^()\n]{0,200}\))",
    re.IGNORECASE,
)


def gsm8k_strict(text: str) -> Found | None:
    """Return the first readable number that stands right after ``#### ``."""
    shown = displayed_head(text)
    for match in _AFTER_HASHES.finditer(shown.text):
        answer = _readable_number(shown, match, 1, "after ####")
        if answer:
            return answer
    return None


def gsm8k_flexible(text: str) -> Found | None:
    """Return the strict answer, or else the number in the last box, or else the last number.

    A remark in parentheses that only says the answer again ("12 (i.e., 1 dozen)") does not count.
    """
    strict = gsm8k_strict(text)
    if strict:
        return strict
    shown = displayed_tail(text)
    boxed = _last_boxed_number(shown)
    if boxed:
        return boxed
    remarks = _remarks(shown)
    for match in reversed(list(_NUMBER.finditer(shown.text))):
        if match.start() in remarks:
            continue
        answer = _readable_number(shown, match, 0, "last number")
        if answer:
            return answer
    return None


def only_number(text: str) -> Found | None:
    """Return the number in the last box of a gold answer, or else its only number.

    None if there are several: "3 apples cost 6" does not say which one is the answer.
    """
    shown = displayed_tail(text)
    boxed = _last_boxed_number(shown)
    if boxed:
        return boxed
    remarks = _remarks(shown)
    numbers = [match for match in _NUMBER.finditer(shown.text) if match.start() not in remarks]
    return _readable_number(shown, numbers[0], 0, "only number") if len(numbers) == 1 else None


def _last_boxed_number(shown: MappedText) -> Found | None:
    for match in reversed(list(_BOXED_NUMBER.finditer(shown.text))):
        answer = _readable_number(shown, match, 1, "boxed")
        if answer:
            return answer
    return None


def _remarks(shown: MappedText) -> set[int]:
    """Return the indices of all characters inside remarks."""
    return {index for remark in _REMARK.finditer(shown.text) for index in range(*remark.span(1))}


def _readable_number(shown: MappedText, match: re.Match[str], group: int, how: str) -> Found | None:
    """Return the matched group without final punctuation, if it is a number."""
    start = match.start(group)
    written = match[group].rstrip(".,/")
    answer = shown.extract(start, start + len(written), how)
    return answer if answer and number(answer.answer) is not None else None


_LINE = re.compile(r"[^\r\n\u2028\u2029]*")
_BEFORE_ANSWER = re.compile(r"[\s*_:`]*")
_WRAPPED = re.compile(r"\$*\\(?:boxed|text|textbf|mathrm)\{(.*)\}\$*")


def after_marker(text: str, markers: Iterable[str] = MARKERS) -> Found | None:
    """Return what follows the last marker that is followed by something.

    The answer ends with the marker's line, or with the next line if nothing stands behind the
    marker. Markers are matched in any case, but neither inside words nor before an apostrophe
    ("the answer isn't"). Final periods are dropped.
    """
    shown = displayed_tail(text)
    end = len(shown.text)
    for match in reversed(list(_marker_pattern(tuple(markers)).finditer(shown.text))):
        answer = _first_line(shown, match.end(), end, f"after {match[0]}")
        if answer:
            return answer
        end = match.start()
    return None


@lru_cache
def _marker_pattern(markers: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern that matches any of the markers, or nothing if there are none."""
    alternatives = []
    for marker in filter(None, markers):
        word_end = r"(?![\w'’])" if marker[-1].isalnum() else ""
        alternatives.append(re.escape(marker) + word_end)
    return re.compile(rf"(?<!\w)(?:{'|'.join(alternatives) or '(?!)'})", re.IGNORECASE)


def _first_line(shown: MappedText, begin: int, end: int, how: str) -> Found | None:
    """Return the first line that is not blank, without Markdown, boxes and final periods."""
    before = _BEFORE_ANSWER.match(shown.text, begin, end)
    if before:
        begin = before.end()
    line = _LINE.match(shown.text, begin, end)
    end = begin + len(line[0].rstrip(" \t*_`.") if line else "")
    for _ in range(3):  # a box inside a box: a few levels are enough
        wrapped = _WRAPPED.fullmatch(shown.text, begin, end)
        if wrapped is None:
            break
        begin, end = wrapped.span(1)
    return shown.extract(begin, end, how)


def nq_strict(text: str) -> Found | None:
    """Return the first line that is not blank."""
    shown = displayed_head(text)
    begin = len(shown.text) - len(shown.text.lstrip())
    line = _LINE.match(shown.text, begin)
    return shown.extract(begin, line.end(), "first line") if line else None


def nq_flexible(text: str) -> Found | None:
    """Return the first sentence after "Answer:" or "answer is", or else of the first line.

    Any first line may be an answer ("Dr. No", "The Answer Is Blowin' in the Wind"), so no rule
    that cuts can keep all of them.
    """
    answer = after_marker(text, ("Answer:", "answer is")) or nq_strict(text)
    return _first_sentence(answer) if answer else None


_ABBREVIATIONS = frozenset(["mrs", "rev", "gen", "sgt", "col", "capt", "prof", "inc", "ltd"])


def _first_sentence(answer: Found) -> Found:
    """Cut the answer at the end of its first sentence."""
    for word in re.finditer(r"\S+", answer.answer):
        written = word[0].rstrip("\"'”’)]*_")
        if _ends_sentence(written, first=word.start() == 0):
            end = word.start() + len(written.rstrip(".!?"))
            return replace(answer, answer=answer.answer[:end])
    return answer


def _ends_sentence(word: str, *, first: bool) -> bool:
    """Return whether a word with its punctuation, without closing quotes, ends a sentence.

    A period does not end one after one or two letters, initials ("J.R."), a title, or the number of
    a list item at the beginning (``first``).
    """
    core = word.rstrip(".!?").lstrip("\"'“‘([*_")
    if not core:
        return False
    if word[-1] != ".":
        return word[-1] in "!?"
    is_abbreviation = core.isalpha() and (len(core) <= 2 or core.lower() in _ABBREVIATIONS)
    is_list_number = first and core.isdigit() and len(core) <= 2
    return not (is_abbreviation or is_list_number or "." in core)
