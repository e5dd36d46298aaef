"""What programs leave beside somebody's images: it is not there, whatever it is called and wherever it stands.

Owns the names that Finder, Windows, a NAS, a browser of photographs or a synchronizer writes for itself; leaves what a
person may have meant, such as a half-downloaded file or a list of labels, to `selection`. Only names decide.
"""

import re

LITTER = re.compile(
    r"""
    \. .*                                               # hidden: .DS_Store, ._x, .Trash-1000, .@__thumb, .syncthing.x
    | __macosx | icon[\r?_] | network[ ]trash[ ]folder | temporary[ ]items | desktop[ ]d[bf]        # Finder
    | thevolumesettingsfolder | .*\.sb-[0-9a-f]{8}-.*                                               # Finder again
    | (eh)?thumbs.*\.db(:.*)? | desktop\.ini | \$recycle\.bin | recycler | system[ ]volume[ ]information
    | found\.\d{3} | ~\$.* | .*\.tmp | .*[:_]zone\.identifier                                       # Windows, Office
    | @eadir(@tmp)? | @tmp | @syno.* | .*@syno(eastream|resource) | syno(photo|file|video)_.* | synoindex.*  # Synology
    | @recycle | @recently-snapshot | @__thumb | \#recycle | [\#~@]snapshot | lost\+found           # QNAP, disks
    | picasa\.ini | zbthumbnail\.info | pspbrwse\.jbf | ~syncthing~.* | __pycache__ | .+~           # programs
    """,
    re.VERBOSE | re.DOTALL,
)


def is_litter(path: str) -> bool:
    """Return whether any part of a path is what a program left for itself. A way out of the tree is not litter."""
    return any(part not in (".", "..") and LITTER.fullmatch(part.casefold()) for part in path.split("/"))
