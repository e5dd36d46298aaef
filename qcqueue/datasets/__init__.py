"""Images as data: one content-addressed blob a dataset, made from a person's files or from a practice generator.

Owns reading folders and zips, pixels, splits and the blob's format; leaves naming and storing to the layers above.
Nothing here writes a file, unpickles anything or reaches for the network. The only home of Pillow.

    format       the blob: write it, read it, refuse a damaged one
    importing    a folder, zip or CSV of images -> Dataset        (tree, archive: what is there and its bytes;
                 outline, layout, selection, parts, labels_csv, groups: which file is of which class, part and group;
                 assignment, split, grouping: who goes where; decode, limits)
    sample       the practice set -> Dataset                      (photographs, degrade, split, limits)
"""
