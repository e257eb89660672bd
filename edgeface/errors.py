"""Every error edgeface raises on purpose.

::

    EdgeFaceError
    ├── BundleError
    │   ├── BundleFormatError          not a bundle, or its manifest breaks a rule
    │   ├── BundleIntegrityError       damaged: wrong hash, truncated, failed self-test
    │   ├── BundleSignatureError       a public key is configured, and no signature by it holds
    │   └── BundleIncompatibleError    made for another board
    ├── BackendError
    │   ├── BackendUnavailableError    (+ ImportError) runtime missing; text has the install line
    │   └── InferenceError             (+ RuntimeError) .step and .code say where and what
    ├── BoardError                     board.toml or edgeface.toml is wrong, or another board's
    ├── GalleryError
    │   ├── GalleryFormatError         not a gallery, damaged, or of another schema version
    │   ├── GalleryModelError          templates of another model: their cosine means nothing
    │   ├── GalleryKeyError            encrypted, and no key, the wrong one, or one others can read
    │   └── UnknownIdentityError       (+ LookupError) nobody of that name is enrolled
    ├── CameraError                    no frame: unplugged, frozen, refused, not a picture
    ├── ActuatorError                  a relay, panel or broker that did not do what it was told
    ├── AuditError                     the log cannot be written, or is not whole
    ├── DoorError                      door.toml is wrong, or a door that must not run as it is
    ├── SiteError                      the site's server or database, or what was asked of it
    │   ├── SiteConflictError          what was asked contradicts what is there: a name twice
    │   ├── SiteForbiddenError         who asked may not, or is nobody
    │   ├── SiteUnavailableError       its database or server does not answer: try again
    │   └── UnknownEntryError          (+ LookupError) no such person, door, group, roll-out
    ├── BenchError                     a benchmark that cannot be run, read or compared
    ├── EvaluationError                pair list or photo folder that cannot be measured on
    ├── ImageError                     file that cannot be read as an image
    └── NoFaceError                    a face was needed and none was found

A caller's mistake (shape, dtype, range) is a plain ``ValueError`` or ``TypeError`` instead.
Texts say what was found, what was expected and what to do.
"""

from __future__ import annotations


class EdgeFaceError(Exception):
    """Root of the tree: catch this to catch everything the SDK raises on purpose."""


class BundleError(EdgeFaceError):
    """A bundle cannot be used."""


class BundleFormatError(BundleError):
    """The file is not a bundle, or its manifest breaks a rule of docs/bundle-format.md."""


class BundleIntegrityError(BundleError):
    """The bundle is damaged: wrong hash or length, truncated, or its self-test failed."""


class BundleSignatureError(BundleError):
    """The bundle is not signed as it must be, or that cannot be checked: it is not used."""


class BundleIncompatibleError(BundleError):
    """The bundle is sound but made for another board."""


class BackendError(EdgeFaceError):
    """An inference runtime cannot do its work."""


class BackendUnavailableError(BackendError, ImportError):
    """The runtime a bundle asks for is not installed; the text has the install line."""


class InferenceError(BackendError, RuntimeError):
    """A run failed or gave outputs that cannot be right.

    Attributes
    ----------
    step : str
        Where it happened, for example ``"embedder output scan"``.
    code : int or None
        The runtime's return code, where it has one.
    """

    def __init__(self, message: str, *, step: str = "", code: int | None = None) -> None:
        super().__init__(message)
        self.step = step
        self.code = code


class BoardError(EdgeFaceError):
    """What is written about this board cannot be used, or is about another one."""


class GalleryError(EdgeFaceError):
    """The gallery cannot be read or written."""


class GalleryFormatError(GalleryError):
    """The file is not a gallery, is damaged, or is of a schema this version does not read."""


class GalleryModelError(GalleryError):
    """The templates were made by another model and cannot be compared with this one's."""


class GalleryKeyError(GalleryError):
    """The gallery is encrypted and this key does not open it, or the key is not kept safely."""


class UnknownIdentityError(GalleryError, LookupError):
    """Nobody of that name is enrolled."""


class ImageError(EdgeFaceError):
    """A file cannot be read as an image."""


class NoFaceError(EdgeFaceError):
    """A face was needed and none was found in the image."""


class EvaluationError(EdgeFaceError):
    """A pair list or a photo folder that accuracy cannot be measured on."""


class BenchError(EdgeFaceError):
    """A benchmark that could not be run, or a report of one that cannot be read or compared."""


class CameraError(EdgeFaceError):
    """A camera gives no frames, or none that can be used."""


class ActuatorError(EdgeFaceError):
    """An actuator did not do what it was told; the door stays shut."""


class AuditError(EdgeFaceError):
    """The audit log cannot be written or read, or was changed."""


class DoorError(EdgeFaceError):
    """A door's configuration cannot be used, or would open for anybody."""


class SiteError(EdgeFaceError):
    """The site's server or database does not answer, or what was asked of it cannot be done."""


class SiteConflictError(SiteError):
    """What was asked contradicts what is there."""


class SiteForbiddenError(SiteError):
    """Who asked may not do that, or did not say who it is."""


class SiteUnavailableError(SiteError):
    """The site's database or server does not answer; trying again may help."""


class UnknownEntryError(SiteError, LookupError):
    """There is no such person, door, group, schedule, user or roll-out."""
