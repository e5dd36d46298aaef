"""Google Colab, as far as a session needs it: is this Colab, what is in its secrets, take the machine back.

The only place that knows `google.colab`, which exists nowhere else and is imported on use. A session is in Colab
because the environment says so, never because an import worked. Always true: what a secret holds is returned and
said nowhere. Colab's calls talk to the page and belong to the main thread.
"""

from collections.abc import Callable, Mapping


def in_colab(environment: Mapping[str, str]) -> bool:
    """Return whether this process runs on a machine that Colab lent."""
    return "COLAB_RELEASE_TAG" in environment


def secret(name: str, *, say: Callable[[str], None]) -> str | None:
    """Return a secret of this notebook's user, None where it cannot be had; `say` is told why, if that is odd."""
    from google.colab import userdata

    try:
        return userdata.get(name) or None
    except userdata.SecretNotFoundError:
        return None
    except userdata.NotebookAccessError:
        say(f"Colab keeps a secret {name}, but this notebook may not read it: open the key at the left and allow it")
    except Exception as exc:  # outside of its own page Colab raises what has had several names
        say(f"Colab did not hand over its secrets ({type(exc).__name__})")
    return None


def release_machine() -> bool:
    """Give this machine back to Colab; return whether it was taken. This process ends with it, a moment later."""
    from google.colab import runtime

    try:
        runtime.unassign()
    except Exception:  # its own RuntimeManagementError, or the network's
        return False
    return True
