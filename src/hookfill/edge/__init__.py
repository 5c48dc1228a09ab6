"""The doors where machines push: one file per inbound contract, plain ASGI, nothing between the bytes and the inbox."""
