"""Every error that the training side raises on purpose.

::

    ExportError
    ├── SigningError   a key cannot be made, read or used
    └── VerifyError    artefacts differ from the float network by more than a gate allows

A caller's mistake (shape, dtype, range) is a plain ``ValueError`` or ``TypeError`` instead.
Texts say what was found, what was expected and what to do.
"""

from __future__ import annotations


class ExportError(Exception):
    """Root of the tree: catch this to catch everything that ``export`` raises on purpose."""


class SigningError(ExportError):
    """A key cannot be made, read or used for a signature."""


class VerifyError(ExportError):
    """An artefact must not be packed: it failed a gate, or could not be measured."""
