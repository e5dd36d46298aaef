"""All state of a run between device and host: `model.variables` with seeds and statistics, `optimizer.variables`.

Keys are group and position (m/00000, o/00000), because Keras numbers paths by what a process built before.
A taken state cannot change any more: on a GPU it is a copy, in host memory it shares the variables' buffers, which
TensorFlow leaves alone and replaces (copy on write) as long as someone else reads them. So taking 650 MB costs
milliseconds, and nothing where it is dropped before the next step. A restore checks count, shape and type of
every tensor before it changes the first.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from qcqueue.core.records import TrainingRecord
from qcqueue.core.snapshot import Snapshot, Tensors
from qcqueue.engines.keras_tf.program import Program
from qcqueue.errors import CheckpointDamaged


def take(program: Program, record: TrainingRecord) -> Snapshot:
    """Return the whole state of `program` as it is now; later steps do not change it."""
    return Snapshot(tensors=tensors(program), record=record, paths=paths(program), fixed=program.fixed)


def tensors(program: Program) -> dict[str, npt.NDArray[Any]]:
    """Return all of the state but the record, as it is now."""
    return {key: _on_host(variable) for key, variable in _variables(program).items()}


def paths(program: Program) -> dict[str, str]:
    """Return what Keras calls the variable of each key."""
    return {key: variable.path for key, variable in _variables(program).items()}


def restore(program: Program, tensors: Tensors) -> None:
    """Put a whole state back. Raises: CheckpointDamaged: it is not one of this model and optimizer."""
    _assign(_variables(program), tensors)


def restore_model(program: Program, tensors: Tensors) -> None:
    """Put back only the model's part of a state. Raises as `restore`."""
    _assign(_model_variables(program), {key: value for key, value in tensors.items() if key.startswith("m/")})


def model_tensors(program: Program) -> dict[str, npt.NDArray[Any]]:
    """Return the model's part of the state as it is now."""
    return {key: _on_host(variable) for key, variable in _model_variables(program).items()}


def _variables(program: Program) -> dict[str, Any]:
    return _model_variables(program) | _optimizer_variables(program)


def _model_variables(program: Program) -> dict[str, Any]:
    return {f"m/{index:05d}": variable for index, variable in enumerate(program.model.variables)}


def _optimizer_variables(program: Program) -> dict[str, Any]:
    return {f"o/{index:05d}": variable for index, variable in enumerate(program.optimizer.variables)}


def _on_host(variable: Any) -> npt.NDArray[Any]:
    # The bare operation: a state has some thousand tensors, and what Keras adds to each read costs more than its bytes.
    value = variable.value
    return np.asarray(memoryview(tf.raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype)))


def _assign(variables: Mapping[str, Any], tensors: Tensors) -> None:
    if variables.keys() != tensors.keys():
        raise CheckpointDamaged(f"the state holds {len(tensors)} tensors and this model needs {len(variables)}")
    for key, variable in variables.items():
        wanted, found = (tuple(variable.shape), variable.dtype), (tensors[key].shape, str(tensors[key].dtype))
        if wanted != found:
            raise CheckpointDamaged(f"tensor {key} ({variable.path}) is {found} in the state and should be {wanted}")
    for key, variable in variables.items():
        variable.value.assign(tensors[key], read_value=False)
