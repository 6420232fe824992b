r"""Equations between polynomials: two that describe the same line or curve are one answer.

``y=2x+3``, ``2x-y+3=0`` and ``y-5=2(x-1)`` are the same line. Both sides are multiplied out with
exact coefficients; two equations are the same if one is a multiple of the other. Everything is
bounded, and what is no short polynomial is not read.
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX_LENGTH = 200
MAX_TERMS = 60
MAX_DEGREE = 8
MAX_DIGITS = 30
MAX_DEPTH = 20

Monomial = tuple[tuple[str, int], ...]
"""The letters of a product and their powers, in alphabetical order."""
Polynomial = dict[Monomial, Fraction]
"""The coefficient of each product; a constant has the empty product."""

_TOKEN = re.compile(r"\\frac|\\cdot|\d+(?:\.\d+)?|[A-Za-z](?![A-Za-z]{2})|[-+*/^(){} ]")
_ONE: Monomial = ()


class NotPolynomialError(Exception):
    """The text is no polynomial, or a longer one than is read."""


def is_equation(form: str) -> bool:
    """Return whether a form has one equals sign and is no list of equations."""
    return form.count("=") == 1 and ", " not in form


def same_equation(left: str, right: str) -> bool:
    """Return whether two equations in two variables or more have the same solutions.

    If one of them is an expression, as ``2x+3`` is when ``y=`` is left out, it is taken for the
    other's one missing variable.
    """
    try:
        first, second = _difference(left), _difference(right)
        if first is None and second is not None:
            first = _solved_for_missing(left, second)
        elif second is None and first is not None:
            second = _solved_for_missing(right, first)
    except NotPolynomialError:
        return False
    if not first or not second or len(_letters(first)) < 2:
        return False
    return _are_multiples(first, second)


def _difference(form: str) -> Polynomial | None:
    """Return left side minus right side; None for what is no equation."""
    if not is_equation(form):
        return None
    left, _, right = form.partition("=")
    return _sum(_read(left), _read(right), -1)


def _solved_for_missing(form: str, equation: Polynomial) -> Polynomial | None:
    """Return ``v - form`` for the only variable ``v`` of the equation that the form lacks."""
    expression = _read(form)
    missing = _letters(equation) - _letters(expression)
    if len(missing) != 1 or not _letters(expression):
        return None
    variable: Polynomial = {((missing.pop(), 1),): Fraction(1)}
    return _sum(variable, expression, -1)


def _letters(polynomial: Polynomial) -> set[str]:
    return {letter for monomial in polynomial for letter, _ in monomial}


def _are_multiples(first: Polynomial, second: Polynomial) -> bool:
    if first.keys() != second.keys():
        return False
    ratios = {first[monomial] / second[monomial] for monomial in first}
    return len(ratios) == 1


def _read(text: str) -> Polynomial:
    """Return the polynomial that a text in normal form writes out."""
    if len(text) > MAX_LENGTH:
        raise NotPolynomialError
    tokens = []
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() != end or len(match[0]) > MAX_DIGITS:
            raise NotPolynomialError
        end = match.end()
        if match[0] != " ":
            tokens.append(match[0])
    if end != len(text) or not tokens:
        raise NotPolynomialError
    reader = _Reader(tokens)
    polynomial = reader.sum()
    if reader.tokens:
        raise NotPolynomialError
    return polynomial


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens[::-1]  # a stack: the next token is the last item
        self.depth = 0

    def sum(self) -> Polynomial:
        """Read terms with plus and minus signs between them."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotPolynomialError
        total: Polynomial = {}
        sign = -1 if self._take("-") else 1
        if sign == 1:
            self._take("+")
        while True:
            total = _sum(total, self._product(), sign)
            if self._take("+"):
                sign = 1
            elif self._take("-"):
                sign = -1
            else:
                break
        self.depth -= 1
        return total

    def _product(self) -> Polynomial:
        product = self._power()
        while self.tokens and self.tokens[-1] not in ("+", "-", ")", "}"):
            if self._take("/"):
                product = _divided(product, self._power())
            else:
                self._take("*") or self._take(r"\cdot")
                product = _multiplied(product, self._power())
        return product

    def _power(self) -> Polynomial:
        base = self._factor()
        if not self._take("^"):
            return base
        exponent = self._group("{", "}")
        degree = exponent.get(_ONE, Fraction(0))
        if set(exponent) - {_ONE} or degree.denominator != 1 or not 0 <= degree <= MAX_DEGREE:
            raise NotPolynomialError
        power: Polynomial = {_ONE: Fraction(1)}
        for _ in range(int(degree)):
            power = _multiplied(power, base)
        return power

    def _factor(self) -> Polynomial:
        if self.tokens[-1:] == ["("]:
            return self._group("(", ")")
        if self._take(r"\frac"):
            return _divided(self._group("{", "}"), self._group("{", "}"))
        token = self.tokens.pop() if self.tokens else ""
        if token.isalpha():
            return {((token, 1),): Fraction(1)}
        if not token[:1].isdigit():
            raise NotPolynomialError
        return _without_zeros({_ONE: Fraction(token)})

    def _group(self, opening: str, closing: str) -> Polynomial:
        if not self._take(opening):
            raise NotPolynomialError
        content = self.sum()
        if not self._take(closing):
            raise NotPolynomialError
        return content

    def _take(self, token: str) -> bool:
        """Consume the next token if it is this one."""
        if self.tokens[-1:] != [token]:
            return False
        self.tokens.pop()
        return True


def _sum(left: Polynomial, right: Polynomial, sign: int) -> Polynomial:
    total = dict(left)
    for monomial, coefficient in right.items():
        total[monomial] = total.get(monomial, Fraction(0)) + sign * coefficient
    return _without_zeros(total)


def _multiplied(left: Polynomial, right: Polynomial) -> Polynomial:
    if len(left) * len(right) > MAX_TERMS:
        raise NotPolynomialError
    product: Polynomial = {}
    for left_monomial, left_coefficient in left.items():
        for right_monomial, right_coefficient in right.items():
            powers = dict(left_monomial)
            for letter, power in right_monomial:
                powers[letter] = powers.get(letter, 0) + power
            if sum(powers.values()) > MAX_DEGREE:
                raise NotPolynomialError
            monomial = tuple(sorted(powers.items()))
            coefficient = left_coefficient * right_coefficient
            product[monomial] = product.get(monomial, Fraction(0)) + coefficient
    return _without_zeros(product)


def _divided(left: Polynomial, right: Polynomial) -> Polynomial:
    """Divide by a constant; a variable in the denominator makes no polynomial."""
    if right.keys() != {_ONE}:
        raise NotPolynomialError
    return {monomial: coefficient / right[_ONE] for monomial, coefficient in left.items()}


def _without_zeros(polynomial: Polynomial) -> Polynomial:
    terms = {monomial: coefficient for monomial, coefficient in polynomial.items() if coefficient}
    if len(terms) > MAX_TERMS:
        raise NotPolynomialError
    return terms
