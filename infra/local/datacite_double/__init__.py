"""A stand-in for DataCite's REST API, a server of its own; without a file to keep DOIs in it forgets
them when it ends.

It keeps to what DataCite's does (states, upserts, refusals, what answers look like), also where that surprises: events
that cannot happen are ignored without a word, a draft may hold nearly anything. What networks and servers do on a bad
day it does on demand (`faults`), and it counts what befell each DOI.
"""
