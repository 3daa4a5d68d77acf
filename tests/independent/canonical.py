"""Canonical JSON, written from design and RFC alone, to judge what our code writes.

As RFC 8785, but keys sort by their UTF-8 bytes.
"""

import json
from decimal import Decimal


class Number:
    """A number as it was written, so that its spelling can be judged and its value kept."""

    __slots__ = ("text",)

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text

    @property
    def value(self):
        """The exact value; two spellings of one number are equal."""
        return Decimal(self.text)


def parse(text):
    """Reads JSON strictly: a key given twice and NaN are errors; numbers stay as written."""
    return json.loads(
        text,
        parse_int=Number,
        parse_float=Number,
        parse_constant=_refuse_constant,
        object_pairs_hook=_object,
    )


def render(value):
    """The canonical text of a parsed value."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, Number):
        return render_number(float(value.text))
    if isinstance(value, str):
        return render_string(value)
    if isinstance(value, list):
        return "[" + ",".join(map(render, value)) + "]"
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode())
        return "{" + ",".join(render_string(key) + ":" + render(value[key]) for key in keys) + "}"
    raise TypeError(f"not JSON: {value!r}")


def render_number(number):
    """ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20) for a finite double.

    repr() gives the shortest digits that read back as the same double, which is
    what that algorithm asks for; only the layout around the digits differs.
    """
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError("not a finite number")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    # The value is 0.DIGITS times ten to this power.
    power = len(whole) + int(exponent or 0)
    power -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    count = len(digits)
    if count <= power <= 21:
        return sign + digits + "0" * (power - count)
    if 0 < power <= 21:
        return sign + digits[:power] + "." + digits[power:]
    if -6 < power <= 0:
        return sign + "0." + "0" * -power + digits
    tail = "." + digits[1:] if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{power - 1:+d}"


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def render_string(text):
    """RFC 8785, 3.2.2.2: two-letter escapes, \\u00xx for other controls, the rest as it is."""
    out = []
    for character in text:
        if character in _ESCAPES:
            out.append(_ESCAPES[character])
        elif character < " ":
            out.append(f"\\u{ord(character):04x}")
        else:
            out.append(character)
    return '"' + "".join(out) + '"'


def _object(pairs):
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} is given twice")
    return fields


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")
