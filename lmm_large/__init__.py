"""Gaussian mixed models from sufficient statistics: the rows are read once, whatever their number.

The public names stand in `__init__.pyi`. Each is looked up when it is first used, so that what
needs only NumPy loads only NumPy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
