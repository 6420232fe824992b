"""Which mathematical answer does a response give, and how is it written in one way?

``boxed`` wants the answer in a box, ``math_flexible`` takes it wherever it can be made out. ``normalise_math`` is the one spelling that
majority votes count: two answers are one if their forms are equal, which makes an equivalence relation. It reads TeX as it looks and
changes only how things are written, with these conventions of the MATH benchmark's own graders:

* Units do not count: ``\\text{ cm}`` and other words at the end, ``$``, degree signs, percent signs (``35\\%`` is 35, and not 0.35).
* What is left of one ``=`` or ``\\in`` does not count if it is only a name: ``x = 5``, ``f(x) = 5`` and ``(x,y) = 5`` are 5.
* Numbers between separators are exact and in lowest terms: ``0.5``, ``.50``, ``2/4`` and ``\\frac24`` are ``\\frac{1}{2}``, and
  ``1\\frac12`` is a mixed number. ``1,200`` is a number outside of brackets, and two inside; ``1, 200`` is always two.
* Lists, tuples and sets keep their order, intervals their brackets. No algebra is done.

Only the last MAX_TEXT characters of a response are read; an answer of more than MAX_ANSWER characters is no answer, and neither is one
nested deeper than MAX_DEPTH.
"""

from __future__ import annotations

import re
from fractions import Fraction

from strop.tasks.answers import MAX_TEXT
from strop.tasks.extraction import Found
from strop.tasks.numbers import IN_TEXT, number

MAX_ANSWER = 2_000
MAX_DEPTH = 40
MAX_PASSES = 8
MAX_DIGITS = 100

_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s{0,20}(?:(\{)|(?=[^\s{}$]))")
_BARE = re.compile(r"[^\s$]{1,200}")
_MARKER = re.compile(
    r"(?<!\w)(?:the\s{1,3}(?:final\s{1,3}|correct\s{1,3})?answer\s{1,3}is|(?:final\s{1,3})?answer[*_]{0,3}\s?(?::|is:))(?![\w'’])[\s:*_]*",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:(?:therefore|thus|then|simply|just|equal to|given by|approximately|about|indeed),?\s|:\s)*",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"[.!?](?=\s|[*_\"]|\Z)|\n|,?\s(?:since|because|as|which|where|so|when|if)\s|\Z"
)
_JOINED = re.compile(r"\s*(?:[,;]|,?\s*(?:and|or))\s*")
_DELIMITER = re.compile(r"\\[()\[\]]|\\.|\$\$?|\n[ \t]{0,20}\n", re.DOTALL)
_CLOSING = {"$": "$", "$$": "$$", r"\(": r"\)", r"\[": r"\]"}
_EQUALS = re.compile(r"(?<![<>!\\])=")
_LAST = re.compile(rf"-?\\[dt]?frac\{{-?\d{{1,50}}\}}\{{\d{{1,50}}\}}|{IN_TEXT}")


def _tail(text: str) -> tuple[str, int]:
    offset = max(0, len(text) - MAX_TEXT)
    return text[offset:], offset


def _found(tail: str, offset: int, begin: int, end: int, how: str) -> Found | None:
    piece = tail[begin:end]
    answer = piece.strip()
    if not 0 < len(answer) <= MAX_ANSWER:
        return None
    return Found(answer, how, offset + begin + len(piece) - len(piece.lstrip()))


def boxed(text: str) -> Found | None:
    r"""The content of the last ``\boxed{...}`` or ``\fbox{...}`` that is closed and not empty, or of ``\boxed 5``."""
    tail, offset = _tail(text)
    opened: list[int] = []
    closing: dict[int, int] = {}
    for brace in _BRACE.finditer(tail):
        if brace[0] == "{":
            opened.append(brace.start())
        elif brace[0] == "}" and opened:
            closing[opened.pop()] = brace.start()
    for box in reversed(list(_BOX.finditer(tail))):
        if box[1]:
            end = closing.get(box.start(1), 0)
        else:
            bare = _BARE.match(tail, box.end())
            end = box.end() + len(bare[0].rstrip(".,;:")) if bare else 0
        found = _found(tail, offset, box.end(), end, "boxed")
        if found:
            return found
    return None


def _segments(tail: str) -> list[tuple[int, int]]:
    """Where the mathematics between ``$``, ``$$``, ``\\(`` or ``\\[`` begins and ends. A ``$`` before a digit closes nothing (prices)."""
    segments: list[tuple[int, int]] = []
    opened: re.Match[str] | None = None
    for mark in _DELIMITER.finditer(tail):
        price = mark[0] == "$" and tail[mark.end() : mark.end() + 1].isdigit()
        if opened and mark[0] == _CLOSING[opened[0]] and not price:
            if tail[opened.end() : mark.start()].strip():
                segments.append((opened.end(), mark.start()))
            opened = None
        elif opened is None or opened[0] == "$":
            opened = mark if mark[0] in _CLOSING else opened if mark[0].strip() else None
    return segments


def _after_marker(tail: str, offset: int, segments: list[tuple[int, int]]) -> Found | None:
    """The mathematics in the sentence that follows the last marker, or else that sentence."""
    for marker in reversed(list(_MARKER.finditer(tail))):
        filler = _FILLER.match(tail, marker.end())
        begin = filler.end() if filler else marker.end()
        end = begin
        following = [segment for segment in segments if segment[0] > begin]
        sentence = _SENTENCE_END.search(tail, begin)
        end = sentence.start() if sentence else len(tail)
        if (
            following
            and following[0][0] <= end + 1
            and not re.search(r"\d", tail[begin : following[0][0]])
        ):
            begin, end = following[0]
            for other in following[1:]:
                if not _JOINED.fullmatch(tail[end : other[0]].replace("$", " ")):
                    break
                end = other[1]
        found = _found(
            tail, offset, begin, begin + len(tail[begin:end].rstrip(" *_`.,;")), "after a marker"
        )
        if found:
            return found
    return None


def math_flexible(text: str) -> Found | None:
    """The boxed answer; or what follows the last "The answer is" or "Final answer:"; or what the last ``$...$`` ends with, behind its
    last equals sign; or the last number."""
    found = boxed(text)
    if found:
        return found
    tail, offset = _tail(text)
    segments = _segments(tail)
    found = _after_marker(tail, offset, segments)
    if found:
        return found
    if segments:
        begin, end = segments[-1]
        behind = [begin, *(sign.end() for sign in _EQUALS.finditer(tail, begin, end))][-1]
        whole = tail.count("{", behind, end) == tail.count("}", behind, end) and tail[
            behind:end
        ].strip(" .,;")
        found = _found(tail, offset, behind if whole else begin, end, "last formula")
        if found:
            return found
    for match in reversed(list(_LAST.finditer(tail))):
        written = match[0].rstrip(".,/")
        if "frac" in written or number(written) is not None:
            return _found(tail, offset, match.start(), match.start() + len(written), "last number")
    return None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SIGNS = {
    "−": "-",
    "–": "-",
    "×": r"\cdot ",
    "·": r"\cdot ",
    "⋅": r"\cdot ",
    "÷": "/",
    "π": r"\pi ",
    "√": r"\sqrt ",
    "∞": r"\infty ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "∈": r"\in ",
    "±": r"\pm ",
    "θ": r"\theta ",
    "∅": r"\emptyset ",
    "²": "^{2}",
    "³": "^{3}",
    "½": r"\frac{1}{2}",
    "⅓": r"\frac{1}{3}",
    "¼": r"\frac{1}{4}",
    "¾": r"\frac{3}{4}",
    "⅔": r"\frac{2}{3}",
    "°": "",
    "€": "",
    "£": "",
    "\u200b": "",
    "\ufeff": "",
    "⟨": r"\langle ",
    "⟩": r"\rangle ",
    "’": "'",
}
_UNICODE = str.maketrans(_SIGNS | {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)})
_SAME = {
    r"\dfrac": r"\frac",
    r"\tfrac": r"\frac",
    r"\cfrac": r"\frac",
    r"\dbinom": r"\binom",
    r"\tbinom": r"\binom",
    r"\leq": r"\le",
    r"\leqslant": r"\le",
    r"\geq": r"\ge",
    r"\geqslant": r"\ge",
    r"\neq": r"\ne",
    r"\times": r"\cdot",
    "*": r"\cdot",
    r"\lbrace": r"\{",
    r"\rbrace": r"\}",
    r"\lbrack": "[",
    r"\rbrack": "]",
    r"\lvert": "|",
    r"\rvert": "|",
    r"\vert": "|",
    r"\lt": "<",
    r"\gt": ">",
    r"\dots": r"\ldots",
    r"\cdots": r"\ldots",
    r"\varnothing": r"\emptyset",
    r"\div": "/",
    "pi": r"\pi",
    "sqrt": r"\sqrt",
    "infinity": r"\infty",
    "and": ",",
    "or": ",",
    r"\land": ",",
    r"\lor": ",",
    ";": ",",
    r"\begin{bmatrix}": r"\begin{pmatrix}",
    r"\end{bmatrix}": r"\end{pmatrix}",
    r"\begin{matrix}": r"\begin{pmatrix}",
    r"\end{matrix}": r"\end{pmatrix}",
}
_SPACES = frozenset([r"\,", r"\;", r"\:", r"\>", r"\ ", "~", r"\quad", r"\qquad", r"\space"])
_NOTHING = _words(
    r"""\! $ \$ % \% \( \) \[ \] \left \right \big \Big \bigg \Bigg \bigl \bigr \Bigl \Bigr \biggl \biggr \displaystyle \textstyle
    \limits \nolimits \degree \percent \rm \bf \it \boldsymbol \bm \boxed \fbox ` "
    percent percentage degree degrees"""
)
_TEXT = _words(r"\text \textit \textrm \textnormal \mbox \hbox \mathrm")
_FONTS = _words(r"\textbf \mathbf \mathit \mathsf \operatorname")
_ARGUMENTS = {r"\frac": 2, r"\binom": 2, r"\sqrt": 1, "^": 1, "_": 1}
_SEPARATORS = frozenset(
    [
        "(",
        ")",
        "[",
        "]",
        r"\{",
        r"\}",
        ", ",
        "=",
        "<",
        ">",
        r"\le",
        r"\ge",
        r"\ne",
        r"\in",
        r"\cup",
        r"\cap",
        "&",
        r"\\",
    ]
)
_COUNTS = _words(
    "am pm a p hundred thousand million billion trillion dozen sin cos tan cot sec csc log ln exp mod max gcd lcm i e"
)
_TOKEN = re.compile(
    r"\\(?:begin|end)\{[A-Za-z]{1,20}\*?\}|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\.\d+|[A-Za-z]+|\s+|.",
    re.DOTALL,
)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,.])")
_GROUP_MARK = re.compile(r"(?<=\d)(?:\{,\}|,\\!|\\,)(?=\d{3}(?!\d))|(?<=\\left)\.|(?<=\\right)\.")
_WORD = re.compile(r"[A-Za-z]{2,}")


class _Unreadable(Exception):
    """Nested too deep."""


def _tokens(text: str) -> list[str]:
    """Commands, numbers, words, spaces and signs, each in its one spelling; commas that group digits are gone."""
    tokens: list[str] = []
    depth = place = 0
    while place < len(text):
        grouped = (
            _GROUPED.match(text, place)
            if depth == 0 and text[place - 1 : place] not in (*"0123456789,.",)
            else None
        )
        match = grouped or _TOKEN.match(text, place)
        assert match is not None
        token = _SAME.get(match[0], match[0]).replace(",", "" if grouped else ",")
        depth += (token in ("(", "[", r"\{")) - (token in (")", "]", r"\}"))
        place = match.end()
        if token in _SPACES or token.isspace():
            token = " "
        tokens.append(token)
    return [token for token in tokens if token not in _NOTHING]


class _Reader:
    """Reads tokens into pieces: a piece is what stays together, and whether it is ``\\text``."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens[::-1]
        self.depth = 0

    def sequence(self, closer: str = "") -> list[tuple[str, bool]]:
        """Up to the closer, which is taken too, or the end."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Unreadable
        pieces: list[tuple[str, bool]] = []
        inner = 0
        while self.tokens:
            token = self.tokens.pop()
            if closer == ")" and token in "()":
                inner += 1 if token == "(" else -1
            if token == closer and inner <= 0:
                break
            if token in _TEXT or token in _FONTS:
                pieces.append((self.argument(), token in _TEXT))
            elif token in _ARGUMENTS:
                pieces.append((self.command(token), False))
            elif token == "{" and pieces and re.search(r"\\[A-Za-z]+\Z", pieces[-1][0]):
                pieces[-1] = (f"{pieces[-1][0]}{{{_join(self.sequence('}'))}}}", False)
            elif token == "{":
                pieces.extend(self.sequence("}"))
            elif token == ",":
                pieces.extend([(", ", False)] * (pieces[-1:] != [(", ", False)]))
            elif token != "}":
                pieces.append((token, False))
        self.depth -= 1
        return pieces

    def command(self, name: str) -> str:
        """A command with all its arguments, braces around each."""
        option = ""
        if name == r"\sqrt" and self.tokens[-1:] == ["["]:
            self.tokens.pop()
            option = f"[{_join(self.sequence(']'))}]"
        arguments = [self.argument(name) for _ in range(_ARGUMENTS[name])]
        if name == "^" and arguments[0] in (r"\circ", ""):
            return ""
        return name + option + "".join(f"{{{argument}}}" for argument in arguments)

    def argument(self, name: str = "") -> str:
        """A group, or one sign; ``\\frac`` takes one digit, the others a whole number."""
        while self.tokens[-1:] == [" "]:
            self.tokens.pop()
        token = self.tokens.pop() if self.tokens else ""
        if token == "{":
            return _join(self.sequence("}"))
        if token == "(" and name in (r"\sqrt", "^"):
            return _join(self.sequence(")"))
        if token in ("-", "+") and name == "^":
            return token + self.argument("_")
        if token in _ARGUMENTS:
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise _Unreadable
            written = self.command(token)
            self.depth -= 1
            return written
        if len(token) > 1 and token[0] != "\\" and (token.isalpha() or name == r"\frac"):
            self.tokens.append(token[1:])
            return token[0]
        if token in ("}", ")", "]"):
            self.tokens.append(token)
            return ""
        return token


def _join(pieces: list[tuple[str, bool]]) -> str:
    """Pieces as one string: spaces stay between words and between digits, what stands between separators is one element."""
    written: list[str] = []
    element: list[str] = []
    for piece, _ in [*pieces, (", ", False)]:
        if piece in _SEPARATORS or piece.startswith((r"\begin{", r"\end{")):
            written += [_element(element), piece]
            element = []
        else:
            element.append(piece)
    return _glue(written[:-1])


def _glue(pieces: list[str]) -> str:
    text = ""
    for piece in filter(None, pieces):
        command = re.search(r"\\[A-Za-z]+\Z", text[-30:]) and piece[0].isalpha()
        text += f" {piece}" if command else piece
    return text


def _element(pieces: list[str]) -> str:
    """What stands between separators: spaces that mean nothing go, numbers and simple fractions get their one spelling."""
    kept: list[str] = []
    for place, piece in enumerate(pieces):
        if piece != " ":
            kept.append(piece)
            continue
        left, right = (
            kept[-1] if kept else " ",
            pieces[place + 1] if place + 1 < len(pieces) else " ",
        )
        digits = left[-1:].isdigit() and right[:1].isdigit()
        words = (
            left[-1:].isalnum() or left[-1:] == "}",
            bool(_WORD.match(right)),
            bool(_WORD.match(left)),
            right[:1].isalnum(),
        )
        if (
            left != " "
            and right != " "
            and (digits or (words[0] and words[1]) or (words[2] and words[3]))
        ):
            kept.append(" ")
    text = _glue(kept)
    value = _value(text)
    if value is not None:
        return _spell(value)
    sign = "-" if kept[:1] == ["-"] else ""
    above, below = kept[len(sign) : -2], kept[-1:]
    if (
        kept[-2:-1] == ["/"]
        and above
        and not {"+", "-", "/", " "} & {*above, *below}
        and not _WORD.fullmatch(below[0])
    ):
        return rf"{sign}\frac{{{_glue(above)}}}{{{below[0]}}}"
    return text


_FRACTION = re.compile(
    r"([+-]?)(?:(\d+)(?: (?=\d+/)|(?=\\)))?(?:\\frac\{([+-]?\d+)\}\{([+-]?\d+)\}|(\d+)/(\d+))",
    re.ASCII,
)
_DECIMAL = re.compile(r"([+-]?)(?=\.?\d)(\d*)(?:\.(\d*)(?:\\overline\{(\d+)\})?)?", re.ASCII)


def _value(text: str) -> Fraction | None:
    """The value of an integer, a decimal (periodic too), a fraction or a mixed number."""
    if len(text) > 4 * MAX_DIGITS or any(
        len(digits) > MAX_DIGITS for digits in re.findall(r"\d+", text)
    ):
        return None
    match = _FRACTION.fullmatch(text)
    if match:
        above, below = int(match[3] or match[5]), int(match[4] or match[6])
        if below == 0 or (match[2] and (above < 0 or below < 0)):
            return None
        value = Fraction(above, below) + int(match[2] or 0)
    else:
        match = _DECIMAL.fullmatch(text)
        if match is None:
            return None
        decimals, period = match[3] or "", match[4]
        value = Fraction(int(match[2] + decimals or "0"), 10 ** len(decimals))
        if period:
            value += Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(decimals))
    return -value if match[1] == "-" else value


def _spell(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return rf"{'-' * (value < 0)}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


_NAME = r"(?:[A-Za-z]|\\[A-Za-z]{1,20})(?:_\{[^{}]{1,20}\})?"
_LEFT_SIDE = re.compile(
    rf"(?:{_NAME}(?:\({_NAME}(?:, {_NAME})*\))?|\({_NAME}(?:, {_NAME})*\))(?:=|\\in(?![A-Za-z]) ?)(?=[^=<>]+\Z)"
)
_UNITS = re.compile(
    r"(?<=[\d})\]]) (?:[a-z]*[aeiou][a-z]*[a-z](?<=[a-z]{3})|[ckmd]m|kg|ft|in|mi|hr|lbs?|oz|sq|cu|yd|mph)(?: [a-z]+)*\Z"
)
_CHOICE = re.compile(r"\(([A-Z])\)")
WORDS = re.compile(r"[A-Za-z][A-Za-z' ,.-]*")


def _without_units(pieces: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Text at the end goes, with powers behind it, unless there is nothing else or it counts."""
    end = len(pieces)
    while end and (
        pieces[end - 1][1] or pieces[end - 1][0] in (" ", ".") or pieces[end - 1][0].startswith("^")
    ):
        end -= 1
        if pieces[end][1] and re.search(r"\d", pieces[end][0]):
            return pieces
    unit = pieces[end:]
    while unit and not unit[0][1]:
        end, unit = end + 1, unit[1:]
    if (
        end == 0
        or not unit
        or any(
            word.lower() in _COUNTS for piece in unit for word in re.findall(r"[A-Za-z]+", piece[0])
        )
    ):
        return pieces
    before = [piece[0] for piece in pieces[:end] if piece[0] != " "]
    return pieces[:end] if before and before[-1] not in (*"+-/=<>^_|", r"\cdot", ", ") else pieces


def _once(text: str) -> str:
    pieces = _Reader(_tokens(_GROUP_MARK.sub("", text.translate(_UNICODE)))).sequence()
    form = _join(_without_units(pieces)).strip(" .,:").strip()
    units = _UNITS.search(form)
    if units and not _COUNTS & set(units[0].split()):
        form = form[: units.start()]
    form = _LEFT_SIDE.sub("", form, count=1) if _LEFT_SIDE.match(form) else form
    choice = _CHOICE.fullmatch(form)
    form = choice[1] if choice else form
    return form.lower() if WORDS.fullmatch(form) and _WORD.search(form) else form


def normalise_math(answer: str) -> str:
    """The one spelling of an answer; "" for what is no answer. The form of a form is itself: passes are made until nothing changes, and
    what still changes after MAX_PASSES is no answer."""
    form = answer
    for _ in range(MAX_PASSES):
        if len(form) > MAX_ANSWER:
            return ""
        try:
            once = _once(form)
        except _Unreadable:
            return ""
        if once == form:
            return form
        form = once
    return ""
