"""Google Colab, as far as a session needs it: what is in its secrets, and giving the machine back.

The only place that knows `google.colab`, which exists nowhere else and is imported on use. A session is in Colab
because the environment says so, never because an import worked. Always true: what a secret holds is returned and
said nowhere. Colab's calls talk to the page and belong to the main thread.
"""

from collections.abc import Callable

from qcqueue.providers.base import Provider

NOT_HANDED_OVER = "Colab did not hand over its secrets ({}), which only its own page can: VS Code, for one, has none"


class Colab(Provider):
    """Implements `base.Provider`. When Colab takes a machine away is announced nowhere."""

    secret_help = "Colab's secret {name} (the key at the left)"
    gpu_help = "choose a GPU under Runtime > Change runtime type"
    can_release = True
    release_help = "Colab did not take this machine back: choose Runtime > Disconnect and delete runtime"

    def secret(self, name: str, *, say: Callable[[str], None]) -> str | None:
        try:
            from google.colab import userdata
        except ImportError as exc:
            say(NOT_HANDED_OVER.format(type(exc).__name__))
            return None
        try:
            return userdata.get(name) or None
        except userdata.SecretNotFoundError:
            return None
        except userdata.NotebookAccessError:
            say(
                f"Colab keeps a secret {name}, but this notebook may not read it: open the key at the left and allow it"
            )
        except Exception as exc:  # outside of its own page Colab raises what has had several names
            say(NOT_HANDED_OVER.format(type(exc).__name__))
        return None

    def release(self) -> bool:
        try:
            from google.colab import runtime

            runtime.unassign()
        except Exception:  # its own RuntimeManagementError, the network's, or there is no such module
            return False
        return True


PROVIDER = Colab()
