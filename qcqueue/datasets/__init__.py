"""Images as data: one content-addressed blob a dataset, made from a person's files or from a practice generator.

Owns reading folders and zips, pixels, splits and the blob's format; leaves naming and storing to the layers above.
Nothing here writes a file, unpickles anything or reaches for the network. The only home of Pillow.

    format       the blob: write it, read it, refuse a damaged one
    importing    a folder or zip of class folders -> Dataset      (tree, archive, layout, decode, split, limits)
    sample       the practice set -> Dataset                      (photographs, degrade, split, limits)
"""
