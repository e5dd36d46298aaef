"""The pictures of a report: which there are of a study, and what each says in words. Pure.

`charts` knows how a kind of picture is drawn and nothing of models; here the numbers of a study become its values. A
picture for which nothing was measured is not there.
"""
