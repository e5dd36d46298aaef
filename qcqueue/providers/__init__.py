"""What each provider allows, one dated TOML file a provider, and what a machine of it can do, where that is anything.

`base` holds the values, `profile_file` makes them of text and refuses what is wrong, `registry` knows the files of this
folder: their names, one of them by name, the one that fits a machine, a person's own corrections, and who has code.

A file is named after its profile. It has a `title`, perhaps a `note`, perhaps a `[detect]`, and one table for each
figure that is known. A figure that nobody knows is left out: what is not there limits nothing. Lengths are in hours:

    [session]       low_hours, likely_hours, high_hours: how long a session lives, four of five times from low to high
    [ceiling]       hours: the longest that a session can live
    [window]        allowed_hours of GPU in any period_hours
    [cool_off]      low_hours, likely_hours, high_hours: how long no GPU is to be had once a session was taken away

Each figure says its `source`, the day it was `checked`, and the `confidence` in it: "published" by the provider,
"reported" by its users, or "assumed" by us. `[detect]` lists what has to be true of a machine, all of it: variables
that are set (`environment`) or not set (`environment_unset`), the name of the `user`.

A person's own file has the same tables below a name, [colab-free.session], each in place of the shipped one; a name
that is new needs a `title`. It need not say where its figures come from, and it detects nothing.

One more provider is one more TOML file. Where its machines can do more than end, as keep secrets, name their end or be
given back, that is a `base.Provider` in one module beside it, and one row in `registry.PROVIDERS`.
"""
