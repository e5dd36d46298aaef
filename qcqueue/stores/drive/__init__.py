"""Google Drive as a store: the user's own account and OAuth client, the scope `drive.file`, and a folder of our own.

Names on Drive are no keys, listings are late by minutes, and a 404 may be lag; what is strong is an id that was
reserved beforehand: inserting it succeeds for exactly one, and every later insert is told 409. All of this package
stands on that one fact. What a request's lost answer leaves open is settled by repeating the request.

`token`, `secret_json` a sign-in and the files that hold one · `sign_in`, `oauth`, `browser`, `device` signing in ·
`token_status` whether Google still accepts it · `connection` PyDrive2, google-auth and googleapiclient put together ·
`answers` what an answer means · `caller` asking again · `files` the few verbs · `layout` what lies where · `space` how
much room there is · `uploads` the resumable protocol and its journal · `slots`, `store`, `backend` what `stores.base`
asks for · `checks` what is looked at. `backend`, `sign_in`, `token` and `secret_json` alone need none of Google's
libraries.
"""
