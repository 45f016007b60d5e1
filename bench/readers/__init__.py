"""How fast profiles are read: the client in one process, and over HTTP, in an open loop against the embedded Valkey."""
