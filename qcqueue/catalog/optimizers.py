"""The optimizers a job may name, with the facts a laptop must know without importing Keras.

Whoever offers them, forecasts the bytes of a state or builds one asks this table. A new optimizer is one row here. All
are built with Keras's own defaults, but for the learning rate of the job.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerRow:
    """keras: the name of its class in `keras.optimizers`. slots: how many numbers it keeps of every parameter it moves.

    note: what a person should know who chooses it, "" for nothing.
    """

    keras: str
    slots: int
    note: str = ""


OPTIMIZERS: Mapping[str, OptimizerRow] = {
    "adam": OptimizerRow(keras="Adam", slots=2),
    "sgd": OptimizerRow(keras="SGD", slots=0, note="without momentum"),
    "rmsprop": OptimizerRow(keras="RMSprop", slots=1),
}
