r"""Divide a mathematical answer into tokens, each in its one spelling.

A token is a command (``\frac``), a number, a word, a sign, or one space for any white space.
"""

from __future__ import annotations

import re


def words(text: str) -> frozenset[str]:
    """Return the words of a text, for tables of tokens."""
    return frozenset(text.split())


# Unicode characters, by what TeX writes for them.
_CHARACTERS = {
    "-": "−–",
    r"\cdot ": "×·⋅",
    "/": "÷",
    r"\pi ": "π",
    r"\sqrt ": "√",
    r"\infty ": "∞",
    r"\le ": "≤",
    r"\ge ": "≥",
    r"\ne ": "≠",
    r"\cup ": "∪",
    r"\cap ": "∩",
    r"\in ": "∈",
    r"\pm ": "±",
    r"\theta ": "θ",
    r"\emptyset ": "∅",
    r"\langle ": "⟨",
    r"\rangle ": "⟩",
    "^{2}": "²",
    "^{3}": "³",
    r"\frac{1}{2}": "½",
    r"\frac{1}{3}": "⅓",
    r"\frac{1}{4}": "¼",
    r"\frac{3}{4}": "¾",
    r"\frac{2}{3}": "⅔",
    "'": "’",
    "": "°€£\u200b\ufeff",
}
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_UNICODE: dict[int, str | int] = {
    ord(character): tex for tex, characters in _CHARACTERS.items() for character in characters
}
_UNICODE.update(_FULL_WIDTH)

# Tokens with the same meaning, by the one that is kept.
_SYNONYMS = {
    r"\frac": r"\dfrac \tfrac \cfrac",
    r"\binom": r"\dbinom \tbinom",
    r"\le": r"\leq \leqslant",
    r"\ge": r"\geq \geqslant",
    r"\ne": r"\neq",
    r"\cdot": r"\times *",
    "/": r"\div",
    "<": r"\lt",
    ">": r"\gt",
    "|": r"\lvert \rvert \vert",
    r"\{": r"\lbrace",
    r"\}": r"\rbrace",
    "[": r"\lbrack",
    "]": r"\rbrack",
    r"\ldots": r"\dots \cdots",
    r"\emptyset": r"\varnothing",
    r"\pi": "pi",
    r"\sqrt": "sqrt",
    r"\infty": "infinity",
    ",": r"and or \land \lor ;",
    r"\begin{pmatrix}": r"\begin{bmatrix} \begin{matrix} \begin{smallmatrix}",
    r"\end{pmatrix}": r"\end{bmatrix} \end{matrix} \end{smallmatrix} \end{array}",
}
_KEPT = {synonym: kept for kept, synonyms in _SYNONYMS.items() for synonym in synonyms.split()}
_SPACES = frozenset([r"\,", r"\;", r"\:", r"\>", r"\ ", "~", r"\quad", r"\qquad", r"\space"])
# Tokens without meaning: delimiters, sizes, styles, percent and degree signs.
_IGNORED = words(
    r"""
    \! $ \$ % \% \( \) \[ \] ` " \limits \nolimits \displaystyle \textstyle
    \left \right \big \Big \bigg \Bigg \bigl \bigr \Bigl \Bigr \biggl \biggr
    \rm \bf \it \boldsymbol \bm \boxed \fbox
    \degree \percent percent percentage degree degrees
    """
)
_TOKEN = re.compile(
    r"\\(?:begin|end)\{[A-Za-z]{1,20}\*?\}|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\.\d+|[A-Za-z]+|\s+|.",
    re.DOTALL,
)
_GROUPED_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,.])")
# Commas that group digits in TeX (``1{,}200``), and the empty delimiter of ``\left.``.
_REMOVED = re.compile(r"(?<=\d)(?:\{,\}|,\\!|\\,)(?=\d{3}(?!\d))|(?<=\\left)\.|(?<=\\right)\.")

# An array is a matrix whose columns are laid out.
_ARRAY = re.compile(r"\\begin\{array\}\s{0,9}\{[lcr|@{}\s]{0,40}\}")
_BASE_WORDS = "two three four five six seven eight nine ten eleven twelve sixteen"
_BASE_NAMES = "|".join(_BASE_WORDS.split())
# A base in words behind a number: "413 base 5", "413\text{ (base five)}".
_BASE = re.compile(
    r"(?<=[0-9A-F])[\s~]{0,9}(?:\\(?:text|textrm|mathrm|mbox)\{)?[\s~]{0,9}\(?(?:in\s)?base"
    rf"[\s~}}$-]{{0,9}}(\d{{1,2}}|{_BASE_NAMES})\b\)?\}}?",
    re.IGNORECASE,
)


def tokenize(text: str) -> list[str]:
    """Return the tokens of an answer. Commas that group digits are removed.

    ``1,200`` is one number outside of brackets, and two numbers inside.
    """
    text = _REMOVED.sub("", text.translate(_UNICODE))
    text = _ARRAY.sub(r"\\begin{pmatrix}", text)
    text = _BASE.sub(r"_{\1}", text)
    tokens: list[str] = []
    depth = index = 0
    while index < len(text):
        grouped = None
        if depth == 0 and not _continues_number(text, index):
            grouped = _GROUPED_NUMBER.match(text, index)
        match = grouped or _TOKEN.match(text, index)
        assert match is not None, "the last alternative of _TOKEN matches any character"
        index = match.end()
        token = match[0].replace(",", "") if grouped else _KEPT.get(match[0], match[0])
        if token in ("(", "[", r"\{"):
            depth += 1
        elif token in (")", "]", r"\}"):
            depth -= 1
        if token in _SPACES or token.isspace():
            token = " "
        if token not in _IGNORED:
            tokens.append(token)
    return tokens


def _continues_number(text: str, index: int) -> bool:
    return index > 0 and text[index - 1] in "0123456789,."
