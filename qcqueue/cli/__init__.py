"""The commands a person types. A command parses, calls `app`, renders: three statements.

Answers go to stdout, narration to stderr, `--json` prints one document. Heavy parts are imported inside the
command that needs them, so that `status` answers before the finger leaves the key.
"""
