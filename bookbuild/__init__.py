"""The printing press: executes the chapters, proofs them, renders the site and checks it.

No chapter and no reader ever imports it.  All paths are relative to the root of the repository,
from which every command is run.
"""
