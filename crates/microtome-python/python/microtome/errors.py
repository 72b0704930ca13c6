"""What can go wrong: one class for each category that Microtome's programs, events and metrics name.

All are `MicrotomeError`s; some are also the built-in error that a caller would expect.
"""

from __future__ import annotations


class MicrotomeError(Exception):
    """Any error of Microtome's. `category` is the word that its other programs use for it."""

    category: str = "Other"


class NotFoundError(MicrotomeError, FileNotFoundError):
    """There is no such blob or file."""

    category = "NotFound"


class DeniedError(MicrotomeError, PermissionError):
    """Storage does not allow it, or was given no credentials."""

    category = "Denied"


class StorageError(MicrotomeError, OSError):
    """Storage, or the network to it, failed."""

    category = "Storage"


class ChangedError(MicrotomeError):
    """The blob was replaced while it was read."""

    category = "Changed"


class NotASlideError(MicrotomeError):
    """The file is no slide."""

    category = "NotASlide"


class UnsupportedError(MicrotomeError):
    """The slide is of a kind that is not read."""

    category = "Unsupported"


class TruncatedError(MicrotomeError):
    """The file ends too early."""

    category = "Truncated"


class MalformedError(MicrotomeError):
    """The file contradicts itself."""

    category = "Malformed"


class LimitError(MicrotomeError):
    """It would cost more than the limits allow."""

    category = "Limit"


class NoMppError(MicrotomeError):
    """The slide does not say its resolution."""

    category = "NoMpp"


class RequestError(MicrotomeError, ValueError):
    """What was asked for makes no sense."""

    category = "Request"


class InvalidUrlError(MicrotomeError, ValueError):
    """The URL is none that is read."""

    category = "InvalidUrl"


class InvalidDatasetError(MicrotomeError, ValueError):
    """The job's file or its dataset is wrong; the message names the field."""

    category = "InvalidDataset"


class BudgetError(MicrotomeError, ValueError):
    """The memory budget is too small for the dataset."""

    category = "Budget"


class CheckpointMismatchError(MicrotomeError, ValueError):
    """The state is of another stream."""

    category = "CheckpointMismatch"


class NoSlidesError(MicrotomeError):
    """No slide of the dataset can be read."""

    category = "NoSlides"


class NoPatchesError(MicrotomeError):
    """The sampling gives no patch on any slide."""

    category = "NoPatches"


class UnknownSlideError(MicrotomeError, KeyError):
    """The slide is none of the dataset's."""

    category = "UnknownSlide"

    __str__ = Exception.__str__


class ClosedError(MicrotomeError):
    """The loader was closed, or its head has gone."""

    category = "Closed"


_CLASSES = {kind.category: kind for kind in MicrotomeError.__subclasses__()}


def error_of(category: str, text: str) -> MicrotomeError:
    """The error of a category; one without a class of its own is a plain `MicrotomeError` that knows its category."""
    kind = _CLASSES.get(category)
    if kind is not None:
        return kind(text)
    error = MicrotomeError(text)
    error.category = category
    return error
