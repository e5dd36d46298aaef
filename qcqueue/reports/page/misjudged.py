"""The images that models misjudge most, to be looked at: a wrong label is seen at a glance here."""

import base64

from qcqueue.datasets.decode import thumbnail
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.shown import Shown
from qcqueue.reports.page.tables import swatch
from qcqueue.reports.palette import paint
from qcqueue.reports.quantities.misjudged import Guess, MisjudgedImage
from qcqueue.text.humanize import count, percent

LONGEST_SIDE_PX = 96


def misjudged_images(shown: Shown) -> Content:
    """Return the test images that most models misjudge, with what each said; nothing where none is misjudged."""
    found = [image for image in shown.findings.misjudged if image.wrong]
    if not found:
        return None
    lead = (
        "The test images that more models misjudge than any other, at their best epochs; among equals those first that "
        "are given to a wrong class most surely. "
        "Look at the label too: it may be the label that is wrong."
    )
    return [
        tag("h3", "Misjudged most"),
        tag("p", lead, class_="quiet"),
        tag("div", [_image(shown, image) for image in found], class_="images"),
    ]


def surest_mistakes(shown: Shown, job: str) -> Content:
    """Return the test images one model misjudges and is surest of, folded; nothing where there is none."""
    found = shown.findings.mistakes.get(job, ())
    figures = [_mistake(shown, image, guess) for image in found for guess in image.guesses if guess.job == job]
    return shown.folded("Its surest mistakes", tag("div", figures, class_="images")) if figures else None


def _mistake(shown: Shown, image: MisjudgedImage, guess: Guess) -> Markup:
    said = [tag("strong", f"is {image.truth}"), f", said {guess.guess}, {percent(guess.probability)} sure"]
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
    head = [tag("strong", f"is {image.truth}"), f", misjudged by {count(image.wrong, 'model')}"]
    caption = tag("figcaption", head, tag("span", image.name, class_="detail"), tag("ul", said))
    return tag("figure", _picture(shown, image), caption)
