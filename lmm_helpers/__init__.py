"""What the chapters of the book import: data with a published truth, checks, and a few pictures.

The public names stand in `__init__.pyi`. Each is looked up when it is first used, so that what
needs no sampler loads none.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
