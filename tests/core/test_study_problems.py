"""Every way we know to get a study file wrong: the exact line, the key, what is said to be allowed or meant."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qcqueue.catalog.models import MODELS
from qcqueue.catalog.optimizers import OPTIMIZERS
from qcqueue.core.spec import JobSpec
from qcqueue.core.study import ALL_KEYS, MOST_JOBS, MOST_PROBLEMS, parse_study
from qcqueue.errors import SpecInvalid
from qcqueue.text.canonical_json import canonical_json, parse_json

HEAD = 'study = "s"\ndataset = "d"\n'
JOB = '[[job]]\nmodel = "VGG16"\n'
DEFAULTS = HEAD + "[defaults]\n"  # the next line is 4
ONE = HEAD + JOB  # the next line is 5


def problems_of(text: str, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(SpecInvalid) as refused:
        parse_study(text, file="s.toml", overrides=overrides)
    return refused.value.problems


# name of the case: (text, line, key, words that must stand in the sentence)
BAD: dict[str, tuple[str, int, str, tuple[str, ...]]] = {
    "no study": ('dataset = "d"\n' + JOB, 1, "study", ("found nothing", 'study = "NAME"')),
    "no dataset": ('study = "s"\n' + JOB, 1, "dataset", ("found nothing", 'dataset = "NAME"')),
    "study with capitals": ('study = "My Study"\ndataset = "d"\n' + JOB, 1, "study", ('did you mean "my-study"?',)),
    "study begins with a dash": ('study = "-s"\ndataset = "d"\n' + JOB, 1, "study", ('did you mean "s"?',)),
    "study too long": (f'study = "{"s" * 65}"\ndataset = "d"\n' + JOB, 1, "study", ("1 to 64",)),
    "study ends in a newline": ('study = "s\\n"\ndataset = "d"\n' + JOB, 1, "study", ('found "s\\n"',)),
    "study is a number": ('study = 7\ndataset = "d"\n' + JOB, 1, "study", ("found 7", "a-z, 0-9 and -")),
    "dataset is a path": ('study = "s"\ndataset = "a/b"\n' + JOB, 2, "dataset", ('did you mean "a-b"?',)),
    "no job": (HEAD, 1, "job", ("found none", "[[job]]")),
    "an empty list of jobs": (HEAD + "job = []", 3, "job", ("found none",)),
    "single brackets": (HEAD + '\n[job]\nmodel = "VGG16"', 4, "job", ("found [job]", "did you mean [[job]]?")),
    "single brackets twice": (HEAD + "[job]\n[job]\n", 4, "syntax", ("[[job]], in two pairs",)),
    "plural jobs": (HEAD + '[[jobs]]\nmodel = "VGG16"', 3, "jobs", ("unknown", "did you mean [[job]]?")),
    "jobs by name only": (HEAD + 'job = ["VGG16"]', 3, "job", ('found ["VGG16"]', "did you mean [[job]]?")),
    "too many jobs": ("\n" + HEAD + JOB * (MOST_JOBS + 1), 4 + 2 * MOST_JOBS, "job", ("found 1001", "1 to 1000")),
    "no model": (HEAD + "[[job]]\nepochs = 3", 3, "model", ("found nothing", "VGG16, VGG19, Xception")),
    "model in small letters": (HEAD + '[[job]]\nmodel = "vgg16"', 4, "model", ('did you mean "VGG16"?',)),
    "model of another size": (HEAD + '[[job]]\nmodel = "DenseNet"', 4, "model", ('did you mean "DenseNet121"?',)),
    "model of another version": (HEAD + '[[job]]\nmodel = "resnet50v3"', 4, "model", ('did you mean "ResNet50V2"?',)),
    "model like none": (HEAD + '[[job]]\nmodel = "Zebra"', 4, "model", ('found "Zebra"', '"InceptionResNetV2"')),
    "model is a list": (HEAD + '[[job]]\nmodel = ["VGG16"]', 4, "model", ('found ["VGG16"]',)),
    "model in defaults": (DEFAULTS + 'model = "VGG16"\n' + JOB, 4, "model", ("in [defaults]", "only in a [[job]]")),
    "name in defaults": (DEFAULTS + 'name = "a"\n' + JOB, 4, "name", ("in [defaults]", "only in a [[job]]")),
    "model above the tables": (HEAD + 'model = "VGG16"\n' + JOB, 3, "model", ("only in a [[job]]",)),
    "a setting above the tables": (HEAD + "epochs = 3\n" + JOB, 3, "epochs", ("[defaults] or in a [[job]]",)),
    "study in defaults": (DEFAULTS + 'study = "s"\n' + JOB, 4, "study", ("before the first table",)),
    "dataset in a job": (ONE + 'dataset = "d"', 5, "dataset", ("found in [[job]]", "before the first table")),
    "name with a space": (ONE + 'name = "my job"', 5, "name", ('did you mean "my-job"?',)),
    "the same job twice": (ONE + JOB, 6, "name", ('"vgg16" for a second time', "line 4", "name =")),
    "the same name twice": (
        ONE + 'name = "a"\n\n[[job]]\nname = "a"\nmodel = "Xception"',
        8,
        "name",
        ('"a" for a second time', "line 5"),
    ),
    "a name that another job has by its model": (
        ONE + '[[job]]\nmodel = "Xception"\nname = "vgg16"',
        7,
        "name",
        ("line 4",),
    ),
    "defaults is a number": (HEAD + "defaults = 3\n" + JOB, 3, "defaults", ("found 3", "did you mean [defaults]?")),
    "defaults twice in brackets": (HEAD + "[[defaults]]\n" + JOB, 3, "defaults", ("[[defaults]]", "mean [defaults]?")),
    "default": (HEAD + "[default]\nepochs = 1\n" + JOB, 3, "default", ("did you mean [defaults]?",)),
    "an unknown table": (HEAD + JOB + "[zebra]", 5, "zebra", ("study, dataset, [defaults], [[job]]",)),
    "a table within a job": (ONE + "[job.weights]\na = 1", 5, "weights", ("found a table",)),
    "an unknown key": (ONE + "zebra = 1", 5, "zebra", ("unknown key", "epochs, batch_size")),
    "a key in the singular": (DEFAULTS + "epoch = 1\n" + JOB, 4, "epoch", ("did you mean epochs?",)),
    "a key with a capital": (ONE + "Epochs = 1", 5, "Epochs", ("did you mean epochs?",)),
    "a key with a dash": (ONE + "batch-size = 1", 5, "batch-size", ("did you mean batch_size?",)),
    "a key of another library": (ONE + "lr = 1", 5, "lr", ("did you mean learning_rate?",)),
    "patience": (ONE + "patience = 1", 5, "patience", ("did you mean early_stopping?",)),
    "modle": (ONE.replace("model", "modle"), 4, "modle", ("did you mean model?",)),
    "a dotted key": (ONE + "epochs.first = 1", 5, "epochs", ("found a table",)),
    "epochs zero": (DEFAULTS + "epochs = 0\n" + JOB, 4, "epochs", ("found 0", "1 to 100000")),
    "epochs beyond": (ONE + "epochs = 100_001", 5, "epochs", ("found 100001",)),
    "epochs true": (ONE + "epochs = true", 5, "epochs", ("found true", "whole number")),
    "epochs a float": (ONE + "epochs = 3.0", 5, "epochs", ("did you mean 3?",)),
    "epochs in quotes": (ONE + 'epochs = "3"', 5, "epochs", ('found "3"', "without quotes")),
    "epochs in words": (ONE + 'epochs = "ten"', 5, "epochs", ('found "ten", allowed is a whole number',)),
    "epochs a date": (ONE + "epochs = 2024-01-31", 5, "epochs", ("date or time 2024-01-31",)),
    "batch_size negative": (ONE + "batch_size = -8", 5, "batch_size", ("found -8", "65536")),
    "learning_rate zero": (ONE + "learning_rate = 0", 5, "learning_rate", ("above 0",)),
    "learning_rate nan": (ONE + "learning_rate = nan", 5, "learning_rate", ("not a finite number",)),
    "learning_rate infinite": (ONE + "learning_rate = +inf", 5, "learning_rate", ("not a finite number",)),
    "learning_rate too high": (ONE + "learning_rate = 10.5", 5, "learning_rate", ("up to 10",)),
    "learning_rate in quotes": (ONE + 'learning_rate = "1e-4"', 5, "learning_rate", ("without quotes",)),
    "learning_rate false": (ONE + "learning_rate = false", 5, "learning_rate", ("found false",)),
    "dropout one": (ONE + "dropout = 1.0", 5, "dropout", ("found 1.0", "up to, but not, 1")),
    "dropout negative": (ONE + "dropout = -0.1", 5, "dropout", ("found -0.1",)),
    "seed negative": (ONE + "seed = -1", 5, "seed", ("from 0 to 4294967295",)),
    "seed beyond 32 bits": (ONE + "seed = 4294967296", 5, "seed", ("4294967295",)),
    "seed of many digits": (ONE + f"seed = 0x{'f' * 9000}", 5, "seed", ("more than 64 bits",)),
    "early_stopping negative": (ONE + "early_stopping = -1", 5, "early_stopping", ("from 0",)),
    "early_stopping true": (ONE + "early_stopping = true", 5, "early_stopping", ("found true",)),
    "optimizer with a capital": (ONE + 'optimizer = "Adam"', 5, "optimizer", ('did you mean "adam"?',)),
    "optimizer unknown": (ONE + 'optimizer = "lion"', 5, "optimizer", ('"adam", "sgd", "rmsprop"',)),
    "augment in the singular": (ONE + 'augment = "flip"', 5, "augment", ('did you mean "flips"?',)),
    "augment off": (ONE + "augment = false", 5, "augment", ('"none", "flips"',)),
    "trainable true": (ONE + "trainable = true", 5, "trainable", ('"all", "head"',)),
    "determinism misspelt": (ONE + 'determinism = "relax"', 5, "determinism", ('did you mean "relaxed"?',)),
    "device with a capital": (ONE + 'device = "GPU"', 5, "device", ('did you mean "gpu"?',)),
    "lineage misspelt": (ONE + 'lineage = "refused"', 5, "lineage", ('did you mean "refuse"?',)),
    "lineage none": (ONE + 'lineage = "none"', 5, "lineage", ('"any", "same", "refuse"',)),
    "deadline in quotes": (ONE + 'deadline = "2026-12-24"', 5, "deadline", ("without quotes",)),
    "deadline without a day": (ONE + "deadline = 18:00:00", 5, "deadline", ("a day such as",)),
    "deadline as seconds": (ONE + "deadline = 1798131600", 5, "deadline", ("a moment such as",)),
    "deadline by another name": (ONE + "due = 2026-12-24", 5, "due", ("did you mean deadline?",)),
    "weights misspelt": (ONE + 'weights = "imagnet"', 5, "weights", ('did you mean "imagenet"?',)),
    "weights that can run code": (ONE + 'weights = "a.keras"', 5, "weights", ("can run code", "save_weights")),
    "weights that are a pickle": (ONE + 'weights = "a.pkl"', 5, "weights", (".h5 or .safetensors",)),
    "weights with a null": (ONE + 'weights = "a\\u0000.h5"', 5, "weights", ('found "a\\x00.h5"',)),
    "image_size zero": (ONE + "image_size = 0", 5, "image_size", ("found 0", "one for a square")),
    "image_size one float": (ONE + "image_size = 75.0", 5, "image_size", ("75.0",)),
    "image_size one large number": (ONE + "image_size = 2049", 5, "image_size", ("2049", "up to 2048")),
    "image_size true": (ONE + "image_size = true", 5, "image_size", ("true",)),
    "image_size in words": (ONE + 'image_size = "96x80"', 5, "image_size", ("did you mean [96, 80]?",)),
    "image_size of three": (ONE + "image_size = [75, 75, 3]", 5, "image_size", ("[height, width]",)),
    "image_size with true": (ONE + "image_size = [75, true]", 5, "image_size", ("[75, true]",)),
    "image_size in floats": (ONE + "image_size = [75.0, 75.0]", 5, "image_size", ("[75.0, 75.0]",)),
    "image_size too large": (ONE + "image_size = [2049, 75]", 5, "image_size", ("up to 2048",)),
    "image_size below the model": (
        HEAD + '[[job]]\nmodel = "Xception"\nimage_size = [75, 70]',
        5,
        "image_size",
        ("found [75, 70]", "Xception", "at least [71, 71]"),
    ),
    "image_size below the model, by default": (
        DEFAULTS + 'image_size = [74, 80]\n[[job]]\nmodel = "InceptionV3"',
        4,
        "image_size",
        ("found [74, 80]", "InceptionV3", "at least [75, 75]"),
    ),
    "text without quotes": (ONE + "optimizer = adam", 5, "syntax", ("`optimizer = adam`", "straight quotes")),
    "typographic quotes": (ONE + "optimizer = “adam”", 5, "syntax", ("straight quotes",)),
    "True of Python": (ONE + "epochs = True", 5, "syntax", ("`epochs = True`",)),
    "a key twice": (ONE + "epochs = 1\nepochs = 2\n", 6, "syntax", ("`epochs = 2`", "once in its table")),
    "a table twice": (DEFAULTS + "[defaults]\n" + JOB, 4, "syntax", ("each table may stand once",)),
    "no equals sign": (ONE + "epochs 3\n", 5, "syntax", ("KEY = VALUE",)),
    "a colon": (ONE + "epochs: 3\n", 5, "syntax", ("KEY = VALUE",)),
    "a path of Windows": (ONE + 'weights = "C:\\Users\\w.h5"', 5, "syntax", ("single quotes",)),
    "an open string": (ONE + 'weights = "none\n', 5, "syntax", ("with the quote it began with",)),
    "an open bracket": (ONE + "image_size = [75, 75\n\n", 5, "syntax", ("not valid TOML",)),
    "a null byte": (ONE + "# \0", 5, "syntax", ("\\x00", "invisible")),
    "a lone carriage return": (HEAD + "# \r" + JOB, 3, "syntax", ("\\r",)),
    "a number of 5000 digits": (f"seed = {'1' * 5000}", 1, "syntax", ("64 bits",)),
    "nested too deeply": ("a = " + "[" * 9000, 1, "syntax", ("nested too deeply",)),
    "an endless key": (HEAD + "a." * 9000 + "a = 1", 3, "syntax", ("more than 16 dots",)),
    "too long": ("#" * ((1 << 20) + 1), 1, "size", ("more than 1 MB",)),
    "a key that would break the line": (ONE + '"a\\nb" = 1', 5, "a\\nb", ("unknown key",)),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_told_where_and_what(case: str) -> None:
    text, line, key, words = BAD[case]
    start = f"s.toml:{line}: {key}: "
    said = [problem for problem in problems_of(text) if problem.startswith(start)]
    assert said, f"no problem begins with {start!r}: {problems_of(text)}"
    assert [word for word in words if word not in said[0]] == [], said[0]


@pytest.mark.parametrize("case", [case for case, (text, *_) in BAD.items() if text.startswith((ONE, DEFAULTS))])
def test_one_mistake_is_one_problem(case: str) -> None:
    assert len(problems_of(BAD[case][0])) == 1


BAD_SET: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "a word for a number": ("epochs=ten", "epochs", ('found "ten"', "whole number")),
    "nothing": ("epochs=", "epochs", ('found ""',)),
    "no value": ("epochs", "epochs", ("allowed is epochs=VALUE",)),
    "no key": ("=3", "", ("unknown key",)),
    "an unknown key": ("epoch=3", "epoch", ("in --set", "did you mean epochs?")),
    "a key of jobs": ("model=VGG16", "model", ("found in --set", "only in a [[job]]")),
    "a misspelt word": ("optimizer=Adam", "optimizer", ('did you mean "adam"?',)),
    "two lines": ("seed=1\nepochs = 2", "seed", ("whole number",)),
    "a quoted number": ('epochs="3"', "epochs", ("without quotes",)),
    "a bad name": ("study=A", "study", ('did you mean "a"?',)),
    "deep brackets": ("seed=" + "[" * 9000, "seed", ("whole number",)),
}


@pytest.mark.parametrize("case", BAD_SET)
def test_a_bad_set_is_named_as_it_was_typed(case: str) -> None:
    override, key, words = BAD_SET[case]
    (said,) = problems_of(ONE, override)
    typed = override.replace("\n", "\\n")
    assert said.startswith(f"--set {typed[:40]}")
    assert f": {key}: " in said
    assert [word for word in words if word not in said] == [], said


def test_all_problems_come_at_once_in_the_order_of_the_lines() -> None:
    text = (
        'study = "S"\n'
        "[defaults]\n"
        "epochs = 0\n"
        "image_size = [60, 60]\n"
        "lr = 1\n"
        "[[job]]\n"
        'model = "Xception"\n'
        "seed = -1\n"
        "[[job]]\n"
        'model = "vgg"\n'
        'device = "tpu"\n'
        "[[job]]\n"
        'name = "xception"\n'
        'model = "InceptionV3"\n'
    )
    said = problems_of(text, "epochs=0", "zebra=1")
    starts = [re.findall(r"^(?:s\.toml:)?(\d+|--set \S+): (\w+): found", problem) for problem in said]
    assert [start for (start,) in starts] == [
        ("1", "study"),
        ("1", "dataset"),
        ("3", "epochs"),
        ("4", "image_size"),
        ("4", "image_size"),
        ("5", "lr"),
        ("8", "seed"),
        ("10", "model"),
        ("11", "device"),
        ("13", "name"),
        ("--set epochs=0", "epochs"),
        ("--set zebra=1", "zebra"),
    ]


def test_a_flood_of_problems_is_cut_and_counted() -> None:
    said = problems_of(ONE + "".join(f"k{number} = 1\n" for number in range(MOST_PROBLEMS + 5)))
    assert len(said) == MOST_PROBLEMS + 1
    assert said[-1] == "... and 5 more"


@pytest.mark.parametrize(
    "before",
    [
        'weights = """\n[[job]]\nepochs = 0\n"""\n',
        'weights = """"a" = \\""" [[""""" # """\n',
        "weights = '''a'b\n# ''''' # '''\n",
        "image_size = [ # why = 1\n  75, # [[job]]\n\n  75,\n]\n",
        "# [[job]] = {\n\n\t\n",
        '"see = d" = "\\" = ["\n',
        "weights = 'a\\'\n",
    ],
)
def test_a_line_is_right_after_text_that_looks_like_keys(before: str) -> None:
    text = ONE + before + "dropout = 9"
    assert problems_of(text)[-1].startswith(f"s.toml:{text.count(chr(10)) + 1}: dropout: found 9, ")


MULTILINE = [
    '"""\n[[job]]\n"""',
    "'''\n\n'''",
    "[1, # ]\n 2]",
    "{a = '}'}",
    '"#" # "',
    "1",
    '"\\\\"',
    '""',
    "[[\n],[]]",
]


@given(values=st.lists(st.tuples(st.sampled_from(MULTILINE), st.sampled_from(["", "\n", "# [x]\n\n", "[[job]]\n"]))))
def test_every_key_is_found_on_its_line(values: list[tuple[str, str]]) -> None:
    text, expected = ONE, set()
    for number, (value, between) in enumerate(values):
        text += between
        expected.add(f"s.toml:{text.count(chr(10)) + 1}: k{number}")
        text += f"k{number} = {value}\n"
    said = problems_of(text + "zebra = 1")
    assert {problem.split(": found")[0] for problem in said if re.match(r"[^:]*:\d+: k\d", problem)} == expected


def test_an_odd_file_falls_back_to_the_line_of_its_table() -> None:
    said = problems_of(HEAD + 'defaults = {epochs = 0}\njob = [\n  {model = "VGG16", seed = -1},\n]')
    assert [problem.split(" found")[0] for problem in said] == ["s.toml:3: epochs:", "s.toml:4: seed:"]


def test_the_name_of_the_file_cannot_break_the_line() -> None:
    with pytest.raises(SpecInvalid) as refused:
        parse_study("", file="a\nb\x1b.toml")
    assert all(problem.startswith("a\\nb\\x1b.toml:1: ") for problem in refused.value.problems)


def test_a_refusal_says_what_to_do_next() -> None:
    with pytest.raises(SpecInvalid) as refused:
        parse_study("", file="s.toml")
    assert refused.value.hint


WORDS = [*ALL_KEYS, *MODELS, "defaults", "job", "true", "nan", "1e-4", "75", "adam", "none", "imagenet", "s"]
PIECES = ["[", "]", "[[", "]]", "{", "}", "=", " = ", ".", ",", "\n", "\r\n", '"', "'", '"""', "'''", "\\", "#", "-"]
ODD_TEXT = st.one_of(
    st.text(st.characters(), max_size=80),
    st.lists(st.sampled_from([*WORDS, *PIECES, "\0", "é", "\ud800", "0x", "\n[[job]]\n"]), max_size=40).map("".join),
)
VALUES = st.one_of(
    ODD_TEXT,
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from([f'"{word}"' for word in WORDS] + ["[75, 75]", "[[]]", "{}", "{a = 1}", "1979-05-27", "[1, 2]"]),
)
LINES = st.tuples(st.sampled_from([*ALL_KEYS, "zebra", "job", "defaults"]), VALUES).map(" = ".join)
TABLES = st.sampled_from(["[defaults]", "[[job]]", "[job]", "[[defaults]]", "[job.epochs]", "[x]"])
ODD_FILES = st.lists(st.one_of(LINES, LINES, TABLES), max_size=12).map("\n".join)


@given(text=st.one_of(ODD_TEXT, ODD_FILES, ODD_FILES.map((HEAD + JOB).__add__)), overrides=st.lists(ODD_TEXT | LINES))
@settings(max_examples=300)
@example(text="a=" + "9" * 5000, overrides=["seed=" + "9" * 5000])
@example(text='"\ud800" = 1', overrides=["\ud800=1"])
def test_any_text_becomes_a_study_or_whole_sentences(text: str, overrides: list[str]) -> None:
    jobs = 0
    problems: tuple[str, ...] = ()
    try:
        jobs = len(parse_study(text, file="s.toml", overrides=overrides).jobs)
    except SpecInvalid as refused:
        problems = refused.problems
    assert bool(jobs) != bool(problems)
    for problem in problems:
        assert problem.isprintable()
        assert problem.startswith(("s.toml:", "--set "))


GOOD_VALUES = {
    "epochs": st.integers(1, 100_000),
    "batch_size": st.integers(1, 65_536),
    "learning_rate": st.floats(0, 10, exclude_min=True),
    "optimizer": st.sampled_from(list(OPTIMIZERS)),
    "image_size": st.lists(st.integers(75, 2048), min_size=2, max_size=2),
    "weights": st.sampled_from(["imagenet", "none", "a.h5", "é b.safetensors"]),
    "dropout": st.floats(0, 1, exclude_max=True),
    "seed": st.integers(0, 2**32 - 1),
    "early_stopping": st.integers(0, 100_000),
    "lineage": st.sampled_from(["same", "refuse"]),  # "any" is written by leaving it out
}


@given(model=st.sampled_from(list(MODELS)), settings=st.fixed_dictionaries({}, optional=GOOD_VALUES))
def test_a_spec_survives_being_written_and_read(model: str, settings: dict[str, object]) -> None:
    lines = [f"{key} = {canonical_json(value)}" for key, value in settings.items()]
    (spec,) = parse_study("\n".join([HEAD, "[[job]]", f'model = "{model}"', *lines]), file="s.toml").jobs
    read = JobSpec.from_json(parse_json(canonical_json(spec.to_json())))
    assert read == spec
    assert read.digest == spec.digest
    for key, value in settings.items():
        if key != "weights":
            assert spec.to_json()[key] == value


@pytest.mark.parametrize("weights", ['weights = "imagenet"', 'weights = "mine.h5"', ""])
def test_the_toy_is_taken_where_it_is_named_and_begins_with_no_weights(weights: str) -> None:
    text = 'study = "s"\ndataset = "d"\n[[job]]\nmodel = "Toy"\n'
    with pytest.raises(SpecInvalid, match='allowed for Toy is "none"'):
        parse_study(f"{text}{weights}\n", file="study.toml")
    [job] = parse_study(f'{text}weights = "none"\n', file="study.toml").jobs
    assert job.model == "Toy"
    with pytest.raises(ValueError, match="begins with no weights"):
        JobSpec.from_json(job.to_json() | {"weights": "imagenet"})


def test_the_toy_is_never_offered() -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_study('study = "s"\ndataset = "d"\n[[job]]\nmodel = "toy"\n', file="study.toml")
    assert "Toy" not in str(caught.value)
