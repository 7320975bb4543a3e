"""What can go wrong in the decision log, as types. No logic lives here.

Tree:
    DecisionLogError
    ├── LogUnavailable       the record could not be made durable; nothing may be called logged
    ├── LockTimeout          another request of this node holds the name
    ├── ServiceKeyInvalid    the service key's file can't be used
    ├── NotOpened            a sealed value that none of the keys opens
    ├── FilterInvalid        a listing's filter says something that can't be
    └── CursorInvalid        a cursor that this service did not make, or made for another listing
"""


class DecisionLogError(Exception):
    """The base of this room's errors."""


class LogUnavailable(DecisionLogError):  # noqa: N818 - the name that callers and `code` know
    """The record could not be made durable. Its callers must act as `on_log_failure` says."""


class LockTimeout(DecisionLogError):  # noqa: N818 - says what happened
    """The name was held by another request for longer than the caller would wait."""


class ServiceKeyInvalid(DecisionLogError):  # noqa: N818 - says what is wrong
    """The file of the service key can't be read or holds no key. The message says which and why."""


class NotOpened(DecisionLogError):  # noqa: N818 - says what happened
    """The sealed value was changed, bound to something else, or sealed under a key that is not at hand."""


class FilterInvalid(DecisionLogError):  # noqa: N818 - says what is wrong
    """A filter of a listing can't be understood.

    Attributes:
        parameter: the filter's name, as in the URL.
        message: what is wrong with it.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter}: {message}")
        self.parameter = parameter
        self.message = message


class CursorInvalid(DecisionLogError):  # noqa: N818 - says what is wrong
    """The cursor was not made by this service, or was made for a listing with other filters."""
