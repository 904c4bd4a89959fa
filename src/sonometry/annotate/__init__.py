"""Annotation in the browser: views, phases, contours and scores of the clips of a workspace.

`store` keeps every action as one row that is never rewritten, in the database of the catalogue; `work_lists` says what
is to be read by whom and in which order; `frames` hands out cached pictures; `web` and `server` are the local web
application; `export` and `readers` turn marks into annotations, manifest rows and agreement. Pages lie in `static`.
"""
