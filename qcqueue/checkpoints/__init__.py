"""Checkpoints: how the state of a run becomes files, and a state again.

`packs` groups tensors into files, `format` writes and reads them. How they get from a trainer to its session is
`qcqueue.spool`'s, and which of them stay is `queue.checkpoints`'. What follows is format 2.

A state is one head and any number of packs, all safetensors: eight bytes with the length of a header, little-endian;
the header, JSON filled up with spaces to a multiple of eight bytes; then the bytes of the tensors, without gaps, those
with the widest numbers first. A tensor's key is its kind and its position: `m/00012` is the 13th of the model's
variables, `o/00003` the 4th of the optimizer's. Files hold tensors of one kind, up to 32 MiB, in the order of the keys:

    f000, f001 ..     the model's that training cannot change: weights and statistics of a frozen base
    m000, m001 ..     the model's other ones, with the seeds of dropout
    o000, o001 ..     the optimizer's, all but the last group
    head              the last group of the optimizer's, and in its metadata the record

A store knows a file by its SHA-256 alone, so packs with the same tensors are one pack, in every epoch and every job. A
pack says nothing but its tensors for that reason. The head's metadata has one entry, "qcqueue", with canonical JSON:
{"format": 2, "record": .., "paths": .., "tensors": ..}: the training record, the Keras path of each key as a
cross-check, and how many tensors all files have together. The head's digest names the state, because the record in it
is that of no other. The database says which packs belong to a head and which hold the model of the best epoch.

Take a model with a frozen kernel of ones, float32 [2, 2], a trained bias of zeros, float32 [3], and the seed of a
dropout layer, int64 [2] with values 1 and 7; its optimizer has counted 3 steps. Its state is three files:

    f000   88 bytes, 0890d75b..: 64 as little-endian int64, then
           {"m/00000":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}, one space, four times 00 00 80 3f
    m000  164 bytes, 5b35abf4..: the seed before the bias, because its numbers are wider:
           {"m/00002":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"m/00001":{"dtype":"F32","shape":[3],..}}
    head  the step count o/00000 and the learning rate o/00001, and the record with all of its epochs

An epoch later f000 is the same file and is not stored again; m000 and head are others. `sha256sum` checks every file
in a store, where the digest begins its name. In format 1 a state was a head that held everything, and is still read.

A job that is done keeps packs of its model alone, under a head without tensors, from which no run can be taken up: its
"paths" are those of the model, and "tensors" says how many these are.
"""
