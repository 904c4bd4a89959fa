"""Recordings without the patient: header, pixels, audit. Everything here fails closed.

A file is either de-identified completely or refused with a reason; a file that is refused leaves nothing behind.
"""
