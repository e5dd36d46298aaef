"""How people call train, validation and test: folders, columns and options in the usual spellings of some languages.

Leaves what to make of them to `parts`, `labels_csv` and the command line. Only letters count, so numbers, hyphens and
capitals make no difference, and a name that says more than which part it is tells what else it says.
"""

import re
from collections.abc import Iterable

from qcqueue.datasets.format import Split
from qcqueue.datasets.outline import composed

WORDS = {
    Split.TRAIN: (
        "train|training|trains|trn|trainval|entra[iî]nement|apprentissage|entrenamiento|treino|treinamento"
        "|addestramento|trainings|trening|träning|eğitim|трейн|обучение|обучающ[а-я]+|тренировк[аи]|тренировочн[а-я]+"
        "|训练|訓練|学習|훈련|학습"
    ),
    Split.VALIDATION: (
        "val|valid|validation|validate|validating|dev|devel|development|validaci[oó]n|valida[cç][aã]o|validazione"
        "|validierung|validierungs|validatie|walidacja|doğrulama|валидация|валидационн[а-я]+|验证|驗證|検証|검증"
    ),
    Split.TEST: (
        "test|tests|testing|tst|eval|evaluation|holdout|heldout|unseen|pruebas?|testes?|prova|prove|testowy|тест|тесты"
        "|тестовы[а-я]+|тестов[а-я]+|тестирование|测试|測試|テスト|评估|테스트"
    ),
}
BESIDE_A_WORD = (
    "(?>datasets?|data|sets?|seg|images?|imgs?|pics?|pictures?|photos?|scans?|split|subset|folder|dir|part|files?"
    "|samples?|x|daten|datos|dados|dati|donn[eé]es|bilder|conjunto|ensemble|выборка|данные|набор|数据|集|图片|データ|세트)*+"
)
"""Possessive: these words overlap, and a long name made of them must not be tried in every way."""

SPELLED = {split: re.compile(f"{BESIDE_A_WORD}(?:{words}){BESIDE_A_WORD}") for split, words in WORDS.items()}
PLAIN = re.compile("train|(?<!e)val|test", re.IGNORECASE)

ORDINARY = re.compile("valid|dev|devel|development|eval|evaluation|trains|unseen|prove?", re.IGNORECASE)
"""Words that name a part beside another part, and are ordinary names of classes where they stand alone."""

ORDINARY_BESIDE = {
    Split.TRAIN: re.compile(
        "bus(es)?|cars?|trucks?|(air)?planes?|ships?|boats?|trams?|bicycles?|bikes?", re.IGNORECASE
    ),
    Split.TEST: re.compile("controls?", re.IGNORECASE),
}
"""A train beside a bus is a vehicle, and a test beside a control an arm of a study."""


def part_of(name: str) -> tuple[Split, str] | None:
    """Return which part a name speaks of and what else it says: "" for "01_TrainingData", "cat" for "train_cat"."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", composed(name))
    words = re.findall(r"[^\W\d_]+", re.sub(r"(hold|held)[\W_]*(out)", r"\1\2", apart.casefold()))
    found = [next((split for split, spelled in SPELLED.items() if spelled.fullmatch(word)), None) for word in words]
    parts = set(found) - {None}
    if parts == {Split.TRAIN, Split.VALIDATION}:  # "train_val" is what the test is kept apart from
        parts = {Split.TRAIN}
    if len(parts) != 1:
        return None
    others = [word for word, part in zip(words, found, strict=True) if part is None]
    (part,) = parts
    assert part is not None
    return part, " ".join(word for word in others if not re.fullmatch(BESIDE_A_WORD, word))


def split_named(name: str) -> Split | None:
    """Return the part that a name stands for and says nothing else, such as "Testing" or "val"."""
    found = part_of(name)
    return found[0] if found and not found[1] else None


def is_lone_part(name: str, others: Iterable[str]) -> bool:
    """Return whether a folder beside others of no part's name is hardly a class, as test beside good and bad."""
    part = split_named(name)
    beside = ORDINARY_BESIDE.get(part) if part is not None else None
    return (
        part is not None
        and not ORDINARY.fullmatch(name)
        and not (beside is not None and any(map(beside.fullmatch, others)))
    )


def is_plain_part(name: str) -> bool:
    """Return whether a name uses the plainest word for its part, which counts where two folders claim one."""
    return PLAIN.search(name) is not None
