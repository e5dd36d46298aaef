"""The report: what a study has measured, as one page that opens from disk and asks nothing of the network.

`figures` and `honesty` turn `JobDetail`s into quantities and the notes that belong to them; `scales` and
`charts` draw; `tables`, `models` and `page` say it in HTML through `markup`, the one place that escapes;
`write` is the only act. All but `write` is pure: the same values give the same bytes.
"""
