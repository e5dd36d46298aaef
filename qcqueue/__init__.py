"""qcqueue: resumable training jobs for quota-limited GPUs.

Enqueue on a laptop, work in sessions that vanish, lose nothing: every epoch is saved, and a run that was cut
anywhere ends with the same bits as one that was not. The command line is `qcqueue`; from a notebook,
`qcqueue.work("folder:PATH")` is one session. The layers, top down:

    cli | testing                                    commands and screens | fakes and simulated worlds
    app                                              composition root and whole operations
    worker | reports                                 session and trainer processes | the report page
    queue | checkpoints | training | scheduling      transactions | state files | TensorFlow | policies
    database | datasets                              schema and its homes | images as one blob
    storage | core                                   bytes | specs, states, records: pure values
    errors | clock                                   every error | the only door to time and chance
"""


def work(
    store: str | None = None, *, max_minutes: float | None = None, max_epochs: int | None = None, jobs: int = 1
) -> str:
    """Run one session on this machine, as `qcqueue work` does, and return how it ended, in words.

    store is a URL such as "folder:PATH"; without one, the settings decide. Raises: QcqueueError.
    """
    from qcqueue.app.settings import load_settings
    from qcqueue.app.work import drive, new_session
    from qcqueue.app.workplace import open_workplace
    from qcqueue.worker.session import Limits

    place = open_workplace(load_settings(store=store))
    session = new_session(place, Limits(max_minutes=max_minutes, max_epochs=max_epochs, jobs=jobs), narrate=print)
    drive(place, session, show=lambda session: None)
    return str(session.ending)
