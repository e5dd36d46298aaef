"""Code that a person brings: it travels as data, and runs only where its person has said so.

`modules` finds which files belong to one; `archive` makes them one blob, named by its digest, and takes it apart again;
`trust` is what a machine remembers of the digests that its person approved.
"""
