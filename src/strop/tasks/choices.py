"""Extract the letter of a multiple-choice answer.

The text is read as it is displayed, and only its last MAX_TEXT characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from strop.tasks.displayed_text import MAX_TEXT, displayed_tail
from strop.tasks.extraction import Found, MappedText

Matches = list[re.Match[str]]


def choice_strict(text: str, letters: str = "ABCD") -> Found | None:
    """Return the letter of a response in one of the forms that the task asks for.

    These are: a response that is only B, (B), B. or B), or else the last "The answer is (B)", or
    "The answer is B" at the end of its line.
    """
    shown, patterns = displayed_tail(text), _patterns(letters)
    bare = patterns.bare.fullmatch(shown.text) if len(text) <= MAX_TEXT else None
    if bare:
        return _letter(shown, bare, "bare letter")
    stated = _all(patterns.stated, shown)
    return _letter(shown, stated[-1], "the answer is") if stated else None


def choice_flexible(text: str, letters: str = "ABCD") -> Found | None:
    """Return the letter that a response ends up with. The first of these that exists:

    * the strict answer;
    * the last letter behind "answer", "correct option" or in a box, in lower case only if nothing
      but a full stop or a reason follows ("answer: b");
    * the letter that the response begins with ("B) mitosis"), unless it lists others;
    * the last letter that stands alone, or else the last in lower case that can be nothing else,
      both unless a "not" or "n't" denies it ("D, not (A)").

    "A" before a word in lower case is the article, unless "is" or "be" precedes it or a word such
    as "because" follows. Limits: of a hedge ("A or B") the last letter is taken, and so is a letter
    that is only mentioned at the end ("B, unlike C"; "vitamin C").
    """
    strict = choice_strict(text, letters)
    if strict:
        return strict
    shown, patterns = displayed_tail(text), _patterns(letters)
    cued = _all(patterns.cued, shown) or _all(patterns.cued_lower, shown)
    if cued:
        return _letter(shown, cued[-1], "after a cue")
    marked = _all(patterns.marked, shown)
    if len(text) <= MAX_TEXT and _begins_with_one_letter(shown, marked):
        return _letter(shown, marked[0], "first letter")
    last = _all(patterns.alone, shown)
    if last:
        return _letter(shown, last[-1], "last letter")
    marked = _all(patterns.marked_lower, shown)
    if len(text) <= MAX_TEXT and _begins_with_one_letter(shown, marked):
        return _letter(shown, marked[0], "first letter")
    last = _all(patterns.lower, shown)
    return _letter(shown, last[-1], "last letter") if last else None


def _all(pattern: re.Pattern[str], shown: MappedText) -> Matches:
    return list(pattern.finditer(shown.text))


def _begins_with_one_letter(shown: MappedText, marked: Matches) -> bool:
    """Return whether the text begins with a marked letter and marks no other one."""
    if len({match[1] for match in marked}) != 1:
        return False
    return not shown.text[: marked[0].start()].strip()


def _letter(shown: MappedText, match: re.Match[str], how: str) -> Found:
    """Return the letter in upper case: it is the last group of the match that took part."""
    group = match.lastindex or 0
    return Found(match[group].upper(), how, shown.at[match.start(group)])


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Patterns for one set of letters.

    ``bare`` matches a whole response, ``stated`` the sentence "The answer is (B)", ``cued`` a
    letter after words such as "correct option", ``marked`` a letter at the beginning of a line,
    ``alone`` a letter that is a word by itself, ``lower`` one in lower case; ``cued_lower`` and
    ``marked_lower`` are those in lower case.
    """

    bare: re.Pattern[str]
    stated: re.Pattern[str]
    cued: re.Pattern[str]
    marked: re.Pattern[str]
    alone: re.Pattern[str]
    lower: re.Pattern[str]
    cued_lower: re.Pattern[str]
    marked_lower: re.Pattern[str]


@lru_cache
def _patterns(letters: str) -> _Patterns:
    letter = f"[{re.escape(letters)}]"
    lower_letter = f"[{re.escape(letters.lower())}]"
    # "A" or "I" followed by a word in lower case is an article or a pronoun, no choice.
    not_article = (
        r"(?!(?<=[AI])(?<!is [AI])(?<!be [AI])\s"
        r"(?!(?:because|since|as|is|was|and|or|for|due|seems|would)\b)[a-z])"
    )
    # A lookbehind has a fixed width, so each combination of denial and opening sign has its own.
    not_denied = "".join(
        rf"(?<!{word} {sign})" for word in ("not", "n't", "n’t") for sign in ("", r"\(", r"\*\*")
    )
    cue = (
        r"(?i:\banswer|\b(?:correct|best|right)\s(?:option|choice|one))"
        r"(?i:\s(?:is|was|would be|should be|must be))?(?i:\s(?:option|choice|letter))?"
    )
    opening = r"\\[a-z]{1,10}\{"  # such as \text{
    return _Patterns(
        bare=re.compile(rf"\s*(?:\(({letter})\)\.?|({letter})[.)]?)\s*"),
        stated=re.compile(
            rf"\b[Tt]he answer is (?:\(({letter})\)(?!\s*(?:or|and|/|,)\s*\(?{letter}\b)"
            rf"|({letter})(?=\.?[^\S\n]*$))",
            re.MULTILINE,
        ),
        cued=re.compile(
            rf"{cue}(?:[^\w.,;]|{opening}){{0,12}}({letter})(?![\w'’]){not_article}"
            rf"|\\boxed\{{(?:[^\w{{}}]|{opening}){{0,4}}({letter})(?!\w)"
        ),
        marked=re.compile(rf"^[ \t*(\[]{{0,4}}({letter})[).:\]](?!\w\b)", re.MULTILINE),
        alone=re.compile(
            rf"(?<![\w.'’&/-]){not_denied}({letter})(?![\w'’&+#/-]|\.\w\b){not_article}"
        ),
        lower=re.compile(
            rf"{not_denied}\(({lower_letter})\)|\A\W{{0,9}}({lower_letter})\W{{0,9}}\Z"
        ),
        cued_lower=re.compile(
            rf"{cue}(?:[^\w.,;]|{opening}){{0,12}}({lower_letter})"
            r"(?=[)\]}*_\"'$]{0,6}(?:[^\S\n]{0,9}$|[.,;:!](?!\w)|\s(?:because|since)\b))",
            re.MULTILINE,
        ),
        marked_lower=re.compile(rf"^[ \t*(\[]{{0,4}}({lower_letter})[).:\]](?!\w)", re.MULTILINE),
    )
