"""Whether our figures are Keras's: every model trained by us and by plain `fit`, validated by us and by `evaluate`.

One thread, TensorFlow's rewriting of graphs off, each model in a process of its own: two epochs, compared tensor by
tensor; the loss of a head that is scaled until it is sure and wrong; a whole run that is sure and wrong, and its best
epoch. What is compared, and how, is `tests.engines.parity`, which the tests use for two of the models.
"""

import argparse
import sys
from pathlib import Path

from bench_checkpoint import Row, run, target

from tests.engines.parity import MODELS_COMPARED, OFF_MOST, SURE, in_a_process


def main() -> int:
    return run(parsed(), {"models": models}, {}, quick="VGG16 only")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="default: all seven")
    parser.add_argument("--quick", action="store_true", help="VGG16 only")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    arguments.models = arguments.models or (["VGG16"] if arguments.quick else list(MODELS_COMPARED))
    arguments.only, arguments.child = ["models"], None
    return arguments


def models(folder: Path, arguments: argparse.Namespace) -> Row:
    rows, targets = list[Row](), list[Row]()
    for model in arguments.models:
        print(f"  {model}", file=sys.stderr, flush=True)
        found = in_a_process(model)
        off = max(value for name, value in found.items() if name.endswith("off"))
        ours, theirs = found["best"]
        rows.append(
            {
                "model": model,
                "tensors": found["tensors"],
                "differing": found["differing"],
                "losses off by": f"{off:.1e}",
                "head x1": found["heads"]["1"],
                "x30": found["heads"]["30"],
                "x100": found["heads"]["100"],
                "x1000": found["heads"]["1000"],
                "highest val_loss": max(found["steep"]),
                "best epoch": f"{ours} and {theirs}",
            }
        )
        targets += [
            target(f"{model}: tensors that differ after two epochs", float(found["differing"]), most=0.0),
            target(f"{model}: losses, relative to those of evaluate", off, most=OFF_MOST),
            target(f"{model}: epochs between our best and theirs", float(abs(ours - theirs)), most=0.0),
            target(f"{model}: highest loss, above what 0.5.1 could count", max(found["steep"]), least=SURE),
        ]
    return {"tables": [rows], "targets": targets}


if __name__ == "__main__":
    sys.exit(main())
