"""The images that models misclassify most, to be looked at: a wrong label is seen at a glance here."""

import base64
from collections.abc import Sequence

from qcqueue.datasets.decode import thumbnail
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.shown import Shown
from qcqueue.reports.page.tables import swatch
from qcqueue.reports.palette import paint
from qcqueue.reports.quantities.misjudged import Guess, MisjudgedImage
from qcqueue.text.humanize import count, percent

LONGEST_SIDE_PX = 96
SHOWN_AT_ONCE = 6


def misjudged_images(shown: Shown) -> Content:
    """Return the test images that most models misclassify, with what each predicted; nothing where there is none."""
    found = [image for image in shown.findings.misjudged if image.wrong]
    if not found:
        return None
    lead = (
        "The test images that more models misclassify than any other, at their best epochs; among equals those of the "
        "highest mean confidence first. Look at the label too: it may be the label that is wrong."
    )
    return [
        tag("p", lead, class_="quiet"),
        tag("div", [_image(shown, image) for image in found[:SHOWN_AT_ONCE]], class_="images"),
        shown.folded(f"{len(found) - SHOWN_AT_ONCE} more", _rest(shown, found[SHOWN_AT_ONCE:])),
    ]


def _rest(shown: Shown, images: Sequence[MisjudgedImage]) -> Content:
    return tag("div", [_image(shown, image) for image in images], class_="images") if images else None


def surest_mistakes(shown: Shown, job: str) -> Content:
    """Return the test images one model misclassifies with the highest confidence, folded; nothing if there is none."""
    found = shown.findings.mistakes.get(job, ())
    figures = [_mistake(shown, image, guess) for image in found for guess in image.guesses if guess.job == job]
    content = tag("div", figures, class_="images") if figures else None
    return shown.folded("Misclassified with the highest confidence", content)


def _mistake(shown: Shown, image: MisjudgedImage, guess: Guess) -> Markup:
    said = [tag("strong", f"true {image.truth}"), f", predicted {guess.guess}, confidence {percent(guess.probability)}"]
    return tag("figure", _picture(shown, image), tag("figcaption", said, tag("span", image.name, class_="detail")))


def _picture(shown: Shown, image: MisjudgedImage) -> Markup:
    """Return the image itself, which the page carries."""
    pixels = shown.findings.study.images[image.dataset_sha256].images[image.place]
    small = thumbnail(pixels, longest_side=LONGEST_SIDE_PX)
    source = f"data:{small.media_type};base64,{base64.b64encode(small.content).decode()}"
    height, width = pixels.shape[:2]
    return tag("img", src=source, alt=f"image {image.name}", width=width, height=height)


def _image(shown: Shown, image: MisjudgedImage) -> Markup:
    said = [
        tag(
            "li",
            swatch(paint(shown.places[guess.job])),
            f"{guess.label}: ",
            tag("span", guess.guess, class_="right" if guess.is_right else "wrong"),
            ", ",
            tag("span", percent(guess.probability), class_="whole"),
        )
        for guess in image.guesses
    ]
    head = [tag("strong", f"true {image.truth}"), f", misclassified by {count(image.wrong, 'model')}"]
    caption = tag("figcaption", head, tag("span", image.name, class_="detail"), tag("ul", said))
    return tag("figure", _picture(shown, image), caption)
