"""What is shown of a bad value is short, printable and one line; what is suggested is what was meant."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.catalog.models import MODELS
from qcqueue.text.suggest import clipped, nearest, printable, shown


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "true"),
        (3, "3"),
        (3.0, "3.0"),
        ("a\nb", '"a\\nb"'),
        ([75, 75], "[75, 75]"),
        ([1, 2, 3, 4, 5], "a list of 5"),
        ([[1]], "a list of 1"),
        ({"a": 1}, "a table"),
        (date(2024, 1, 31), "the date or time 2024-01-31"),
        pytest.param(1 << 20_000, "a number of more than 64 bits", id="an endless number"),
        (float("nan"), "nan, which is not a finite number"),
        (None, "something that is not TOML"),
    ],
)
def test_shown(value: object, words: str) -> None:
    assert shown(value) == words


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("vgg16", "VGG16"),
        ("XCEPTION", "Xception"),
        ("resnet-50", "ResNet50"),
        ("densenet", "DenseNet121"),
        ("Inception", "InceptionV3"),
        ("mobilenet", "MobileNet"),
        ("EfficientNet", "EfficientNetB0"),
        ("ViT-B16", None),
        ("", None),
        ("vgg16" * 1000, None),
    ],
)
def test_nearest(word: str, meant: str | None) -> None:
    assert nearest(word, MODELS) == meant


def test_a_habit_leads_only_to_a_name_that_is_there() -> None:
    assert nearest("LR", ["learning_rate"], known_as={"lr": "learning_rate"}) == "learning_rate"
    assert nearest("lr", ["epochs"], known_as={"lr": "learning_rate"}) is None


@given(st.text(st.characters()))
def test_nothing_a_file_holds_can_act_on_a_terminal(text: str) -> None:
    assert printable(text).isprintable()
    assert clipped(text).isprintable()
    assert printable(text) == text or not text.isprintable()
