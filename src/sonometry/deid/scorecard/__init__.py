"""How well de-identification works: invented patients on invented scanners, and the ten MIDI-B actions counted.

No real person, hospital or vendor is in it; all is drawn from a seed with its exact truth.
"""
