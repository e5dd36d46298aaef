"""A good study file becomes specs; what goes in by --set wins; the studies we ship are what they say."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from qcqueue.catalog.models import MODELS
from qcqueue.core.spec import JobSpec
from qcqueue.core.study import SETTING_KEYS, Study, parse_study
from qcqueue.errors import SpecInvalid

SMALLEST = 'study = "s"\ndataset = "d"\n[[job]]\nmodel = "VGG16"\n'
SHIPPED = Path(__file__).parents[2] / "jobs"
ARTICLE = {"Xception", "VGG16", "InceptionV3", "DenseNet121", "InceptionResNetV2", "ResNet50V2"}


def parse(text: str, *overrides: str) -> Study:
    return parse_study(text, file="s.toml", overrides=overrides)


def only_job(text: str, *overrides: str) -> JobSpec:
    (job,) = parse(text, *overrides).jobs
    return job


def shipped(name: str) -> Study:
    return parse_study((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"), file=name)


def test_the_smallest_study_takes_the_defaults_of_the_contract() -> None:
    assert only_job(SMALLEST) == JobSpec(
        study="s",
        name="vgg16",
        model="VGG16",
        dataset="d",
        epochs=100,
        batch_size=32,
        learning_rate=1e-4,
        optimizer="adam",
        image_size=(75, 75),
        weights="imagenet",
        weights_sha256=None,
        trainable="all",
        augment="none",
        dropout=0.0,
        determinism="exact",
        device="any",
        seed=1,
        early_stopping=0,
        lineage="any",
    )


def test_a_job_of_before_there_was_a_choice_of_lineage_keeps_its_digest() -> None:
    vgg16 = shipped("six-models").jobs[1]
    # As qcqueue computed it when specs had no such key.
    digest = "69cadd89e3a6253ca3fcac894cc565786885d9dc3b66678a73c9ba4636d45971"
    assert "lineage" not in vgg16.to_json()
    assert vgg16.digest == digest
    assert JobSpec.from_json(vgg16.to_json()) == vgg16
    others = {replace(vgg16, lineage="same").digest, replace(vgg16, lineage="refuse").digest}
    assert len(others - {digest}) == 2


def test_a_deadline_may_be_moved_and_it_stays_the_same_job() -> None:
    vgg16 = shipped("six-models").jobs[1]
    due = replace(vgg16, deadline_s=1e9)
    assert due.digest == vgg16.digest
    assert JobSpec.from_json(due.to_json()) == due != vgg16


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-12-24", "2026-12-24T23:59:59+00:00"),
        ("2026-12-24T18:00:00", "2026-12-24T18:00:00+00:00"),
        ("2026-12-24 18:00:00Z", "2026-12-24T18:00:00+00:00"),
        ("2026-12-24T18:00:00+01:00", "2026-12-24T17:00:00+00:00"),
    ],
)
def test_a_deadline_is_the_end_of_a_day_or_a_moment(written: str, moment: str) -> None:
    due_s = datetime.fromisoformat(moment).timestamp()
    assert only_job(SMALLEST + f"deadline = {written}").deadline_s == due_s
    assert only_job(SMALLEST, f"deadline={written}").deadline_s == due_s
    assert only_job(SMALLEST).deadline_s is None


def test_every_builtin_default_is_a_value_the_file_could_hold() -> None:
    for key in SETTING_KEYS.values():
        if key.default is None:  # a key that most files leave out
            continue
        default = list(key.default) if isinstance(key.default, tuple) else key.default
        assert key.read(default) == key.default


def test_a_job_beats_the_defaults_and_set_beats_the_job() -> None:
    text = 'study = "s"\ndataset = "d"\n[defaults]\nepochs = 2\nseed = 2\nbatch_size = 2\n'
    text += '[[job]]\nmodel = "VGG16"\nseed = 3\nbatch_size = 3\n'
    job = only_job(text, "batch_size=4")
    assert (job.epochs, job.seed, job.batch_size) == (2, 3, 4)


def test_jobs_keep_the_order_of_the_file() -> None:
    text = 'study = "s"\ndataset = "d"\n' + "".join(f'[[job]]\nmodel = "{model}"\n' for model in MODELS)
    assert [job.model for job in parse(text).jobs] == list(MODELS)


def test_one_model_may_stand_twice_under_two_names() -> None:
    study = parse(SMALLEST + 'seed = 1\n[[job]]\nmodel = "VGG16"\nname = "vgg16-seed-2"\nseed = 2\n')
    assert [job.full_name for job in study.jobs] == ["s/vgg16", "s/vgg16-seed-2"]


def test_a_weights_file_leaves_the_spec_and_is_named_apart() -> None:
    study = parse(SMALLEST + 'weights = "../my weights/a.b.weights.H5"\n[[job]]\nmodel = "Xception"\n')
    assert study.weights_files == {"vgg16": "../my weights/a.b.weights.H5"}
    assert [(job.weights, job.weights_sha256) for job in study.jobs] == [("file", None), ("imagenet", None)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\ufeff" + SMALLEST, "a byte order mark"),
        (SMALLEST.replace("\n", "\r\n"), "line ends of Windows"),
        (SMALLEST.replace(" = ", "\t=\t"), "tabs"),
        ('study="s"\ndataset="d"\njob=[{model="VGG16"}]', "jobs in one line"),
        ("'study' = 's'\n\"data\\u0073et\" = 'd'\n[['job']] # one\n'model' = 'VGG16' # = 'X'", "quoted keys"),
        (SMALLEST + "\n[defaults]\n", "defaults last, and empty"),
    ],
    ids=lambda value: value if " " in value and "\n" not in value else "",
)
def test_the_same_study_written_otherwise(text: str, why: str) -> None:
    assert only_job(text) == only_job(SMALLEST), why


def test_numbers_that_are_equal_give_one_digest() -> None:
    as_integer, as_float = only_job(SMALLEST + "learning_rate = 1\ndropout = -0.0"), only_job(SMALLEST, "dropout=0")
    assert as_integer.digest == only_job(SMALLEST, "learning_rate=1.0").digest
    assert as_integer.digest != as_float.digest


class TestSet:
    @pytest.mark.parametrize(
        ("override", "key", "value"),
        [
            ("epochs=7", "epochs", 7),
            ("learning_rate=3e-4", "learning_rate", 3e-4),
            ("learning_rate=1", "learning_rate", 1.0),
            ("image_size=[80, 96]", "image_size", (80, 96)),
            ("image_size=75", "image_size", (75, 75)),
            ("image_size=224", "image_size", (224, 224)),
            ("optimizer=sgd", "optimizer", "sgd"),
            ('optimizer="sgd"', "optimizer", "sgd"),
            (" device = cpu ", "device", "cpu"),
            ("weights=none", "weights", "none"),
            ("study=2024", "study", "2024"),
            ("study=2024-01-31", "study", "2024-01-31"),
            ("study=true", "study", "true"),
            ("dataset=other", "dataset", "other"),
        ],
    )
    def test_a_value_needs_no_quotes_for_the_shell(self, override: str, key: str, value: object) -> None:
        assert getattr(only_job(SMALLEST, override), key) == value

    def test_it_gives_what_the_file_leaves_out(self) -> None:
        assert only_job('[[job]]\nmodel = "VGG16"', "study=a", "dataset=b").full_name == "a/vgg16"

    def test_the_last_of_two_wins(self) -> None:
        assert only_job(SMALLEST, "epochs=1", "epochs=2").epochs == 2

    def test_it_can_name_a_weights_file_for_all_jobs(self) -> None:
        study = parse(SMALLEST + '[[job]]\nmodel = "Xception"\nweights = "none"', "weights=mine.h5")
        assert study.weights_files == {"vgg16": "mine.h5", "xception": "mine.h5"}

    def test_a_smaller_image_is_judged_against_every_model(self) -> None:
        text = SMALLEST + '[[job]]\nmodel = "Xception"\n[[job]]\nmodel = "InceptionV3"\nimage_size = [99, 99]'
        with pytest.raises(SpecInvalid) as refused:
            parse(text, "image_size=[40, 90]")
        assert refused.value.problems == (
            "--set image_size=[40, 90]: image_size: found [40, 90], allowed for Xception is at least [71, 71]",
            "--set image_size=[40, 90]: image_size: found [40, 90], allowed for InceptionV3 is at least [75, 75]",
        )

    def test_it_cannot_hide_a_mistake_in_the_file(self) -> None:
        with pytest.raises(SpecInvalid, match=r"s\.toml:5: epochs"):
            parse(SMALLEST + "epochs = 0", "epochs=3")


class TestShippedStudies:
    def test_six_models_is_the_study_of_the_article(self) -> None:
        study = shipped("six-models")
        assert (study.name, study.dataset, study.weights_files) == ("six-models", "qc-images", {})
        assert {job.model for job in study.jobs} == ARTICLE
        assert len(study.jobs) == 6
        for job in study.jobs:
            assert (job.epochs, job.batch_size, job.learning_rate) == (100, 32, 1e-4)
            assert (job.weights, job.image_size, job.optimizer) == ("imagenet", (75, 75), "adam")
            assert (job.trainable, job.augment, job.dropout, job.early_stopping) == ("all", "none", 0.0, 0)
            assert job.determinism == "exact"

    def test_tiny_is_the_same_six_at_toy_size(self) -> None:
        study = shipped("tiny")
        assert (study.name, study.dataset) == ("tiny", "qc-tiny")
        assert [job.name for job in study.jobs] == [job.name for job in shipped("six-models").jobs]
        for job in study.jobs:
            assert (job.epochs, job.batch_size, job.weights, job.image_size) == (3, 8, "none", (75, 75))

    def test_every_study_in_the_folder_is_valid(self) -> None:
        for file in sorted(SHIPPED.glob("*.toml")):
            assert shipped(file.stem).name == file.stem

    def test_the_benchmark_teaches_every_setting_a_file_may_hold(self) -> None:
        text = (SHIPPED / "six-models.toml").read_text(encoding="utf-8")
        lines = {line.removeprefix("# ").partition(" = ")[0] for line in text.splitlines()}
        assert [key for key in SETTING_KEYS if key not in lines] == []
