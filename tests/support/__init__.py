"""What tests of several rooms share: real server processes, raw senders, a proxy that misbehaves, a witness of the ledger."""
