"""The room of the decision log: records, spool, shipper, queries. No policy, no HTTP; `sqlite3` only in the spool."""
