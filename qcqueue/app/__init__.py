"""The composition root: settings in, wired objects out, and the operations that need several packages at once.

The CLI and the notebook call the same functions. Below this line functions receive values, never settings.
"""
