"""A session and its trainer: the two processes that turn a queued job into a finished one.

`session` is the supervisor: claim, start the trainer, move checkpoints from spool to store, commit, leave. It
never imports TensorFlow. `trainer` is the child's main program and the only module here that does. `survey` looks
at the queue, `attempt` does the commits of one job, `estate` deals with what dead sessions left; the rest is what a
session needs of its machine.
"""
