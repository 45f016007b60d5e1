"""The living profile: decay, de-duplication, and `advance`, the one seam every caller goes through."""
