"""Images as data: one content-addressed blob a dataset, made from a person's files or from a practice generator.

Owns reading folders and zips, pixels, splits and the blob's format; leaves naming and storing to the layers above.
Nothing here writes a file, unpickles anything or reaches for the network. The only home of Pillow and of pydicom.

    format       the blob: write it, read it, refuse a damaged one
    importing    a folder, zip or CSV of images -> Dataset:
                   tree, archive, litter            what is there, and its bytes
                   outline, layout, selection       which file is an image of which class
                   parts, part_names, labels_csv, table, groups      an author's split, a table, patients
                   assignment, split, grouping      who goes into which part
    reading      all files of an import -> pixels, or all broken ones by name:
                   decode, stored, tiff, dicom, metadata     one file, and what is in it
                   deep, picture, depth             values of more than 8 bits, on one scale for the whole import
    sample       the practice set -> Dataset        (photographs, degrade, split)
    limits       how much is too much
"""
