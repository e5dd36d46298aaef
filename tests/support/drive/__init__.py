"""Google Drive on loopback: an emulator of version 2 of its API, for the real PyDrive2 and googleapiclient.

    with DriveEmulator(SystemClock()) as emulator:
        ada = emulator.user("ada@example.com", quota_bytes=1 << 30)
        grant = emulator.sign_in("laptop", ada, App(name="qcqueue"))
        with Connection(emulator.url, grant) as laptop:
            laptop.drive.CreateFile({"title": "notes"}).Upload()                     # PyDrive2
            laptop.service.files().generateIds(maxResults=10).execute()              # googleapiclient
        emulator.faults.script(DriveFault.DROP_AFTER, operation="files.insert")      # the next insert only
        emulator.faults.rates = dict.fromkeys(TRANSIENT, 0.01)                       # or a share of all requests, each
        emulator.listing_lag_s["laptop"] = 60.0                                      # what one client sees late
        emulator.time.advance(3600)                                                  # an hour, at once
        emulator.owner(ada).trash(folder_id)                                         # a person at the web interface
    DriveEmulator(SystemClock(), bytes_a_second=25e6)                                # a line like a person's

Nothing is patched: the discovery document the client library brings along is pointed at the emulator, which speaks
HTTP/1.1 on 127.0.0.1 and nowhere else. A client in another process is made of the URL and `grant.stored(url)`, which
is JSON. Whatever breaks inside the emulator itself is raised when it ends.

**Modules.** `emulator` is the way in. `accounts` people, apps, clients, grants, tokens · `signin` the OAuth endpoints ·
`files` values and their JSON · `metadata` what clients send, and its limits · `drives` the state of one user ·
`queries`, `fields`, `multipart` the three grammars · `endpoints`, `uploads` the API · `call` who asks and what they
may see · `routes` names of operations · `faults` when what strikes, `strikes` what comes of it · `choices` what is
undocumented · `owner` what a person does behind a client's back · `clock`, `exchange`, `server` time, values, wire ·
`throttle` its speed · `client` connects the real libraries, and alone needs the extra `drive`.

**Emulated, from the documentation** (the reference and guides of the Drive API, as of 2026):
- about; generateIds, reserved for one user; insert by metadata, media, multipart and resumable upload, with an id or
  without: of all inserts of one id exactly one succeeds, the others get 409, also while the file is in the bin; an id
  nobody reserved gets 400. get, list (grammar in `queries`), media with ranges, patch, update, touch, trash, untrash,
  delete (for good, with all below a folder), revisions, changes (one entry a file, newStartPageToken on the last
  page), partial responses, long queries as a POST with X-HTTP-Method-Override.
- MD5, SHA-1 and SHA-256 of every file; strings for sizes and versions; times with milliseconds in UTC.
- Properties: at most 100, 30 private and 30 public, 124 bytes each; private ones are seen by their app only.
- Titles are no keys: any number of files may share one. A file has one parent.
- Resumable: chunks in multiples of 256 KiB, 308 with Range, status queries, a zero-byte file without Content-Range,
  sessions of a week, 411 without a length. What arrived of a chunk whose sender died is kept, down to a multiple.
- Quota: the bin counts, revisions before the last do not, what mail and photos take counts in the aggregate.
- drive.file: a file exists only for the Cloud project that made it, whichever of its OAuth clients asks; `drive`
  sees all.
- Sign-in: refresh, device flow (428, slow_down, only its scopes), loopback with PKCE, grants that die after a week
  while the app is in testing (every answer with a token then says `refresh_token_expires_in`, the seconds left), the
  hundred-and-first token that kills the first, revocation of a whole project. Every token, client secret, code and
  upload session holds `accounts.CANARY`, so that whoever wrote one down where it does not belong is found.

**Emulated, from what others observed on the live service:** If-Match answers 412 to patch, update, upload and delete;
listings and changes may be minutes late, and a young file 404 by id (`listing_lag_s`, `id_lag_s`, or as faults);
a rate-limited insert may have been applied; `title =` ignores case; a full Drive still takes folders and empty files.

**Our choice where both are silent** (those with a name are fields of `Choices`; defaults are the hardest on a client):
- `deleted_ids_are_free`: an id can be inserted again once its file was deleted for good. `reserved_ttl_s`: none.
- A resumable insert of a taken id is refused when it starts, and again at its end if it lost the race meanwhile;
  `conflict_at_end`: at its end only. A parent that is not there goes before 409, and 409 before a full Drive.
- `properties_merge`: a patch merges properties by key, null removes. A patch moves modifiedDate unless
  setModifiedDate says otherwise; createdDate cannot be set. Inserting into a trashed folder works.
- Room is checked when a resumable upload starts, by its declared size, and again at its end.
- Chunks that overlap what is there are accepted, chunks that leave a gap refused with 400. Pages are cut from the
  list as it is when asked for, so a file can be seen twice or missed. An order that was not asked for is newest first.
- What a 4xx of our own choosing says in `reason` and `message` is not Google's wording; branch on the status.

**Faults** are listed in `faults.DriveFault` and counted in `emulator.faults.hits`. Scripted ones strike the next
requests of an operation and client. Drawn ones depend on the seed, the client's label and how many requests it has
made, and on nothing else, so a client meets the same faults whatever happens beside it; their rates add up, and
twenty kinds at 5 % strike more than every third request. `emulator.log` holds every request with its status and
fault, `emulator.owner(user).changes()` all that became of the files: what was inserted twice, or changed though it
must not, stands there. Two things of the libraries to know: a connection that is lost quietly is repeated by httplib2
itself, unasked; a 5xx of the token endpoint comes as a `RefreshError` whose `retryable` tells it from a revoked
grant, after google-auth has waited on its own.

**Not emulated:** copies, permissions and sharing, comments, shared drives, Google documents, export, batch, watch,
rate limits of their own accord, kept revisions, `DELETE files/trash`, and version 3.
"""
