"""Privacy at the door: pseudonyms, consent, whose identifier it is, erasure."""
