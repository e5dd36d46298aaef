"""What leaves the queue for other programs: trained weights, and the epochs of runs for TensorBoard and MLflow.

`weights` is one job's trained model as a file, with the three lines of Python that use it; `run` is what the
trackers are told of a job, `tensorboard` and `mlflow` each the only home of a library of that name. Nothing here opens
a queue. Always true: an export adds and completes, it never removes what it has not written itself.
"""
