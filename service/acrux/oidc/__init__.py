"""The room that closes the loop: tickets, providers' keys, ID tokens and their judging. No policy files, no SQL."""
