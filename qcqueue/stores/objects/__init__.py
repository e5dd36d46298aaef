"""Queues in buckets: Amazon S3 and what speaks like it, Azure Blob Storage, Google Cloud Storage.

`bucket` is the only module that knows obstore; `store` and `slots` keep in a bucket what `stores.base` promises, and
`backend` makes, opens and deletes a queue there. Below the prefix of a queue lie

    versions/     the queue itself: an object a version, named so that a listing begins with the newest
    blobs/        states of running jobs and images, an object each
    heartbeats/   an empty object a session at work
    clock         an empty object that is written anew to learn what time the bucket believes it is
"""
