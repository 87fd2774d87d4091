"""The server's Google flavour: paths, tokens, management calls and habits of its API.

What differs from the standard is written down in `dicomnb.wire.google_habits`. What does not
is answered by the standard's own handlers.
"""
