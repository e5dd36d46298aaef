"""A session and its trainer: the two processes that turn a queued job into a finished one.

`session` is the supervisor: claim, start the trainer, move checkpoints from spool to store, commit, leave. It never
imports TensorFlow. What it does in one step is said by its state, in `look_states`, `job_states` and `leave_states`.
`uploader` and `committer` save what one attempt makes, `salvage` deals with what dead sessions left; the rest is what a
session needs of its machine.
"""
