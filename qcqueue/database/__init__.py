"""The queue as a relational database, and the places it can live.

`schema` is the one description of the tables, and `migrations` leads older ones to it; `base.Database` is the protocol
of two verbs that `queue` speaks; `local` keeps the database in one SQLite file, `versioned` as images in a store.
Transaction functions are written once, in `queue`, against a SQLAlchemy connection: SQLAlchemy Core, not its ORM,
because importing the ORM alone would cost the CLI a third of its answering time.
"""
