"""All state of a run between device and host: `model.variables` with seeds and statistics, `optimizer.variables`.

Keys are group and position (m/00000, o/00000), because Keras numbers paths by what a process built before.
Copies are whole and TensorFlow cannot change them afterwards; a restore checks count, shape and type of every
tensor before it changes the first.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from qcqueue.core.records import TrainingRecord
from qcqueue.core.snapshot import Snapshot, Tensors
from qcqueue.errors import CheckpointDamaged
from qcqueue.training.program import Program


def take(program: Program, record: TrainingRecord) -> Snapshot:
    """Return the whole state of `program` as it is now, in memory of its own."""
    variables = _model_variables(program) | _optimizer_variables(program)
    return Snapshot(
        tensors={key: _copy(variable) for key, variable in variables.items()},
        record=record,
        paths={key: variable.path for key, variable in variables.items()},
    )


def restore(program: Program, tensors: Tensors) -> None:
    """Put a whole state back. Raises: CheckpointDamaged: it is not one of this model and optimizer."""
    _assign(_model_variables(program) | _optimizer_variables(program), tensors)


def restore_model(program: Program, tensors: Tensors) -> None:
    """Put back only the model's part of a state. Raises as `restore`."""
    _assign(_model_variables(program), {key: value for key, value in tensors.items() if key.startswith("m/")})


def model_tensors(program: Program) -> dict[str, npt.NDArray[Any]]:
    """Return the model's part of the state, in memory of its own."""
    return {key: _copy(variable) for key, variable in _model_variables(program).items()}


def _model_variables(program: Program) -> dict[str, Any]:
    return {f"m/{index:05d}": variable for index, variable in enumerate(program.model.variables)}


def _optimizer_variables(program: Program) -> dict[str, Any]:
    return {f"o/{index:05d}": variable for index, variable in enumerate(program.optimizer.variables)}


def _copy(variable: Any) -> npt.NDArray[Any]:
    # `numpy()` would do too, but a memoryview of a tensor in host memory saves it a second copy.
    return np.array(memoryview(variable.value.read_value()))


def _assign(variables: Mapping[str, Any], tensors: Tensors) -> None:
    if variables.keys() != tensors.keys():
        raise CheckpointDamaged(f"the state holds {len(tensors)} tensors and this model needs {len(variables)}")
    for key, variable in variables.items():
        wanted, found = (tuple(variable.shape), variable.dtype), (tensors[key].shape, str(tensors[key].dtype))
        if wanted != found:
            raise CheckpointDamaged(f"tensor {key} ({variable.path}) is {found} in the state and should be {wanted}")
    for key, variable in variables.items():
        variable.value.assign(tensors[key], read_value=False)
