"""The argument types that the commands share: what they accept, and what they answer otherwise."""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

import pytest

from mobilevit_edge.arguments import image_size, image_sizes, names, number, whole_number

SECONDS = number("a number of seconds up to 60", most=60)
POINTS = number("a number of percentage points, 0 to 100", most=100, zero=True)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (whole_number(1, 64), "1", 1),
        (whole_number(1, 64), "064", 64),
        (whole_number(0), "0", 0),
        (whole_number(0), "123456789012345", 123_456_789_012_345),
        (SECONDS, "0.05", 0.05),
        (SECONDS, "60", 60.0),
        (POINTS, "0", 0.0),
        (POINTS, "1.5", 1.5),
        (number("a number of milliseconds"), "1000000", 1e6),
        (image_size, "256", (256, 256)),
        (image_size, "192x320", (192, 320)),
        (image_sizes, "256,192x320", ((256, 256), (192, 320))),
        (names, "auto", ("auto",)),
        (names, "layer1, layer3.1", ("layer1", "layer3.1")),
    ],
)
def test_good_text_becomes_a_value(parse: Callable[[str], Any], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (whole_number(1, 64), "0", "'0' is not a whole number from 1 to 64"),
        (whole_number(1, 64), "65", "'65' is not a whole number from 1 to 64"),
        (whole_number(1), "0", "'0' is not a whole number of at least 1"),
        *(
            (whole_number(0), text, "is not a whole number")
            for text in ("", "-1", "+1", "1.5", "1e3", "many", " 1", "1_0", "٣", "9" * 5000)
        ),
        (SECONDS, "0", "'0' is not a number of seconds up to 60"),
        (SECONDS, "60.1", "'60.1' is not a number of seconds up to 60"),
        (POINTS, "100.5", "'100.5' is not a number of percentage points, 0 to 100"),
        *(
            (SECONDS, text, "is not a number of seconds")
            for text in ("", "-1", "nan", "inf", "1e1", ".5", "1.", "1,5", "٣", "9" * 5000)
        ),
        (image_size, "big", "image size 'big' is not a whole number or HxW"),
        (image_size, "16", "out of range"),
        (image_sizes, "256,", "image size '' is not"),
        (names, "a,,b", "'a,,b' is not a list of names separated by commas"),
        (names, "", "is not a list of names"),
    ],
)
def test_other_text_is_an_argument_error_that_says_what_is_expected(
    parse: Callable[[str], Any], text: str, message: str
) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_argument_types_load_nothing_heavy() -> None:
    code = (
        "import sys, mobilevit_edge.arguments, mobilevit_edge.console\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
