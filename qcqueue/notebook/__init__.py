"""The worker cell: `qcqueue.work(...)` in a notebook, on Colab or anywhere else, and in a plain program.

`cell` is the order of events, `sign_in` who works, `screen` where it is shown, `block` what is said.
`report` shows the report, and hands out its tables.
"""
