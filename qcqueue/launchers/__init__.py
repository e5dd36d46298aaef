"""Sessions started on an engine that a lab has already: Slurm, Ray, Kubernetes.

Each file knows one engine, and `base` what is to be started. An engine is told to run `qcqueue work`, and to start
it again where it ended with 20; which job a session takes, and when it leaves, is the session's as everywhere.
"""
