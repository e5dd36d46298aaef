"""The report: what a study has measured, as one page that opens from disk and asks nothing of the network.

    write                            the one act: all of it appears, or nothing does
    files                            every file of it as bytes
    page | provenance                one HTML document | one archive of what the numbers come from
    figures                          the table of figures, and each as a file
    tables                           tables as data, and their formats
    markup | palette                 the one place that escapes | a name for every colour
    quantities                       the numbers, and the notes that belong to them
    study                            what was stored

All but `write` is pure: the same values give the same bytes.
"""
